"""Find the files of a finished run that no receipt names: output of lost workers, and of those that were overtaken.

A file counts as garbage only where its own metadata names the run.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Iterator
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.formats.parquet_reader import FOOTER_SPAN
from tasks.protocol.keys import VECTORS_PREFIX, parts_prefix, quarantine_prefix
from tasks.protocol.manifest import Header
from tasks.protocol.receipt import Receipt
from tasks.stores.base import Entry, Store, list_all


class Eraser(Protocol):
    """A store that can delete an object. Every store of ours can; only `embedfleet finish` does."""

    def erase(self, key: str) -> None: ...


def garbage(store: Store, header: Header, receipts: list[Receipt]) -> Iterator[Entry]:
    """List what a finished run left behind: parts that others continued, and vectors and failed rows no receipt names."""
    named = {key for receipt in receipts for key, _ in receipt.files}
    kept = {key for receipt in receipts for key in receipt.quarantines}
    for entry in list_all(store, VECTORS_PREFIX):
        if entry.key not in named and _run_of(store, entry.key) == header.run:
            yield entry
    for entry in list_all(store, quarantine_prefix(header.run)):
        if entry.key not in kept:
            yield entry
    yield from list_all(store, parts_prefix(header.run))


def _run_of(store: Store, key: str) -> str | None:
    """Read the run that a file of vectors names in its metadata; None where it names none, and is not ours to remove."""
    stream = store.get(key, None, FOOTER_SPAN)
    if stream is None:
        return None
    with stream:
        try:
            metadata: dict[bytes, bytes] = pq.ParquetFile(stream).schema_arrow.metadata or {}
        except (pa.ArrowException, OSError):
            return None
    return metadata.get(b"embedfleet.run", b"").decode() or None
