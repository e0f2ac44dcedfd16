"""The text of a document's id, in one form for a value however a file holds it.

The integer 3 of one file is 3.0 in another, where a column with nulls became a float, and 3.00 as a decimal. All of
them are the id `3`. Strings stay as they are.
"""

from decimal import Decimal
from math import isfinite
from typing import Any
from uuid import UUID

DOUBLE_DIGITS = 53  # binary ones of a float of Python, JSON and most columns
ROUNDED = "whose last digits are rounded"  # said of such an id


def id_text(value: Any, *, plain: bool = True) -> str | None:
    """The id of this value; None: the value is no id. `plain`: numbers have one form, else that of their type.

    A string is an id unless it is empty; a truth value, a time, a list or an object is none.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal | UUID):
        return None
    if isinstance(value, float | Decimal):
        if value != value:  # noqa: PLR0124 - NaN, of either type
            return None
        return _number(value) if plain else str(value)
    return str(value) or None


def _number(value: float | Decimal) -> str | None:
    """A number without an exponent or zeros at its end; None: it is infinite."""
    if not isfinite(value):
        return None
    number = Decimal(repr(value)) if isinstance(value, float) else value
    digits = f"{number:f}"
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return "0" if digits == "-0" else digits


def rounded_id(value: Any, digits: int = DOUBLE_DIGITS) -> str | None:
    """What is wrong with a float that stands for a larger whole number than it can hold: its last digits are lost.

    `digits` are those of its fraction in binary, the leading one included. None: nothing is wrong with the value.
    """
    if not isinstance(value, float) or not isfinite(value) or abs(value) <= 2**digits:
        return None
    return f"float {_number(value)}, {ROUNDED}"


def id_of_bytes(value: bytes) -> str | None:
    """The id of a value of a column of bytes, where tools without a type for text keep it; None: it is no text.

    Sixteen bytes of a UUID or a hash are not text, although some of them happen to be valid UTF-8.
    """
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None
