"""The receipt of a shard and the files that it names, as the store holds them; what is wrong with them, in words."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import file_digest
from typing import Any, BinaryIO

import pyarrow as pa

from tasks.formats.parquet.checked_table import CheckedTable
from tasks.formats.vectors.quantize import DTYPES, arrow_type
from tasks.protocol import documents, keys, receipt
from tasks.protocol.manifest import Header
from tasks.protocol.receipt import Receipt
from tasks.protocol.retry import ReceiptListing, list_receipts
from tasks.protocol.shard import Shard
from tasks.stores.base import Store, read

# What is said of an object that is there and is not what it must be; `verify` advises by these words.
UNREADABLE = "cannot be read"
OTHER_FILE = "is not the file that its receipt names"


@dataclass(slots=True)
class ReceiptReader:
    """Reads the receipts of runs, shard after shard; the listing of one slab is in memory."""

    store: Store
    _slab: tuple[str, str] | None = None  # run and slab of the listing
    _listing: ReceiptListing = field(default_factory=ReceiptListing)

    def read(self, header: Header, shard: Shard) -> Receipt | str:
        """The newest receipt of a shard, or why there is none that counts."""
        listing = self._of_slab(header, shard)
        number = listing.done.get(shard.id)
        if number is None:
            again = " since it was put back to be tried again" if shard.id in listing.retries else ""
            return f"shard {shard.position} ({shard.id}) has no receipt{again}"
        return _receipt(self.store, header, shard, number)

    def is_open(self, header: Header, shard: Shard) -> bool:
        """Whether a shard has no receipt, or was put back after its last one."""
        return shard.id not in self._of_slab(header, shard).done

    def _of_slab(self, header: Header, shard: Shard) -> ReceiptListing:
        if self._slab != (header.run, shard.slab):
            self._slab = (header.run, shard.slab)
            self._listing = list_receipts(self.store, header.run, shard.slab)
        return self._listing


def _receipt(store: Store, header: Header, shard: Shard, retry: int) -> Receipt | str:
    key = keys.receipt_key(header.run, shard.slab, shard.id, retry)
    body = read(store, key)
    if body is None:
        return f"shard {shard.position} ({shard.id}) has no receipt"
    try:
        found = receipt.load(body)
    except documents.BadDocument as error:
        return f"shard {shard.position}: its receipt {key} {UNREADABLE}: {error}"
    if (found.run, found.shard, found.position) != (header.run, shard.id, shard.position):
        return (
            f"shard {shard.position} ({shard.id}): its receipt is of shard {found.position} ({found.shard}) of run"
            f" {found.run}"
        )
    return found


def open_vectors(store: Store, done: Receipt, open_files: ExitStack) -> list[CheckedTable] | str:
    """The files of a receipt, in order, or what is wrong with one.

    It is gone, its bytes are not the receipt's, or it lacks a column that every file of vectors has.
    """
    files: list[CheckedTable] = []
    for key, digest in done.files:
        stream = store.get(key)
        if stream is None:
            return f"{key} is missing"
        open_files.enter_context(stream)
        if _sha256(stream) != digest:
            return f"{key} {OTHER_FILE} (SHA-256)"
        stream.seek(0)
        try:
            file = CheckedTable(stream)
        except (pa.ArrowException, OSError) as error:  # a worker's disk was wrong when it wrote it
            return f"{key} {UNREADABLE}: {error}"
        open_files.enter_context(file)
        if fault := _schema_fault(file.schema):
            return f"{key} {UNREADABLE}: {fault}"
        files.append(file)
    return files


def _schema_fault(schema: pa.Schema) -> str | None:
    """What a schema lacks of one of vectors; None: nothing."""
    said = (schema.metadata or {}).get(b"embedfleet.dtype", b"").decode(errors="replace")
    if said not in DTYPES:
        return f"its metadata has {said!r} for embedfleet.dtype"
    expected: dict[str, pa.DataType] = {"id": pa.string(), "chunk": pa.int32()}
    if said == "int8":
        expected["scale"] = pa.float32()
    for name, kind in expected.items():
        if schema.get_field_index(name) < 0 or schema.field(name).type != kind:
            return f"it has no column {name!r} of type {kind}"
    number = arrow_type(said)
    vectors: Any = schema.field("vector").type if schema.get_field_index("vector") >= 0 else None
    if not isinstance(vectors, pa.FixedSizeListType) or vectors.value_type != number or not vectors.list_size:
        return f"it has no column 'vector' of lists of {number} of one length"
    return None


def checked_batches(file: CheckedTable, rows: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Rows of a file of vectors, so many at a time.

    Raises:
        pyarrow.ArrowException, OSError: it is damaged, or a value is missing.
    """
    for batch in file.batches(rows, columns):
        for name in columns:
            if batch.column(name).null_count:
                raise pa.ArrowInvalid(f"its column {name!r} has missing values")
        yield batch


def _sha256(stream: BinaryIO) -> str:
    return file_digest(stream, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]  # it reads, that is enough
