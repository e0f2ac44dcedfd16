"""The allowance: until when a run's machines may begin new work without a launcher.

A dead man's switch. Only a launcher compares what a run costs with its budget. So that a launcher that is gone cannot
be outspent by its machines, it leaves one moment in the store, and moves it on while it follows the run. When the
moment is over, all machines drain by themselves, also those that came up later or were recovered. It is a moment of the
store's clock, the same for all of them.
"""

from dataclasses import dataclass
from datetime import datetime

from tasks.protocol import documents
from tasks.protocol.keys import allowance_key
from tasks.stores.base import Store, read

SCHEMA = "embedfleet/allowance/1"


@dataclass(frozen=True, slots=True)
class Allowance:
    """The moment as the store holds it."""

    until: datetime | None  # by the store's clock; None: no bound
    at: datetime  # when it was written, by the launcher's clock


def send(store: Store, run: str, allowance: Allowance) -> None:
    """Let all machines of a run work until then, those that come up later included. Replaces the last one."""
    store.put(allowance_key(run), documents.encode(allowance, SCHEMA))


def seconds_left(store: Store, run: str) -> float | None:
    """Seconds until the run's machines drain, below 0 afterwards; None: there is no bound.

    Raises:
        BadDocument: the object is damaged.
    """
    body = read(store, allowance_key(run))
    if body is None:
        return None
    until = documents.decode(body, Allowance, "an allowance", SCHEMA).until
    return None if until is None else (until - store.now()).total_seconds()
