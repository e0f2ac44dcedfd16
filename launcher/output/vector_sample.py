"""A bounded sample of the vectors that a run has written, spread over its shards, to look at their quality.

It reads a part of a few files, never all: at most SAMPLE_FILES files and BATCH_BYTES of vectors of each, however large
the run is. What a store charges for that is under a cent.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.formats.parquet.checked_table import CheckedTable
from tasks.formats.vectors.quantize import dequantize
from tasks.protocol.receipt import Receipt
from tasks.stores.base import Store

SAMPLE_ROWS, SAMPLE_FILES = 1_000, 12
BATCH_ROWS, BATCH_BYTES = 8_192, 2**22  # of a file; the bytes are of its vectors in float32
COLUMNS = ("id", "chunk", "vector", "scale")


@dataclass(frozen=True, slots=True)
class SampledVectors:
    """Rows of the output: `vectors` is [rows, dimensions] in float32, as readers see them."""

    ids: tuple[str, ...]
    chunks: tuple[int, ...]
    shards: tuple[str, ...]  # the shard of each row
    vectors: NDArray[np.float32]
    total: int  # rows that the run has written


def sample_vectors(
    store: Store, receipts: Iterable[Receipt], rows: int = SAMPLE_ROWS, files: int = SAMPLE_FILES
) -> SampledVectors | None:
    """Sample up to so many rows from files of shards at equal distances; None if there is nothing to read.

    The receipts are read twice, one by one.

    Raises:
        StoreError: the store does not answer.
    """
    done = total = 0
    for receipt in receipts:
        if receipt.files and receipt.chunks:
            done += 1
            total += receipt.chunks
    wanted = {i * done // min(files, done) for i in range(min(files, done))}
    with_vectors = (receipt for receipt in receipts if receipt.files and receipt.chunks)
    chosen = [receipt for place, receipt in enumerate(with_vectors) if place in wanted]
    ids: list[str] = []
    chunks: list[int] = []
    shards: list[str] = []
    parts: list[NDArray[np.float32]] = []
    for receipt in chosen:
        table = _part_of(store, receipt.files[0][0])
        if table is None or not table.num_rows:
            continue
        places = np.unique(
            np.linspace(0, table.num_rows - 1, min(-(-rows // len(chosen)), table.num_rows)).astype(int)
        )
        taken = table.take(pa.array(places))
        found = dequantize(taken)
        if parts and found.shape[1] != parts[0].shape[1]:
            continue
        parts.append(found)
        ids += taken["id"].to_pylist()
        chunks += taken["chunk"].to_pylist()
        shards += [receipt.shard] * taken.num_rows
    if not parts:
        return None
    return SampledVectors(tuple(ids), tuple(chunks), tuple(shards), np.concatenate(parts), total)


def _part_of(store: Store, key: str) -> Any:
    """The first rows of a file as a table; None if it is gone or cannot be read: `verify` says so."""
    stream = store.get(key)
    if stream is None:
        return None
    with stream:
        try:
            with CheckedTable(stream) as file:
                schema = file.schema
                width: int = schema.field("vector").type.list_size
                size = max(1, min(BATCH_ROWS, BATCH_BYTES // (4 * width)))
                names = [name for name in COLUMNS if name in schema.names]
                batch = next(file.batches(size, names), None)
        except (pa.ArrowException, OSError, KeyError):
            return None
        return batch and pa.Table.from_batches([batch]).replace_schema_metadata(schema.metadata)
