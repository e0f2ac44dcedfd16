"""Write vectors to a Parquet file, in row groups that suit readers, so that a shard of any size fits in memory.

Knows rows, not shards. Columns that are kept from the source are stored with each vector as text.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from hashlib import file_digest
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.engines.base import Vectors
from tasks.engines.batches.piece_hash import HASH_BYTES
from tasks.formats.vectors.quantize import arrow_type, numpy_dtype, quantize, stored_width
from tasks.protocol.dtypes import Dtype

TEXT_HASH = "text_hash"
HashForm = Literal["hex", "bytes"]  # of that column; bytes: as an earlier version wrote
HASH_TYPES: Mapping[HashForm, pa.DataType] = {"hex": pa.string(), "bytes": pa.binary(HASH_BYTES)}
HASH_STORED_BYTES = 17.35  # in a file, a row: 32 hexadecimal digits by zstd, measured over 65,536 rows
OWN_COLUMNS = ("id", "chunk", "vector", "scale", TEXT_HASH)  # names that no column of the source may have
ELEMENT_PATH = "vector.list.element"  # Parquet's path of the numbers in the vectors

# A reader loads a row group at once and divides groups among its threads. The maximum of rows is half of the 122,880
# that DuckDB writes by default; the maximum of bytes of vectors is half of 128 MiB, the largest block of Ray Data and
# the default group of parquet-java. A shard of a million tokens is mostly one group.
GROUP_ROWS = 65_536
GROUP_BYTES = 64 * 2**20
GROUP_KEPT_CHARACTERS = (
    64 * 2**20
)  # characters of what is kept of the source, about; Arrow takes 2 GiB of a column at once
QUANTIZE_NUMBERS = 2**20  # numbers quantized at once, so that this takes little memory


def arrow_schema(
    dimensions: int,
    dtype: Dtype,
    keep: Sequence[str] = (),
    meta: Mapping[str, str] | None = None,
    *,
    hashes: HashForm | None = None,
) -> pa.Schema:
    """Columns: `id` (document), `chunk` (its number), `vector` (fixed-size list), `scale` for int8, kept columns.

    The last is `text_hash`, in the form of `hashes`: `tasks.engines.batches.piece_hash` of what the model read.

    The metadata holds `meta`, `dtype` and `dimensions`, each key with the prefix `embedfleet.`.
    """
    numbers = pa.list_(
        pa.field("element", arrow_type(dtype), nullable=False), stored_width(dimensions, dtype)
    )
    fields: list[pa.Field[Any]] = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("chunk", pa.int32(), nullable=False),
        pa.field("vector", numbers, nullable=False),
    ]
    if dtype == "int8":
        fields.append(pa.field("scale", pa.float32(), nullable=False))
    fields += [pa.field(name, pa.string()) for name in keep]
    if hashes:
        fields.append(pa.field(TEXT_HASH, HASH_TYPES[hashes], nullable=False))
    about = dict(meta or {}) | {"dtype": dtype, "dimensions": str(dimensions)}
    return pa.schema(fields, {f"embedfleet.{key}": value for key, value in about.items()})


class VectorFileWriter:
    """Writes a Parquet file, which is complete after `close`, or after the `with` block.

    Holds one row group in memory. Where groups end does not depend on how many rows come at once.
    """

    def __init__(
        self,
        path: Path,
        dimensions: int,
        dtype: Dtype,
        keep: Sequence[str] = (),
        meta: Mapping[str, str] | None = None,
        *,
        hashes: HashForm | None = None,
    ) -> None:
        self.path = path
        self.dtype: Dtype = dtype
        self.dimensions = dimensions
        self.rows = 0
        self.schema = arrow_schema(dimensions, dtype, keep, meta, hashes=hashes)
        # Vectors do not compress. But Parquet stores numbers of 8 bits in 32: they take one byte each only as indices
        # into a dictionary, which has 256 entries at most.
        others = [name for name in self.schema.names if name != "vector"]
        how: dict[str, Any] = {
            "compression": dict.fromkeys(others, "zstd") | {ELEMENT_PATH: "none"},
            "use_dictionary": [ELEMENT_PATH] if dtype in ("int8", "binary") else False,
            "write_statistics": [name for name in others if name != TEXT_HASH],
            "write_page_checksum": True,  # vectors are stored as they are: every damaged byte would be another vector
        }
        self._writer = pq.ParquetWriter(path, self.schema, **how)
        stored = numpy_dtype(dtype)
        wide = stored_width(dimensions, dtype)
        self._most = max(1, min(GROUP_ROWS, GROUP_BYTES // (wide * stored.itemsize)))
        self._keep = list(keep)
        # The rows held. The system commits memory only for rows that came.
        self._vectors = np.empty((self._most, wide), stored)
        self._scales = np.empty(self._most if dtype == "int8" else 0, np.float32)
        self._ids: list[str] = []
        self._chunks: list[int] = []
        self._kept: list[Sequence[str | None]] = []
        self._hashes: list[bytes] | None = [] if hashes else None
        self._characters = 0  # of kept columns

    def add(
        self,
        ids: Sequence[str],
        chunks: Sequence[int],
        vectors: Vectors,
        kept: Sequence[Sequence[str | None]] = (),
        hashes: Sequence[bytes] = (),
    ) -> None:
        """Add rows. `vectors` is [len(ids), dimensions], of length 1; `kept` holds the kept columns of each row.

        `hashes` are those of the column `text_hash`, where the file has it.
        """
        sizes = list(accumulate((sum(len(value or "") for value in values) for values in kept), initial=0))
        part = max(1, QUANTIZE_NUMBERS // self.dimensions)
        start = 0
        while start < len(ids):
            end = min(len(ids), start + part, start + self._most - len(self._ids))
            if self._keep:  # the row that reaches the limit is the group's last
                end = min(
                    end,
                    bisect_left(sizes, sizes[start] + GROUP_KEPT_CHARACTERS - self._characters, start + 1),
                )
                self._kept += kept[start:end]
                self._characters += sizes[end] - sizes[start]
            if self._hashes is not None:
                self._hashes += hashes[start:end]
            self._hold(ids[start:end], chunks[start:end], vectors[start:end])
            if len(self._ids) == self._most or self._characters >= GROUP_KEPT_CHARACTERS:
                self._flush()
            start = end

    def close(self) -> None:
        """Write the last group and the footer."""
        if self._writer.is_open:
            self._flush()
            self._writer.close()

    def _hold(self, ids: Sequence[str], chunks: Sequence[int], vectors: Vectors) -> None:
        """Copy rows into the group: the caller may reuse its arrays."""
        first, last = len(self._ids), len(self._ids) + len(ids)
        self._vectors[first:last], scales = quantize(vectors, self.dtype)
        if scales is not None:
            self._scales[first:last] = scales
        self._ids += ids
        self._chunks += chunks
        self.rows += len(ids)

    def _flush(self) -> None:
        """Write one row group."""
        count = len(self._ids)
        if not count:
            return
        flat = pa.array(self._vectors[:count].ravel())
        columns: list[Any] = [
            pa.array(self._ids, pa.string()),
            pa.array(self._chunks, pa.int32()),
            pa.FixedSizeListArray.from_arrays(flat, type=self.schema.field("vector").type),
        ]
        if self.dtype == "int8":
            columns.append(pa.array(self._scales[:count]))
        columns += [
            pa.array([values[place] for values in self._kept], pa.string())
            for place in range(len(self._keep))
        ]
        if self._hashes is not None:
            kind = self.schema.field(TEXT_HASH).type
            names = [name.hex() for name in self._hashes] if pa.types.is_string(kind) else self._hashes
            columns.append(pa.array(names, kind))
            self._hashes = []
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self.schema), row_group_size=count)
        self._ids, self._chunks, self._kept, self._characters = [], [], [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()
