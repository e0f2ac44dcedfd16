"""Write a document, a frozen dataclass, as its JSON object: money as text in full, times in ISO 8601.

The keys are the names of the fields, in their order. None becomes null.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast

import msgspec

from launcher.money import amount_text


def to_json(document: Any) -> dict[str, Any]:
    """The JSON object of a document, made of dict, list, str, int, float, bool and None alone."""
    return cast("dict[str, Any]", json_value(document))


def json_value(value: Any) -> Any:
    """A document, or a container of documents, as JSON values."""
    return _plain(msgspec.to_builtins(value, builtin_types=(Decimal, datetime, date)))


def _plain(value: Any) -> Any:
    """The value with amounts and times as text; `str` would write a small amount with an exponent."""
    match value:
        case dict():
            return {key: _plain(inner) for key, inner in cast("dict[str, Any]", value).items()}
        case list() | tuple():
            return [_plain(inner) for inner in cast("list[Any]", value)]
        case Decimal():
            return amount_text(value)
        case date():  # a datetime is a date too
            return value.isoformat()
        case _:
            return value
