"""Read documents from input files, one at a time, whatever the files hold.

A bad row becomes a `BadRow` with its position and reason and never stops the rest. Reads ranges, so a shard needs no
re-upload. Holds one row (or one small batch of Parquet rows) at a time.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import codecs
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast
from uuid import UUID

import pyarrow as pa

from tasks.errors import Problem
from tasks.formats.parquet_reader import OpenFile, open_footer
from tasks.formats.tables import BadTableError, Record, dialect_of, looks_like_utf16, open_table
from tasks.protocol.csv_format import CsvFormat
from tasks.protocol.shard import Slice
from tasks.stores.base import ObjectChanged, Store, StoreError

MAX_TEXT_BYTES = 8 * 2**20  # bytes of one text or line; longer ones are quarantined and not held in memory
ZSTD_READ_BYTES = 4_096  # decompressed at once: where a .zst is damaged, Arrow loses this read
MAX_NAMES_SHOWN = 12  # keys of a line in a message, each with at most MAX_NAME_SHOWN characters
MAX_NAME_SHOWN = 40
MAX_RECORD_CHARACTERS = 8 * MAX_TEXT_BYTES  # of a line of a table, and inside quotes: held in memory

GZIP_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)


@dataclass(frozen=True, slots=True)
class Document:
    """One record. `position` counts rows in Parquet, records in CSV, else bytes of the (decompressed) file."""

    id: str
    text: str
    file: str
    position: int
    kept: tuple[str | None, ...] = ()  # the values of `Columns.keep`


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be embedded, and why."""

    file: str
    position: int
    reason: str
    id: str | None = None


ReadRow = Document | BadRow


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """A value that could not be read. `why` completes "the id is"."""

    why: str


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns or keys of text and id (None: file and position), and those that are stored with the vectors."""

    text: str
    id: str | None
    keep: tuple[str, ...] = ()
    csv: CsvFormat | None = None  # how tables are written, where the job says so

    @property
    def names(self) -> tuple[str, ...]:
        """All columns to read, each once."""
        return tuple(dict.fromkeys((self.text, *([self.id] if self.id is not None else []), *self.keep)))


def read_rows(
    source: Store,
    piece: Slice,
    columns: Columns,
    bookmark: OpenFile | None = None,
    stream: BinaryIO | None = None,
) -> Iterator[ReadRow]:
    """The rows of a slice, good and bad, in file order. With a `bookmark` a Parquet file stays open for the next slice.

    `stream` is the result of `open_slice`, if that was called before.

    Raises:
        ObjectChanged: the file is gone, or not the version that was planned.
        StoreError: it is not a file of the corpus, or the store does not let us read it.
    """
    if piece.kind == "parquet":
        yield from _parquet(source, piece, columns, bookmark, stream)
        return
    with stream or open_slice(source, piece) as stored, decompressed(stored, piece.path) as unpacked:
        yield from rows_of_stream(unpacked, piece, columns)


def open_slice(source: Store, piece: Slice) -> BinaryIO:
    """Open the file of a slice and fetch its first bytes (for Parquet, its last).

    Raises:
        ObjectChanged: the file is gone, or not the version that was planned.
        StoreError: it is not a file of the corpus, or the store does not let us read it.
    """
    inside = PurePosixPath(piece.path)
    if inside.is_absolute() or ".." in inside.parts:  # the manifest is not by our planner
        raise StoreError(f"{piece.path!r} is not a path inside the corpus", hint="plan and launch again")
    if piece.kind == "parquet":
        try:
            return open_footer(source, piece.path, piece.version)
        except ObjectChanged as changed:
            if changed.gone:
                raise missing_file(source, piece) from changed
            raise
    stream = source.get(piece.path, piece.version, (piece.start, piece.end))
    if stream is None:
        raise missing_file(source, piece)
    return stream


def missing_file(source: Store, piece: Slice) -> Problem:
    """The error for a missing file: it alone is gone, or the whole corpus is, as when a disk is not mounted."""
    if source.list(""):
        return ObjectChanged(piece.path, piece.version, None)
    return StoreError(
        f"cannot read {piece.path}: nothing is left of the corpus",
        hint="bring the corpus back where it was, then resume the run: nothing is lost",
    )


def rows_of_stream(stream: BinaryIO, piece: Slice, columns: Columns) -> Iterator[ReadRow]:
    """The rows of a stream of plain bytes, of any format but Parquet."""
    if piece.kind in ("csv", "tsv"):
        yield from _table(stream, piece, columns)
    else:
        yield from _lines(stream, piece, columns)


def decompressed(stream: BinaryIO, name: str) -> BinaryIO:
    """The stream of a file, decompressed when its name ends with .gz or .zst."""
    if name.endswith(".gz"):
        return cast("BinaryIO", gzip.open(stream, "rb"))
    if name.endswith(".zst"):
        native = pa.CompressedInputStream(pa.PythonFile(cast("Any", stream), "r"), "zstd")
        return cast("BinaryIO", io.BufferedReader(cast("Any", native), ZSTD_READ_BYTES))
    return stream


def _lines(stream: BinaryIO, piece: Slice, columns: Columns) -> Iterator[ReadRow]:
    """Lines that start in [start, end)."""
    position = piece.start
    if position:
        stream.seek(position)
    while piece.end is None or position < piece.end:
        try:
            line = stream.readline(MAX_TEXT_BYTES + 1)
            length = len(line)
            whole = line.endswith(b"\n") or length <= MAX_TEXT_BYTES
            while not whole:  # skip the rest without holding it
                rest = stream.readline(2**20)
                length += len(rest)
                whole = rest.endswith(b"\n") or not rest
        except (*GZIP_ERRORS, OSError) as error:
            yield BadRow(piece.path, position, f"the file is damaged from here on: {error}")
            return
        if not line:
            return
        if position == 0:
            line = line.removeprefix(codecs.BOM_UTF8)
        if length > MAX_TEXT_BYTES:
            yield BadRow(
                piece.path, position, f"over-long line: {length:,} bytes, at most {MAX_TEXT_BYTES:,}"
            )
        elif line.strip():
            yield _line(line, piece, position, columns)
        position += length


def _line(line: bytes, piece: Slice, position: int, columns: Columns) -> ReadRow:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        is_utf16 = position == 0 and looks_like_utf16(line[:8].decode("utf-8", "surrogateescape"))
        wrong = (
            "the file is UTF-16, not UTF-8"
            if is_utf16
            else f"invalid UTF-8 at byte {error.start} of the line"
        )
        return BadRow(piece.path, position, wrong)
    if piece.kind != "text":
        return _json_line(text, piece, position, columns)
    if looks_like_utf16(text):  # it is UTF-8, too, with zeros
        return BadRow(piece.path, position, "the line is UTF-16, not UTF-8")
    # A line of text has no columns.
    return row_of(piece.path, position, {columns.text: text.rstrip("\r\n")}, replace(columns, id=None))


def _json_line(text: str, piece: Slice, position: int, columns: Columns) -> ReadRow:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        return BadRow(piece.path, position, f"broken JSON line: {error}")
    if not isinstance(found, dict):
        return BadRow(piece.path, position, f"not a JSON object: {type(found).__name__}")
    record = cast("dict[str, Any]", found)
    row = row_of(piece.path, position, record, columns)
    if isinstance(row, BadRow) and (columns.text not in record or (columns.id or columns.text) not in record):
        names = ", ".join(repr(name[:MAX_NAME_SHOWN]) for name in list(record)[:MAX_NAMES_SHOWN])
        return replace(row, reason=f"{row.reason}; the line has {names or 'no keys'}")
    return row


def _table(stream: BinaryIO, piece: Slice, columns: Columns) -> Iterator[ReadRow]:
    dialect = dialect_of(piece.kind, columns.csv)
    text = io.TextIOWrapper(stream, dialect.encoding, errors="surrogateescape", newline="")
    position = 0
    try:
        table = open_table(text, dialect, MAX_RECORD_CHARACTERS)
        places = {name: table.names.index(name) for name in columns.names if name in table.names}
        twice = {name: _Unreadable("in more than one column") for name in repeated(table.names, columns)}
        for found in table.records:
            if isinstance(found, Record):
                fields = {name: found.fields[place] for name, place in places.items()} | twice
                yield row_of(piece.path, position, fields, columns)
                position += 1
                continue
            for line in range(found.line, found.last + 1):
                yield BadRow(piece.path, position, f"line {line}: {found.reason}")
                position += 1
    except BadTableError as error:
        yield BadRow(piece.path, position, str(error))
    except (*GZIP_ERRORS, OSError, UnicodeError) as error:
        yield BadRow(piece.path, position, f"the file is damaged from here on: {error}")
    finally:
        text.detach()  # the caller closes the stream


def repeated(names: Sequence[str], columns: Columns) -> list[str]:
    """The columns to read that a table has more than once."""
    return [name for name in columns.names if names.count(name) > 1]


def _parquet(
    source: Store, piece: Slice, columns: Columns, bookmark: OpenFile | None, stream: BinaryIO | None
) -> Iterator[ReadRow]:
    mark = bookmark or OpenFile()
    position = piece.start
    try:
        file = mark.at(piece, columns.names, lambda: stream or open_slice(source, piece))
        for first, batch in file.read(piece.start, file.rows if piece.end is None else piece.end):
            yield from _batch(batch, first, piece.path, columns)
            position = first + batch.num_rows
    except (pa.ArrowException, OSError) as error:
        mark.close()
        yield BadRow(piece.path, position, f"the file is damaged from here on: {error}")
    except Problem:
        mark.close()
        raise
    finally:
        if bookmark is None:
            mark.close()


def _batch(batch: pa.RecordBatch, first: int, file: str, columns: Columns) -> Iterator[ReadRow]:
    values = {name: _values(batch, name) for name in columns.names}
    for offset in range(batch.num_rows):
        record = {name: column[offset] for name, column in values.items()}
        yield row_of(file, first + offset, record, columns)


def _values(batch: pa.RecordBatch, name: str) -> list[Any]:
    """A column as Python values; strings as bytes, because Arrow does not check that they are UTF-8."""
    if name not in batch.schema.names:
        return [None] * batch.num_rows
    if batch.schema.names.count(name) > 1:  # the planner refuses these
        return [_Unreadable("in more than one column")] * batch.num_rows
    column: Any = batch.column(name)
    if pa.types.is_dictionary(column.type):
        column = _raw(column.dictionary).take(column.indices)
    column = _raw(column)
    try:
        return cast("list[Any]", column.to_pylist())
    except (ValueError, OverflowError):  # Python cannot hold one of the values; the others are good
        return [_value(scalar) for scalar in column]


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError) as error:
        return _Unreadable(f"a {scalar.type} that cannot be read: {error}")


def _raw(column: Any) -> Any:
    if pa.types.is_string(column.type):
        return column.view(pa.binary())
    if pa.types.is_large_string(column.type):
        return column.view(pa.large_binary())
    return column.view(pa.binary_view()) if pa.types.is_string_view(column.type) else column


def row_of(file: str, position: int, record: Mapping[str, Any], columns: Columns) -> ReadRow:
    """The document of a row, or what is wrong with it."""
    text = _decoded(record.get(columns.text))
    identity = _decoded(record.get(columns.id)) if columns.id is not None else None
    name = f"{file}#{position}" if columns.id is None else _identity(identity)
    if name is None:
        return BadRow(file, position, f"no id: {columns.id!r} is {_shown(identity)}")
    reason = _fault(text, columns.text)
    kept = tuple(_kept(record.get(column)) for column in columns.keep) if reason is None else ()
    if any(len(value or "") > MAX_TEXT_BYTES for value in kept):
        reason = f"over-long: a column to keep has more than {MAX_TEXT_BYTES:,} characters"
    if reason is None and _encodable(name):
        return Document(id=name, text=text, file=file, position=position, kept=kept)
    return BadRow(file, position, reason or "invalid UTF-8 in the id", name if _encodable(name) else None)


def _kept(value: Any) -> str | None:
    """A value as text: strings as they are, others as JSON, so that a column has one type over all files."""
    if value is None or isinstance(value, _Unreadable):
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    elif not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, default=str)
    return value.encode("utf-8", "replace").decode()


def _decoded(value: Any) -> Any:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _identity(value: Any) -> str | None:
    if isinstance(value, bool) or value == "" or value != value:  # noqa: PLR0124 - NaN is not an id
        return None
    return str(value) if isinstance(value, str | int | float | Decimal | UUID) else None


def _fault(text: Any, column: str) -> str | None:
    """Why this is not a text to embed; None when it is one."""
    if text is None:
        return f"no text: {column!r} is missing or null"
    if not isinstance(text, str):
        return f"not a string: {column!r} is {_shown(text)}"
    if not text.strip():
        return "no text: it is empty or blank"
    if len(text) > MAX_TEXT_BYTES:
        return f"over-long: {len(text):,} characters, at most {MAX_TEXT_BYTES:,}"
    return None if _encodable(text) else "invalid UTF-8 in the text"


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: Any) -> str:
    if isinstance(value, _Unreadable):
        return value.why
    return "missing or null" if value is None else f"{type(value).__name__} {repr(value)[:40]}"
