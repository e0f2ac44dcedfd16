"""Vectors into one Parquet file, a window of rows at a time, so that a shard of any size fits in memory."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Mapping, Sequence
from hashlib import file_digest
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.embed import Vectors

Dtype = Literal["float32", "float16"]


def schema(dimensions: int, dtype: Dtype, meta: Mapping[str, str]) -> pa.Schema:
    """`id` (document), `chunk` (its number in the document), `vector` (fixed-size list)."""
    element = pa.float16() if dtype == "float16" else pa.float32()
    fields = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("chunk", pa.int32(), nullable=False),
        pa.field(
            "vector", pa.list_(pa.field("element", element, nullable=False), dimensions), nullable=False
        ),
    ]
    return pa.schema(fields, {f"embedfleet.{key}": value for key, value in meta.items()})


class VectorFile:
    """A Parquet file being written. Complete only after the `with` block."""

    def __init__(self, path: Path, dimensions: int, dtype: Dtype, meta: Mapping[str, str]) -> None:
        self.path = path
        self.dtype = dtype
        self.dimensions = dimensions
        self.rows = 0
        self.schema = schema(dimensions, dtype, meta)
        compression: Any = {
            "id": "zstd",
            "chunk": "zstd",
            "vector.list.element": "none",
        }  # vectors do not shrink
        self.writer = pq.ParquetWriter(path, self.schema, compression=compression, use_dictionary=False)

    def add(self, ids: Sequence[str], chunks: Sequence[int], vectors: Vectors) -> None:
        """One row group. `vectors` is [len(ids), dimensions]."""
        if not len(ids):
            return
        flat = np.ascontiguousarray(vectors, np.float16 if self.dtype == "float16" else np.float32).ravel()
        kind = self.schema.field("vector").type
        columns = [
            pa.array(ids, pa.string()),
            pa.array(chunks, pa.int32()),
            pa.FixedSizeListArray.from_arrays(pa.array(flat), type=kind),
        ]
        self.writer.write_table(pa.Table.from_arrays(columns, schema=self.schema))
        self.rows += len(ids)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.close()


def digest(path: Path) -> str:
    """sha256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()
