"""Write a document, a frozen dataclass, as its JSON object: money as text in full, times in ISO 8601.

The keys are the names of the fields, in their order. None becomes null.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast

import msgspec

from launcher.money import amount_text

ATOMS = frozenset({str, int, float, bool, type(None)})


def to_json(document: Any) -> dict[str, Any]:
    """The JSON object of a document, made of dict, list, str, int, float, bool and None alone."""
    return cast("dict[str, Any]", json_value(document))


def json_pieces(document: object) -> Iterator[str]:
    """The text of `json.dumps(to_json(document), indent=1)` in pieces: one for each entry of its lists.

    A report has an entry for each shard, and a million of them as JSON values, then as one text, take gigabytes.
    """
    if not is_dataclass(document):
        yield _text(document, 0)
        return
    yield "{"
    for count, field in enumerate(fields(document)):
        value: object = getattr(document, field.name)
        yield f"{',' if count else ''}\n {json.dumps(field.name)}: "
        if isinstance(value, Sequence) and not isinstance(value, str) and value:
            entries = cast("Sequence[object]", value)
            for number, entry in enumerate(entries):
                yield f"{',' if number else '['}\n  {_text(entry, 2)}"
            yield "\n ]"
        else:
            yield _text(cast("object", value), 1)
    yield "\n}"


def _text(value: object, depth: int) -> str:
    """A value as it stands in the text at this depth; no string of JSON holds a line break."""
    # The indent is added to the text: with `indent`, json leaves its C encoder for one that takes eight times as long.
    text = msgspec.json.format(json.dumps(json_value(value)), indent=1)
    return text.replace("\n", "\n" + " " * depth)


def json_value(value: Any) -> Any:
    """A document, or a container of documents, as JSON values."""
    return _plain(msgspec.to_builtins(value, builtin_types=(Decimal, datetime, date), enc_hook=_list_of))


def _list_of(value: object) -> list[object]:
    """A sequence that makes its entries when they are asked for."""
    if isinstance(value, Sequence):
        return list(cast("Sequence[object]", value))
    raise NotImplementedError(f"{type(value)} has no JSON form")


def _plain(value: Any) -> Any:
    """The value with amounts and times as text; `str` would write a small amount with an exponent.

    A report has a million values, so the usual case, a dict of plain values, is the fast one.
    """
    kind: object = type(cast("object", value))
    if kind in ATOMS:
        return value
    if kind is dict:
        items = cast("dict[str, Any]", value).items()
        return {key: inner if type(inner) in ATOMS else _plain(inner) for key, inner in items}
    if kind is list or kind is tuple:
        return [_plain(inner) for inner in cast("list[Any]", value)]
    if kind is Decimal:
        return amount_text(value)
    assert isinstance(value, date), f"{kind} has no JSON form"  # a datetime is a date too
    return value.isoformat()
