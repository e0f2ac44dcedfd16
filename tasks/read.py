"""Documents out of input files, one at a time, whatever the files hold.

A bad row becomes a `Bad` with its place and reason and never stops the rest. Reads ranges, so a shard needs
no re-upload; holds one row (or one small batch of Parquet rows) at a time.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.problem import Problem
from tasks.shard import Slice

LONGEST = 8 * 2**20  # bytes of one text or line; longer ones are quarantined, not held
BATCH = 4 * 2**20  # bytes of Parquet rows decoded at once
ZSTD = 4_096  # bytes decompressed at once: where a .zst is damaged, Arrow loses what it had of this read
csv.field_size_limit(8 * LONGEST)  # a longer field breaks the file off: the parser holds it in memory

GZIP_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)


class InputChanged(Problem):
    """An input file is not what it was when the plan was made."""


@dataclass(frozen=True, slots=True)
class Document:
    """One record. `position` is a row in Parquet, a record in CSV, else a byte of the (decompressed) file."""

    id: str
    text: str
    file: str
    position: int


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that cannot be embedded, and why."""

    file: str
    position: int
    reason: str
    id: str | None = None


Row = Document | Bad


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """Stands for a value that could not be read. `why` completes "the id is"."""

    why: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column or key is the text, and which the id (None: file and position)."""

    text: str
    id: str | None


def version(path: Path) -> str:
    """What changes when the file does."""
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


def rows(root: Path, piece: Slice, columns: Columns) -> Iterator[Row]:
    """The rows of a slice, good and bad, in file order.

    Raises:
        InputChanged: the file is gone or no longer the one that was planned, or no file of the corpus.
    """
    inside = PurePosixPath(piece.path)
    if inside.is_absolute() or ".." in inside.parts:  # a manifest that no planner wrote
        raise InputChanged(f"{piece.path!r} is not a path inside the corpus", hint="plan and launch again")
    path = root / piece.path
    try:
        found = version(path)
    except OSError as error:
        raise InputChanged(
            f"cannot read {path}: {error.strerror}", hint="put the file back, or plan again without it"
        ) from error
    if found != piece.version:
        raise InputChanged(
            f"{path} changed after the plan was made (was {piece.version}, is {found})",
            hint="plan and launch again: a changed corpus is a new run",
        )
    if piece.kind == "parquet":
        yield from _parquet(path, piece, columns)
        return
    with open_plain(path) as stream:
        yield from rows_of(stream, piece, columns)


def rows_of(stream: BinaryIO, piece: Slice, columns: Columns) -> Iterator[Row]:
    """The rows of a stream of plain bytes: anything but Parquet."""
    if piece.kind in ("csv", "tsv"):
        yield from _table(stream, piece, columns)
    else:
        yield from _lines(stream, piece, columns)


def open_plain(path: Path) -> BinaryIO:
    """The bytes of a file, decompressed when its name ends with .gz or .zst."""
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path, "rb"))
    if path.suffix == ".zst":
        native = pa.CompressedInputStream(pa.OSFile(str(path), "rb"), "zstd")
        return cast("BinaryIO", io.BufferedReader(cast("Any", native), ZSTD))
    return path.open("rb")


def _lines(stream: BinaryIO, piece: Slice, columns: Columns) -> Iterator[Row]:
    """Lines that start in [start, end)."""
    position = piece.start
    if position:
        stream.seek(position)
    while piece.end is None or position < piece.end:
        try:
            line = stream.readline(LONGEST + 1)
            length = len(line)
            whole = line.endswith(b"\n") or length <= LONGEST
            while not whole:  # read past the rest, without holding it
                rest = stream.readline(2**20)
                length += len(rest)
                whole = rest.endswith(b"\n") or not rest
        except (*GZIP_ERRORS, OSError) as error:
            yield Bad(piece.path, position, f"the file is damaged from here on: {error}")
            return
        if not line:
            return
        if position == 0:
            line = line.removeprefix(codecs.BOM_UTF8)
        if length > LONGEST:
            yield Bad(piece.path, position, f"over-long line: {length:,} bytes, at most {LONGEST:,}")
        elif line.strip():
            yield _line(line, piece, position, columns)
        position += length


def _line(line: bytes, piece: Slice, position: int, columns: Columns) -> Row:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return Bad(piece.path, position, f"invalid UTF-8 at byte {error.start} of the line")
    if piece.kind == "text":
        return check(piece.path, position, text.rstrip("\r\n"), None, Columns("", None))
    try:
        record: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Bad(piece.path, position, f"broken JSON line: {error}")
    if not isinstance(record, dict):
        return Bad(piece.path, position, f"not a JSON object: {type(record).__name__}")
    fields = cast("dict[str, Any]", record)
    identity = fields.get(columns.id) if columns.id is not None else None
    return check(piece.path, position, fields.get(columns.text), identity, columns)


def _table(stream: BinaryIO, piece: Slice, columns: Columns) -> Iterator[Row]:
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.DictReader(text, delimiter="\t" if piece.kind == "tsv" else ",")
    position = 0
    try:
        while True:
            try:
                record = next(reader, None)
            except (csv.Error, *GZIP_ERRORS, OSError) as error:
                yield Bad(piece.path, position, f"the file is damaged from here on: {error}")
                return
            if record is None:
                return
            identity = record.get(columns.id) if columns.id is not None else None
            yield check(piece.path, position, record.get(columns.text), identity, columns)
            position += 1
    finally:
        text.detach()  # the stream is the caller's to close


def _parquet(path: Path, piece: Slice, columns: Columns) -> Iterator[Row]:
    wanted = [columns.text] if columns.id in (None, columns.text) else [columns.text, columns.id]
    position = piece.start
    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=2**20) as file:
            end = file.metadata.num_rows if piece.end is None else piece.end
            first = 0  # row of the file at which the group starts
            for group in range(file.metadata.num_row_groups):
                meta = file.metadata.row_group(group)
                if first < end and first + meta.num_rows > piece.start:
                    row = first
                    size = max(1, min(1_024, BATCH * meta.num_rows // max(1, meta.total_byte_size)))
                    for batch in file.iter_batches(
                        size, row_groups=[group], columns=wanted, use_threads=False
                    ):
                        low, high = max(row, piece.start), min(row + batch.num_rows, end)
                        if low < high:
                            yield from _batch(batch.slice(low - row, high - low), low, piece.path, columns)
                            position = high
                        row += batch.num_rows
                        if row >= end:
                            break
                first += meta.num_rows
    except (pa.ArrowException, OSError) as error:
        yield Bad(piece.path, position, f"the file is damaged from here on: {error}")


def _batch(batch: pa.RecordBatch, first: int, file: str, columns: Columns) -> Iterator[Row]:
    texts = _values(batch, columns.text)
    identities = _values(batch, columns.id) if columns.id is not None else [None] * len(texts)
    for offset, (text, identity) in enumerate(zip(texts, identities, strict=True)):
        yield check(file, first + offset, text, identity, columns)


def _values(batch: pa.RecordBatch, name: str) -> list[Any]:
    """A column as Python values; strings as bytes, for Arrow does not check that they are UTF-8."""
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
    except (ValueError, OverflowError):  # a value that Python cannot hold; the others are good
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


def check(file: str, position: int, text: Any, identity: Any, columns: Columns) -> Row:
    """The document, or what is wrong with the row."""
    text, identity = _decoded(text), _decoded(identity)
    name = f"{file}#{position}" if columns.id is None else _identity(identity)
    if name is None:
        return Bad(file, position, f"no id: {columns.id!r} is {_shown(identity)}")
    reason = _fault(text, columns.text)
    if reason is None and _encodable(name):
        return Document(name, text, file, position)
    return Bad(file, position, reason or "invalid UTF-8 in the id", name if _encodable(name) else None)


def _decoded(value: Any) -> Any:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _identity(value: Any) -> str | None:
    if isinstance(value, bool) or value == "" or value != value:  # noqa: PLR0124 - a NaN names nothing
        return None
    return str(value) if isinstance(value, str | int | float | Decimal | UUID) else None


def _fault(text: Any, column: str) -> str | None:
    """Why this is not a text, None when it is one."""
    if text is None:
        return f"no text: {column!r} is missing or null"
    if not isinstance(text, str):
        return f"not a string: {column!r} is {_shown(text)}"
    if not text.strip():
        return "no text: it is empty or blank"
    if len(text) > LONGEST:
        return f"over-long: {len(text):,} characters, at most {LONGEST:,}"
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
