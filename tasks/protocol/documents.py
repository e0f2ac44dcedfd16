"""JSON documents of the protocol: bytes in the store on one side, typed dataclasses on the other.

This is the one border at which a document is parsed: whatever its bytes are, a caller gets a typed value that is within
the bounds of `tasks.protocol.bounds`, or a `BadDocument` that says why not. Fields that this version does not know are
ignored, so that a newer version may add some. A missing field without a default, one of another type, or one that is
given twice makes a document unreadable. Pure.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

import msgspec

from tasks.errors import Problem
from tasks.protocol.bounds import out_of_bounds

MAX_DOCUMENT_BYTES = (
    64 * 2**20
)  # the largest of ours, the list of a million earlier shards, takes a third of this
WHY_CHARACTERS = 200  # of a reason that quotes the document

Document = TypeVar("Document")


class BadDocument(Problem, ValueError):  # noqa: N818 - a Problem like the others
    """A document cannot be read, and why."""

    def __init__(self, why: str) -> None:
        super().__init__(
            why,
            hint="use the version of embedfleet that wrote it; if that cannot read it either, it is damaged",
        )


class OtherSchema(BadDocument):
    """A document is of another kind, or of another version."""


@dataclass(frozen=True, slots=True)
class _Tagged:
    """What every document with a schema has."""

    schema: str | None = None


def plain(document: object) -> Any:
    """The document as JSON has it, but for datetimes, which stay."""
    return msgspec.to_builtins(document, builtin_types=(datetime,))


def encode(
    document: object,
    schema: str | None = None,
    *,
    ascii_only: bool = True,
    indent: int | None = None,
    without_none: Collection[str] = (),
    without_zero: Collection[str] = (),
) -> bytes:
    """The bytes of a document, `schema` first; datetimes are ISO 8601 with an offset.

    `without_none` names fields that are left out while they are None: a field that came later than the schema keeps
    the bytes of documents that do not use it. `without_zero` names such fields whose default is 0, false or empty.

    Not by msgspec.json, whose text differs: another run of the same launch compares manifests byte by byte.
    """
    body = plain(document)
    if without_none or without_zero:
        body = {
            key: value
            for key, value in body.items()
            if not (value is None and key in without_none) and not (not value and key in without_zero)
        }
    if schema is not None:
        body = {"schema": schema} | body
    return json.dumps(body, ensure_ascii=ascii_only, indent=indent, default=datetime.isoformat).encode()


def decode(body: bytes | str, kind: type[Document], what: str, schema: str | None = None) -> Document:
    """The document that `encode` wrote. `what` names it in messages, such as "a receipt".

    Raises:
        OtherSchema: it does not say that it is of this schema.
        BadDocument: it is not JSON, or not of these fields.
    """
    found = parse(body, what)
    if schema is not None and convert(found, _Tagged, what).schema != schema:
        raise OtherSchema(f"not {what} of schema {schema}")
    return convert(found, kind, what)


def parse(body: bytes | str, what: str) -> Any:
    """The JSON value of these bytes, without the NaN and Infinity of Python, and with no key twice in an object.

    Raises:
        BadDocument: it is not such JSON, or larger than any document of ours.
    """
    if len(body) > MAX_DOCUMENT_BYTES:
        raise BadDocument(f"not {what}: it has {len(body):,} bytes")
    try:
        # Not by msgspec.json: file names that are not UTF-8 are lone surrogates here, which it refuses.
        return json.loads(body, parse_constant=_no_number, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise BadDocument(f"not {what}: {str(error)[:WHY_CHARACTERS]}") from error


def convert(found: object, kind: type[Document], what: str) -> Document:
    """The typed document of what a JSON parser gave.

    Raises:
        BadDocument: it is not of these fields.
    """
    try:
        document = msgspec.convert(found, kind)
    except (
        msgspec.ValidationError,
        ValueError,
        RecursionError,
        OverflowError,
    ) as error:  # such as lone surrogates
        raise BadDocument(f"not {what}: {str(error)[:WHY_CHARACTERS]}") from error
    if why := out_of_bounds(msgspec.to_builtins(document, builtin_types=(datetime, Decimal))):
        raise BadDocument(f"not {what}: {why}")
    return document


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is given twice")
    return found
