"""One row of the input: a Document, or a BadRow with its position and the reason why it cannot be embedded.

`row_of` decides which. The readers of all formats make their rows here, so that the same values give the same row
whatever the format.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any, cast

from tasks.formats.fields import field_of
from tasks.formats.ids import id_text, rounded_id
from tasks.protocol.csv_format import CsvFormat

MAX_TEXT_BYTES = 8 * 2**20  # bytes of one text or line; longer ones are quarantined and not held in memory
# What bytes that are not UTF-8 are decoded to. A JSON escape of one of these is taken for such a byte.
ESCAPED_BYTES = frozenset(map(chr, range(0xDC80, 0xDD00)))


@dataclass(frozen=True, slots=True)
class Document:
    """One record. `position` counts rows in Parquet and Arrow, records in CSV, else bytes of the plain file."""

    id: str
    text: str
    file: str
    position: int
    kept: tuple[str | None, ...] = ()  # the values of `Columns.keep`


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be embedded, and why; or one that stands for all rows behind a damaged place.

    Attributes:
        rows: of the input, that it stands for.
        more: it stands for further rows, whose number is unknown.
        damage: the bytes of the file are wrong from here on.
        retry: another attempt may read or embed it: nothing is wrong with its bytes, as far as is known.
        lacks: the column or key that its record does not have at all.
        has: where it lacks one, the first columns or keys that it has.
    """

    file: str
    position: int
    reason: str
    id: str | None = None
    rows: int = 1
    more: bool = False
    damage: bool = False
    retry: bool = False
    lacks: str | None = field(default=None, compare=False)
    has: tuple[str, ...] = field(default=(), compare=False)


ReadRow = Document | BadRow


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A value that could not be read. `why` completes "the id is"."""

    why: str


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns or keys of text and id (None: file and position), and those that are stored with the vectors.

    A name with dots is a key inside an object, where no key has that name: see `fields`.
    """

    text: str
    id: str | None
    keep: tuple[str, ...] = ()
    csv: CsvFormat | None = None  # how tables are written, where the job says so
    join: str | None = (
        None  # what stands between the strings of a list that is a text; None: a list is no text
    )
    plain_ids: bool = True  # numbers as ids have one form; False: in a run of a version that did otherwise

    @property
    def names(self) -> tuple[str, ...]:
        """All columns to read, each once."""
        return tuple(dict.fromkeys((self.text, *([self.id] if self.id is not None else []), *self.keep)))


def repeated(names: Sequence[str], columns: Columns) -> list[str]:
    """The columns to read that a table has more than once."""
    return [name for name in columns.names if names.count(name) > 1]


def row_of(file: str, position: int, record: Mapping[str, Any], columns: Columns) -> ReadRow:
    """The document of a row, or what is wrong with it."""
    text = _text_of(_decoded(field_of(record, columns.text, file)), columns.join)
    identity = _decoded(field_of(record, columns.id, file)) if columns.id is not None else None
    name = f"{file}#{position}" if columns.id is None else id_text(identity, plain=columns.plain_ids)
    if columns.plain_ids and (rounded := rounded_id(identity)):
        return BadRow(file, position, f"no id: {columns.id!r} is {rounded}")
    if name is None:
        return BadRow(file, position, f"no id: {columns.id!r} is {_shown(identity)}")
    reason = _fault(text, columns.text)
    kept = tuple(_kept(field_of(record, column, file)) for column in columns.keep) if reason is None else ()
    if any(len(value or "") > MAX_TEXT_BYTES for value in kept):
        reason = f"over-long: a column to keep has more than {MAX_TEXT_BYTES:,} characters"
    bad_name = _not_unicode(name, "id")
    reason = reason or bad_name
    if reason is None:
        return Document(id=name, text=text, file=file, position=position, kept=kept)
    return BadRow(file, position, reason, name if bad_name is None else None)


def _kept(value: Any) -> str | None:
    """A value as text, so that a column has one type over all files; None: it has none.

    Strings are as they are, dates and times in ISO 8601, decimals with their digits, and what JSON knows is JSON.
    """
    if value is None or isinstance(value, Unreadable):
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    elif isinstance(value, bool | int | float | list | dict):
        value = json.dumps(value, ensure_ascii=False, default=_scalar_text)
    elif not isinstance(value, str):
        value = _scalar_text(value)
    return value.encode("utf-8", "replace").decode()


def _scalar_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | time) else str(value)  # a datetime is a date


def _text_of(value: Any, join: str | None) -> Any:
    """A list of strings as one text, where the job says how to join it."""
    if join is None or not isinstance(value, list):
        return value
    parts = cast("list[Any]", value)
    return join.join(parts) if all(isinstance(part, str) for part in parts) else parts


def _decoded(value: Any) -> Any:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _fault(text: Any, column: str) -> str | None:
    """Why this is not a text to embed; None when it is one."""
    if text is None:
        return f"no text: {column!r} is missing or null"
    if isinstance(text, list):
        return f"not a string: {column!r} is {_shown(text)}; corpus.join joins lists of strings"
    if not isinstance(text, str):
        return f"not a string: {column!r} is {_shown(text)}"
    if not text.strip():
        return "no text: it is empty or blank"
    if len(text) > MAX_TEXT_BYTES:
        return f"over-long: {len(text):,} characters, at most {MAX_TEXT_BYTES:,}"
    return _not_unicode(text, "text")


def _not_unicode(text: str, what: str) -> str | None:
    """Why a string is no Unicode: bytes that are not UTF-8, or half of a surrogate pair, as JSON can escape it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = text[error.start]
        if found in ESCAPED_BYTES:
            return f"invalid UTF-8 in the {what}"
        return f"half of a surrogate pair, \\u{ord(found):04x}, in the {what}"
    return None


def _shown(value: Any) -> str:
    if isinstance(value, Unreadable):
        return value.why
    return "missing or null" if value is None else f"{type(value).__name__} {repr(value)[:40]}"
