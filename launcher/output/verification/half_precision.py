"""Whether a run was computed in half precision, as its workers' heartbeats say: then its vectors are less exact."""

from collections.abc import Iterable

from tasks.protocol import documents
from tasks.protocol.keys import heartbeats_prefix, worker_of
from tasks.protocol.messages import heartbeat
from tasks.stores.base import Store, list_all, read

HALF = ("bfloat16", "float16")


def computed_in_half(store: Store, runs: Iterable[str]) -> bool:
    """Whether a worker of these runs computed in half precision. A heartbeat that cannot be read says nothing."""
    return any(
        _dtype(store, run, entry.key) in HALF
        for run in runs
        for entry in list_all(store, heartbeats_prefix(run))
    )


def _dtype(store: Store, run: str, key: str) -> str | None:
    body = read(store, key)
    try:
        return None if body is None else heartbeat.of_worker(body, run, worker_of(key)).dtype
    except documents.BadDocument:  # `status` names it
        return None
