"""JSON documents of the protocol: bytes in the store on one side, typed dataclasses on the other.

Fields that this version does not know are ignored, so that a newer version may add some. A missing field without a
default, or one of another type, makes a document unreadable. Pure.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from tasks.errors import Problem

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
) -> bytes:
    """The bytes of a document, `schema` first; datetimes are ISO 8601 with an offset.

    `without_none` names fields that are left out while they are None: a field that came later than the schema keeps
    the bytes of documents that do not use it.

    Not by msgspec.json, whose text differs: another run of the same launch compares manifests byte by byte.
    """
    body = plain(document)
    if without_none:
        body = {key: value for key, value in body.items() if value is not None or key not in without_none}
    if schema is not None:
        body = {"schema": schema} | body
    return json.dumps(body, ensure_ascii=ascii_only, indent=indent, default=datetime.isoformat).encode()


def decode(body: bytes | str, kind: type[Document], what: str, schema: str | None = None) -> Document:
    """The document that `encode` wrote. `what` names it in messages, such as "a receipt".

    Raises:
        OtherSchema: it does not say that it is of this schema.
        BadDocument: it is not JSON, or not of these fields.
    """
    try:
        # Not by msgspec.json: file names that are not UTF-8 are lone surrogates here, which it refuses.
        found: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadDocument(f"not {what}: {error}") from error
    if schema is not None and convert(found, _Tagged, what).schema != schema:
        raise OtherSchema(f"not {what} of schema {schema}")
    return convert(found, kind, what)


def convert(found: object, kind: type[Document], what: str) -> Document:
    """The typed document of what a JSON parser gave.

    Raises:
        BadDocument: it is not of these fields.
    """
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise BadDocument(f"not {what}: {error}") from error
