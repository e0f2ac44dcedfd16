"""The forms in which vectors could be kept: fewer dimensions, fewer bits, or signs with the vectors beside them.

Bytes are of the vector alone, without ids and without the overhead of an index. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.formats.vectors.quantize import LARGEST
from tasks.protocol.dtypes import Dtype

Floats = NDArray[np.float32]
SCALE_BYTES = 4  # of each int8 vector
RERANKED = (
    200  # rows by their signs; of 50, 100, 200 and 400 the last two kept recall@10 above 0.95 (measured)
)
SMALLEST_SHORTENED = 64


@dataclass(frozen=True, slots=True)
class Representation:
    """A dtype and dimensions. `reranked`: signs choose that many rows, and the stored vectors rank these again."""

    dtype: Dtype
    dimensions: int
    reranked: int = 0

    @property
    def name(self) -> str:
        """The name that is shown."""
        again = f" + {self.reranked} reranked" if self.reranked else ""
        return f"{self.dtype} {self.dimensions}{again}"

    def index_bytes(self) -> int:
        """Bytes of a vector that a search must have at hand."""
        return _bytes(self.dtype, self.dimensions)

    def stored_bytes(self, stored: "Representation") -> int:
        """Bytes of a vector in all: where rows are ranked again, what is stored is kept as well."""
        return self.index_bytes() + (stored.index_bytes() if self.reranked else 0)


def cheaper(stored: Representation, shorter: Sequence[int]) -> list[Representation]:
    """Cheaper ways to keep the stored vectors: fewer bytes and no more bits, at theirs and at `shorter` dimensions."""
    found = [
        Representation(dtype, dimensions)
        for dimensions in (stored.dimensions, *sorted(set(shorter), reverse=True))
        for dtype in ("float32", "float16", "int8", "binary")
        if dtype != "binary" or dimensions % 8 == 0
    ]
    found = [one for one in found if one.index_bytes() < stored.index_bytes() and _bits(one) <= _bits(stored)]
    if stored.dtype != "binary" and stored.dimensions % 8 == 0:
        found.append(Representation("binary", stored.dimensions, RERANKED))
    return found


def halves(dimensions: int) -> list[int]:
    """Half of the dimensions, a quarter and so on, as far as that is worth measuring."""
    found: list[int] = []
    while dimensions % 2 == 0 and dimensions // 2 >= SMALLEST_SHORTENED:
        dimensions //= 2
        found.append(dimensions)
    return found


def shorten(vectors: Floats, dimensions: int) -> Floats:
    """The leading dimensions with length 1 again; a row without a direction stays as it is."""
    part = vectors[:, :dimensions]
    lengths: Floats = np.linalg.norm(part, axis=1, keepdims=True)
    return part / np.where(lengths > 0, lengths, np.float32(1)).astype(np.float32)


def as_kept(vectors: Floats, dtype: Dtype) -> Floats:
    """Unit vectors as readers get them back from this dtype, with length 1 again, so that scores are cosines.

    Signs stay 1 and -1: their products are whole numbers, so that equal distances are equal.
    """
    if dtype == "float16":
        vectors = vectors.astype(np.float16).astype(np.float32)
    elif dtype == "int8":
        scales = np.abs(vectors).max(axis=1, keepdims=True) / np.float32(LARGEST)
        vectors = np.rint(vectors / np.where(scales > 0, scales, np.float32(1))).astype(np.float32)
    elif dtype == "binary":
        return np.where(vectors > 0, np.float32(1), np.float32(-1))
    return shorten(vectors, vectors.shape[1])


def _bytes(dtype: Dtype, dimensions: int) -> int:
    match dtype:
        case "float32":
            return 4 * dimensions
        case "float16":
            return 2 * dimensions
        case "int8":
            return dimensions + SCALE_BYTES
        case "binary":
            return dimensions // 8


def _bits(one: Representation) -> int:
    return {"float32": 32, "float16": 16, "int8": 8, "binary": 1}[one.dtype]
