"""Files of a finished run that no receipt names: the output of lost workers, and of those that were overtaken.

A file counts as garbage only when its own metadata names the run.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Iterator
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.formats.parquet_reader import TAIL
from tasks.protocol.keys import VECTORS_PREFIX, parts_prefix, quarantine_prefix
from tasks.protocol.manifest import Header
from tasks.protocol.receipt import Receipt
from tasks.stores.base import Entry, Store, list_all


class Eraser(Protocol):
    """What every store of ours can do, and only this command does."""

    def erase(self, key: str) -> None: ...


def garbage(store: Store, header: Header, receipts: list[Receipt]) -> Iterator[Entry]:
    """What a finished run left behind: parts that were gone on from, and vectors and failed rows that nobody names."""
    named = {key for one in receipts for key, _ in one.files}
    kept = {key for one in receipts for key in one.quarantines}
    for entry in list_all(store, VECTORS_PREFIX):
        if entry.key not in named and _run_of(store, entry.key) == header.run:
            yield entry
    yield from (e for e in list_all(store, quarantine_prefix(header.run)) if e.key not in kept)
    yield from list_all(store, parts_prefix(header.run))


def _run_of(store: Store, key: str) -> str | None:
    """Which run a file of vectors says that it is of; None where it does not say: then it is not ours to remove."""
    stream = store.get(key, None, TAIL)
    if stream is None:
        return None
    with stream:
        try:
            meta = pq.ParquetFile(stream).schema_arrow.metadata or {}
        except (pa.ArrowException, OSError):
            return None
    return meta.get(b"embedfleet.run", b"").decode() or None
