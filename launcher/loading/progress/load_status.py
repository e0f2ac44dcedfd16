"""The state of a load, beside the run in its output path: the loader writes it, `status` reads it from any laptop."""

from launcher.documents.load_status import LoadStatus
from tasks.protocol import documents
from tasks.protocol.keys import load_status_key
from tasks.stores.base import Store, read

SCHEMA = "embedfleet/load-status/1"


def write_load_status(store: Store, run: str, status: LoadStatus) -> None:
    """Replace the state that is there; of two loaders, the last one's is shown."""
    store.put(load_status_key(run), documents.encode(status, SCHEMA))


def read_load_status(store: Store, run: str) -> LoadStatus | None:
    """The state that was last written; None: there is none, or it is damaged, which stops nothing."""
    body = read(store, load_status_key(run))
    try:
        return None if body is None else documents.decode(body, LoadStatus, "the state of a load", SCHEMA)
    except documents.BadDocument:
        return None
