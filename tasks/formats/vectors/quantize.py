"""Quantize unit vectors and dequantize them: half precision, int8 with a scale, and signs.

int8: a row is `vector * scale`; each row has its own scale, which is its largest number divided by 127.
binary: one bit a dimension, 1 when the number is above 0; eight to a byte, the first in the highest bit, as
`numpy.packbits` does. Only the signs are left. Knows columns, not files.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.errors import Problem
from tasks.protocol.dtypes import Dtype

DTYPES: tuple[Dtype, ...] = ("float32", "float16", "int8", "binary")
LARGEST = 127  # symmetric: -128 is not used
NUMBERS: dict[Dtype, Any] = {
    "float32": np.float32,
    "float16": np.float16,
    "int8": np.int8,
    "binary": np.uint8,
}

Floats = NDArray[np.float32]


class UnsupportedDimensions(Problem):
    """This type cannot store vectors of so many dimensions."""


def stored_width(dimensions: int, dtype: Dtype) -> int:
    """How many numbers a stored vector has.

    Raises:
        UnsupportedDimensions: binary needs a multiple of 8.
    """
    if dtype != "binary":
        return dimensions
    if dimensions % 8:
        raise UnsupportedDimensions(
            f"binary vectors hold 8 dimensions a byte, and {dimensions} is not a multiple of 8",
            hint=f"set output.dimensions to {max(8, dimensions - dimensions % 8)}, or output.dtype to int8",
        )
    return dimensions // 8


def numpy_dtype(dtype: Dtype) -> np.dtype[Any]:
    """The type of a stored number in memory."""
    return np.dtype(NUMBERS[dtype])


def arrow_type(dtype: Dtype) -> pa.DataType:
    """The type of a stored number in a file."""
    return pa.from_numpy_dtype(numpy_dtype(dtype))


def quantize(vectors: Floats, dtype: Dtype) -> tuple[NDArray[Any], Floats | None]:
    """Quantize rows: the stored numbers, [rows, width], and for int8 the scale of each row."""
    if dtype == "int8":
        scales = np.abs(vectors).max(axis=1, initial=0) / np.float32(LARGEST)
        steps = np.where(scales > 0, scales, np.float32(1))
        return np.rint(vectors / steps[:, None]).astype(np.int8), scales
    if dtype == "binary":
        return np.packbits(vectors > 0, axis=1), None
    return vectors.astype(numpy_dtype(dtype), copy=False), None


def dequantize(rows: pa.RecordBatch | pa.Table) -> Floats:
    """Dequantize the vectors of a batch or table of an output: [rows, dimensions].

    Binary vectors come back as signs, of length 1. The type is `embedfleet.dtype` in the metadata of the schema.

    Raises:
        ValueError: the metadata does not name a type.
    """
    said = (rows.schema.metadata or {}).get(b"embedfleet.dtype", b"").decode()
    if said not in DTYPES:
        raise ValueError(f"no vectors of embedfleet: the metadata has {said!r} for embedfleet.dtype")
    stored = stored_matrix(rows)
    if said == "int8":
        scales: Any = rows.column("scale")
        return stored.astype(np.float32) * np.asarray(scales, np.float32)[:, None]
    if said == "binary":
        signs = np.unpackbits(stored, axis=1).astype(np.float32) * 2 - 1
        return signs / np.float32(np.sqrt(max(1, signs.shape[1])))
    return stored.astype(np.float32, copy=False)


def stored_matrix(rows: pa.RecordBatch | pa.Table) -> NDArray[Any]:
    """The stored numbers of the vectors, [rows, width]."""
    column: Any = rows.column("vector")
    parts: list[Any] = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    wide: int = column.type.list_size
    flat = [part.flatten().to_numpy(zero_copy_only=False).reshape(-1, wide) for part in parts]
    return np.concatenate(flat) if len(flat) != 1 else flat[0]
