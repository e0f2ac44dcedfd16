"""Bounds of what a document may hold: types for its fields, and a check of every value in it.

A document may come from a bucket that others can write to, or from a disk that failed. What is outside these bounds
would overflow the ledger's integers, the arithmetic of times and money, or the stack, so it is refused where it is
read. Pure.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import Annotated, cast

import msgspec

MAX_INTEGER = 2**63 - 1  # what SQLite keeps
MAX_AMOUNT = Decimal(10) ** 15  # dollars; no sum of them loses a cent in 28 digits
MAX_DEPTH = 32  # of lists and objects inside each other; our documents need ten
# Far enough from the ends of the calendar that time zones, intervals and leap years overflow nowhere.
FIRST_YEAR, LAST_YEAR = 1970, 2200

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
Lifetime = Annotated[float, msgspec.Meta(gt=0, le=86_400 * 365)]  # seconds
# One name of a key: no folder, no control character, and short enough for every store.
_LETTER = r"[^\x00-\x1f\x7f-\x9f/\ud800-\udfff]"
Name = Annotated[str, msgspec.Meta(pattern=rf"\A(?!\.{{1,2}}\Z){_LETTER}+\Z", max_length=512)]
# Keys under which workers write: one in a receipt leads to no other object.
VectorsKey = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"\A(data|_embedfleet/{_LETTER}+\.repeats/vectors)/{_LETTER}+\.parquet\Z", max_length=1_024
    ),
]
QuarantineKey = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"\A_embedfleet/(?!(.*/)?\.{{1,2}}/)({_LETTER}+/)+{_LETTER}+\.jsonl\Z", max_length=1_024
    ),
]


def out_of_bounds(value: object, depth: int = 0) -> str | None:
    """Why a value cannot be used: the first number or moment in it that is out of bounds. None: all are within.

    `value` is made of what a JSON parser gives, and of moments and amounts.
    """
    kind: object = type(value)
    if kind is str or value is None or kind is bool:  # most values: the fast way out
        return None
    if kind is dict or kind is list or kind is tuple:
        if depth == MAX_DEPTH:
            return f"nested more than {MAX_DEPTH} deep"
        entries = cast("Mapping[str, object]", value).values() if kind is dict else value
        found = (out_of_bounds(entry, depth + 1) for entry in cast("Iterable[object]", entries))
        return next((why for why in found if why), None)
    return _scalar_out_of_bounds(value)


def _scalar_out_of_bounds(value: object) -> str | None:
    why = None
    match value:
        case int() if not -MAX_INTEGER <= value <= MAX_INTEGER:
            why = "a number of more than 64 bits"
        case float() if not isfinite(value):
            why = f"{value} is no number"
        case Decimal() if not value.is_finite() or abs(value) > MAX_AMOUNT:
            why = f"{value:.3g} is no amount"
        case datetime() if value.utcoffset() is None:
            why = f"the time {value} has no zone"
        case datetime() if not FIRST_YEAR <= value.year < LAST_YEAR:
            why = f"the time {value} is out of the range of this program"
        case _:
            pass
    return why
