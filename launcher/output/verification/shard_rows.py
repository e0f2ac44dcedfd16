"""The rows of one shard while they are verified, of its output and of its input, a batch in memory at a time."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import json
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from launcher.output.hashed_names import contains, id_hash
from launcher.output.id_hashes import sort_in_place
from launcher.output.verification.reembed import SampledRow
from launcher.output.verification.shard_files import checked_batches
from tasks.formats.damage import is_passing
from tasks.formats.parquet.checked_table import CheckedTable
from tasks.formats.rows import BadRow, ReadRow
from tasks.formats.vectors.quantize import dequantize
from tasks.protocol.receipt import Receipt
from tasks.protocol.shard import Shard
from tasks.stores.base import Store

BATCH_ROWS = 8_192  # of the output, read at once, unless their vectors are more than
BATCH_VECTOR_BYTES = 2**22  # decoding and measuring vectors takes many times their bytes


@dataclass(slots=True)
class OutputRows:
    """Count the rows of a shard's output as they pass, measure their vectors and sample a few."""

    shard: Shard
    tolerance: float  # greatest difference of a vector's length from 1
    seen: "array[int]"  # hash of every (id, chunk) of the run
    sample_places: list[int]  # which rows to sample, in order
    sampled: list[SampledRow]
    rows: int = 0
    bad_lengths: int = 0  # vectors whose length is not 1
    chunk_gap: str | None = None  # the first chunk that does not follow the one before it
    unreadable: str | None = None  # why rows of a file that its receipt is signed for cannot be read

    def documents(self, file: CheckedTable) -> Iterator[str]:
        """Yield the id of each document, once, at its first row."""
        width: int = file.schema.field("vector").type.list_size
        size = max(1, min(BATCH_ROWS, BATCH_VECTOR_BYTES // (4 * width)))
        last, before = None, 0
        schema = file.schema
        columns = [name for name in ("id", "chunk", "vector", "scale") if name in schema.names]
        for batch in self._batches(file, size, columns):
            table: Any = pa.Table.from_batches([batch]).replace_schema_metadata(schema.metadata)
            ids: list[str] = table["id"].to_pylist()
            chunks: list[int] = table["chunk"].to_pylist()
            self._measure(ids, chunks, dequantize(table))
            for name, chunk in zip(ids, chunks, strict=True):
                # Two documents in a row may have one id: the second begins where the numbers begin again.
                first = name != last or chunk == 0
                expected = 0 if first else before + 1
                if chunk != expected and self.chunk_gap is None:
                    self.chunk_gap = f"{name!r} has chunk {chunk} where chunk {expected} is expected"
                last, before = name, chunk
                if first:
                    yield name

    def _batches(self, file: CheckedTable, size: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of a file as far as they can be read; `unreadable` says why they end."""
        try:
            yield from checked_batches(file, size, columns)
        except (pa.ArrowException, OSError) as error:
            if is_passing(error):
                raise
            self.unreadable = self.unreadable or str(error)

    def _measure(self, ids: list[str], chunks: list[int], vectors: NDArray[np.float32]) -> None:
        self.seen.extend(map(id_hash, ids, chunks))
        lengths = np.linalg.norm(vectors, axis=1)
        self.bad_lengths += int(np.sum(~(np.abs(lengths - 1) <= self.tolerance)))
        low, high = (bisect_left(self.sample_places, self.rows + n) for n in (0, len(ids)))
        for place in self.sample_places[low:high]:
            row = place - self.rows
            # A copy, because a view would keep the whole batch in memory.
            self.sampled.append(SampledRow(self.shard, ids[row], chunks[row], vectors[row].copy()))
        self.rows += len(ids)


@dataclass(frozen=True, slots=True)
class LostRange:
    """Rows of a file that a worker could not read although nothing is known to be wrong with them.

    `end` is the position behind them; None: all that follow in the shard.
    """

    file: str
    start: int
    end: int | None
    rows: int

    def holds(self, row: ReadRow) -> bool:
        return (
            row.file == self.file
            and self.start <= row.position
            and (self.end is None or row.position < self.end)
        )


@dataclass(slots=True)
class Quarantine:
    """The rows that the quarantine of a shard names: their number, and which of them can be read."""

    rows: int = 0
    places: "array[int]" = field(default_factory=lambda: array("Q"))  # sorted hashes of (file, position)
    lost: list[LostRange] = field(default_factory=list[LostRange])


@dataclass(slots=True)
class InputRows:
    """Count the rows of a shard's input as they pass; a readable row may be in quarantine because the engine failed."""

    quarantine: Quarantine
    documents: int = 0
    failed: int = 0
    unlisted: BadRow | None = None  # the first that is not in quarantine

    def __post_init__(self) -> None:
        self.failed = sum(lost.rows for lost in self.quarantine.lost)

    def expected(self, rows: Iterable[ReadRow]) -> Iterator[str]:
        """Yield the ids of the documents that must be in the output, in order."""
        places, lost = self.quarantine.places, self.quarantine.lost
        for row in rows:
            if lost and any(found.holds(row) for found in lost):
                continue
            if isinstance(row, BadRow):
                self.failed += row.rows
                if self.unlisted is None and not contains(places, id_hash(row.file, row.position)):
                    self.unlisted = row
                continue
            self.documents += 1
            if places and contains(places, id_hash(row.file, row.position)):
                self.failed += 1
            else:
                yield row.id


def read_quarantine(store: Store, receipt: Receipt) -> Quarantine:
    """Read the quarantine of a shard; the places of its rows take 8 bytes each."""
    found = Quarantine()
    for key in receipt.quarantines:
        stream = store.get(key)
        if stream is None:
            continue
        with stream:
            for line in stream:
                row = _bad_row(line)
                found.rows += row.rows if row else 1
                if row is None or row.damage:  # a line without file and position excuses no row
                    continue
                if row.retry and (row.more or row.rows > 1):
                    end = None if row.more else row.position + row.rows
                    found.lost.append(LostRange(row.file, row.position, end, row.rows))
                else:
                    found.places.append(id_hash(row.file, row.position))
    sort_in_place(found.places)
    return found


def _bad_row(line: bytes) -> BadRow | None:
    """The row of a line of a quarantine file; None where the line names none."""
    try:
        return msgspec.convert(json.loads(line), BadRow)
    except (ValueError, RecursionError):
        return None
