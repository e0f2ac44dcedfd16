"""What served when the first loader of a load began: a late loader of the load sees by it that the load is over.

Create-only, beside the run, once the first loader has checked the rows against the limits of the store.
"""

from dataclasses import dataclass

from tasks.protocol import documents
from tasks.protocol.keys import load_beginning_key
from tasks.stores.base import Store, create_once, read

SCHEMA = "embedfleet/load-beginning/1"


@dataclass(frozen=True, slots=True)
class Beginning:
    """What every loader of a load goes by."""

    serving: str | None  # `Contents.collection` of the collection under the address; None: there was none


def read_beginning(store: Store, run: str, load: str) -> Beginning | None:
    """What the first loader wrote; None: none has.

    Raises:
        BadDocument: it is damaged.
    """
    key = load_beginning_key(run, load)
    body = read(store, key)
    return None if body is None else documents.decode(body, Beginning, f"the beginning {key}", SCHEMA)


def write_beginning(store: Store, run: str, load: str, serving: str | None) -> Beginning:
    """Write it, and return the one that counts: that of the loader that came first."""
    mine = Beginning(serving)
    create_once(store, load_beginning_key(run, load), documents.encode(mine, SCHEMA))
    return read_beginning(store, run, load) or mine
