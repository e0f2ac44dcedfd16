"""Records of a JSON file that is no JSON Lines: a top-level array of them, or values one after the other.

Finds where each value ends by its brackets and strings, and leaves the reading to `json`: so a value is held only if
it is no larger than a text may be, whatever the file says, and a value that is no JSON costs no other. Where brackets
do not tell where a value ends, such as a line end inside a string, the rest of the file is lost, and is said to be.
"""

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from tasks.formats.beginning import BEGINNING_BYTES, read_some
from tasks.formats.damage import UnreadableFileError, lost_rows
from tasks.formats.json.json_lines import row_of_json
from tasks.formats.rows import MAX_TEXT_BYTES, BadRow, Columns, ReadRow
from tasks.formats.wide_encoding import wide_encoding_of
from tasks.protocol.shard import Slice

READ_BYTES = 2**16  # at once
BLANK = re.compile(rb"[ \t\r\n]*+")
MARK = re.compile(rb'["{}\[\]]')
IN_STRING = re.compile(rb'[^"\\\r\n]*+(?:\\[^\r\n][^"\\\r\n]*+)*+')  # as far as a string goes on
SCALAR = re.compile(rb'[^ \t\r\n,\[\]{}"]*+')
OPENING = {b"}": ord("{"), b"]": ord("[")}
MAX_DEPTH = 10_000  # more than Python reads


class BrokenJsonError(UnreadableFileError):
    """Where a value ends is not known."""

    def __str__(self) -> str:
        return f"the JSON is broken from here on: {super().__str__()}"


class UnfinishedJsonError(BrokenJsonError):
    """The file ends inside an object or array."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value and its place in the file.

    Attributes:
        body: None: it is longer than is held.
        element: of a top-level array.
    """

    position: int
    size: int
    body: bytes | None
    element: bool


def json_rows(stream: BinaryIO, piece: Slice, columns: Columns) -> Iterator[ReadRow]:
    """The rows of a whole file of JSON values; those of a top-level array are its elements."""
    values = JsonValues(stream)
    try:
        for value in values:
            yield _row(value, piece, columns)
    except OSError as error:
        yield lost_rows(piece.path, values.position, error)


def _row(value: Value, piece: Slice, columns: Columns) -> ReadRow:
    if value.body is None:
        reason = f"over-long record: {value.size:,} bytes, at most {MAX_TEXT_BYTES:,}"
        # A value that stands alone is likely to hold the records of the file.
        return BadRow(piece.path, value.position, reason, more=not value.element)
    try:
        text = value.body.decode()
    except UnicodeDecodeError as error:
        reason = f"invalid UTF-8 at byte {error.start} of the record"
        return BadRow(piece.path, value.position, reason)
    return row_of_json(text, piece.path, value.position, columns, "record")


class JsonValues:
    """The values of a stream. `position` is where the last one begins; a value of more than `limit` bytes is not held."""

    def __init__(self, stream: BinaryIO, limit: int = MAX_TEXT_BYTES) -> None:
        self.position = 0
        self._stream, self._limit = stream, limit
        self._buffer = b""
        self._at = 0  # in the buffer
        self._start = 0  # of the buffer in the file
        self._parts: list[bytes] | None = None  # of the value that is read, while it is held
        self._size = 0

    def __iter__(self) -> Iterator[Value]:
        """Yield the values in order.

        Raises:
            BrokenJsonError: where the next one ends is not known.
        """
        self._more()
        if wide := wide_encoding_of(self._buffer):
            raise BrokenJsonError(f"the file is {wide}, not UTF-8")
        if self._buffer.startswith(codecs.BOM_UTF8):
            self._at = len(codecs.BOM_UTF8)
        inside = False  # a top-level array
        while (mark := self._next()) is not None:
            self.position = self._start + self._at
            if mark == b"[" and not inside:
                inside = True
                self._at += 1
            elif inside and mark in (b",", b"]"):
                inside = mark != b"]"
                self._at += 1
            elif mark in (b",", b"]", b"}"):
                raise BrokenJsonError(f"{mark.decode()} where a record should begin")
            else:
                size, body = self._value(mark)
                yield Value(self.position, size, body, inside)
        if inside:
            self.position = self._start + self._at
            raise UnfinishedJsonError("the file ends inside its array")

    def _next(self) -> bytes | None:
        """Skip blanks; the next byte, or None at the end."""
        while True:
            self._at = self._end(BLANK)
            if self._at < len(self._buffer):
                return self._buffer[self._at : self._at + 1]
            if not self._more():
                return None

    def _value(self, mark: bytes) -> tuple[int, bytes | None]:
        """Read the value that begins here; its size, and the value where it is held."""
        self._parts, self._size = [], 0
        opened = bytearray()  # the brackets that are open
        while True:
            if mark == b'"':
                self._take(self._at + 1)
                self._string()
            elif mark in (b"{", b"["):
                opened += mark
                if len(opened) > MAX_DEPTH:
                    raise BrokenJsonError(f"more than {MAX_DEPTH:,} brackets inside one another")
                self._take(self._at + 1)
            elif mark in (b"}", b"]"):
                if opened.pop() != OPENING[mark]:
                    raise BrokenJsonError(f"{mark.decode()} closes a bracket of the other kind")
                self._take(self._at + 1)
            else:
                self._scalar()
            if not opened:
                break
            mark = self._mark()
        return self._size, self._held()

    def _held(self) -> bytes | None:
        return None if self._parts is None else b"".join(self._parts)

    def _mark(self) -> bytes:
        """Go on to the next bracket or string inside a value."""
        while True:
            found = MARK.search(self._buffer, self._at)
            if found:
                self._take(found.start())
                return found.group()
            self._take(len(self._buffer))
            if not self._more():
                raise UnfinishedJsonError("the file ends inside a record")

    def _string(self) -> None:
        """Go on behind the end of a string."""
        while True:
            end = self._end(IN_STRING)
            follower = self._buffer[end : end + 1]
            if follower == b'"':
                self._take(end + 1)
                return
            if follower and (follower != b"\\" or end + 1 < len(self._buffer)):
                raise BrokenJsonError("a line end inside a string, or a quotation mark is missing")
            self._take(end)  # the buffer ends here, perhaps behind a backslash
            if not self._more():
                raise BrokenJsonError("the file ends inside a string")

    def _scalar(self) -> None:
        """A number or a word at the top, which ends where something else begins."""
        while True:
            end = self._end(SCALAR)
            self._take(end)
            if end < len(self._buffer) or not self._more():
                return

    def _end(self, pattern: re.Pattern[bytes]) -> int:
        """Where a pattern that matches anything, even nothing, ends."""
        found = pattern.match(self._buffer, self._at)
        return found.end() if found else self._at

    def _take(self, end: int) -> None:
        """Move to `end`; what is passed belongs to the value."""
        self._size += end - self._at
        if self._size > self._limit:
            self._parts = None
        if self._parts is not None:
            self._parts.append(self._buffer[self._at : end])
        self._at = end

    def _more(self) -> bool:
        """Read on; False at the end of the file. What was passed is let go."""
        part = read_some(self._stream, READ_BYTES)
        self._start += self._at
        self._buffer = self._buffer[self._at :] + part
        self._at = 0
        return bool(part)


def has_lines(first: bytes) -> bool:
    """Whether a JSON file that begins so has a record a line: then a broken line costs no other."""
    lines = first.removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n").splitlines(keepends=True)
    if not lines or lines[0].startswith(b"["):
        return False
    if not lines[0].endswith((b"\n", b"\r")):
        return len(first) >= BEGINNING_BYTES  # a long record more likely than one object as long as that
    try:
        for _ in JsonValues(io.BytesIO(lines[0])):
            pass
    except UnfinishedJsonError:
        return False
    except BrokenJsonError:
        return True
    return True


def is_array(first: bytes) -> bool:
    """Whether a file that begins so is one array of records."""
    return re.match(rb"(\xef\xbb\xbf)?\s*\[\s*(\{|$)", first) is not None
