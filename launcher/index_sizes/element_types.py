"""The type that a store has for a dtype, and the bytes of a vector's numbers in it. Pure."""

from collections.abc import Mapping

from launcher.index_sizes.size import VectorSet
from pricing.charges.storage import Dtype

BYTES: Mapping[Dtype, float] = {"float32": 4, "float16": 2, "int8": 1, "binary": 1 / 8}
NO_BITS = "has no size here for packed bits: give a dtype with numbers"

F32 = ("float32", 4.0)
ONLY_FLOAT32: Mapping[Dtype, tuple[str, float]] = {"float32": F32, "float16": F32, "int8": F32}
AS_STORED: Mapping[Dtype, tuple[str, float]] = {
    "float32": F32,
    "float16": ("float16", 2.0),
    "int8": ("int8", 1.0),
    "binary": ("bits", BYTES["binary"]),
}
NO_BITS_TYPE: Mapping[Dtype, tuple[str, float]] = {
    dtype: taken for dtype, taken in AS_STORED.items() if dtype != "binary"
}
TO_FLOAT16: Mapping[Dtype, tuple[str, float]] = {**NO_BITS_TYPE, "int8": ("float16", 2.0)}


class NotHeldError(Exception):
    """A store cannot hold these vectors; the reason in words."""


def width_of(asked: VectorSet, takes: Mapping[Dtype, tuple[str, float]]) -> tuple[str, float]:
    """The type that a store has for the dtype, and the bytes of a vector's numbers."""
    if asked.dtype not in takes:
        raise NotHeldError(NO_BITS)
    name, each = takes[asked.dtype]
    return name, packed(asked.dimensions, each)


def packed(dimensions: int, each: float) -> float:
    return -(-dimensions // 8) if each < 1 else dimensions * each
