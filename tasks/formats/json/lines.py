"""Rows of files of lines: JSON Lines, and plain text with a document a line. Holds one line at a time."""

import codecs
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from tasks.formats.damage import lost_rows
from tasks.formats.json.json_lines import row_of_json
from tasks.formats.rows import MAX_TEXT_BYTES, BadRow, Columns, ReadRow, row_of
from tasks.formats.wide_encoding import wide_encoding, wide_encoding_of
from tasks.protocol.shard import Slice

ONLY_RETURNS = "its lines end with carriage returns alone, not with line feeds"
RECORD_SEPARATOR = "\x1e"  # before each record of a JSON text sequence (RFC 7464)


def line_rows(stream: BinaryIO, piece: Slice, columns: Columns) -> Iterator[ReadRow]:
    """Lines that start in [start, end).

    Raises:
        OSError: the store failed to give bytes of the file.
    """
    position, is_text = piece.start, piece.kind == "text"
    if position:
        stream.seek(position)
    while piece.end is None or position < piece.end:
        try:
            line, part, length = _readline(stream)
        except OSError as error:
            yield lost_rows(piece.path, position, error)
            return
        if not line:
            return
        line = line.removeprefix(codecs.BOM_UTF8)  # also where files were put one behind the other
        long = length > MAX_TEXT_BYTES
        # A return alone is a blank in JSON, and may be part of a text, so it ends no line; old Macs had no other end.
        if position == 0 and not part.endswith(b"\n") and b"\r" in line.strip() and (long or is_text):
            yield BadRow(piece.path, position, ONLY_RETURNS, more=True)
        elif long:
            # One line that is a whole file is likely to hold its records.
            alone = not is_text and position == 0 and not part.endswith(b"\n")
            reason = f"over-long line: {length:,} bytes, at most {MAX_TEXT_BYTES:,}"
            yield BadRow(
                piece.path, position, f"{reason}; it is the whole file" if alone else reason, more=alone
            )
        elif line.strip():
            yield _line(line, piece, position, columns)
        position += length
        if not line.strip():
            try:
                position += _skip_blank_lines(stream)
            except OSError as error:
                yield lost_rows(piece.path, position, error)
                return


def _readline(stream: BinaryIO) -> tuple[bytes, bytes, int]:
    """A line as far as it is held, the last part that was read of it, and the bytes of all of it."""
    line = part = stream.readline(MAX_TEXT_BYTES + 1)
    length = len(line)
    while part and length > MAX_TEXT_BYTES and not part.endswith(b"\n"):
        part = stream.readline(2**20)
        length += len(part)
    return line, part, length


def _skip_blank_lines(stream: BinaryIO) -> int:
    """Skip the blank lines that are read ahead already, and return their bytes: a small file may unpack to a billion."""
    if not isinstance(stream, io.BufferedReader):
        return 0
    ahead = stream.peek()
    blank = len(ahead) - len(ahead.lstrip())
    return len(stream.read(ahead.rfind(b"\n", 0, blank) + 1))


def _line(line: bytes, piece: Slice, position: int, columns: Columns) -> ReadRow:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        wide = wide_encoding_of(line) if position == 0 else None
        wrong = f"the file is {wide}" if wide else f"invalid UTF-8 at byte {error.start} of the line"
        return BadRow(piece.path, position, f"{wrong}, not UTF-8" if wide else wrong)
    if piece.kind != "text":
        return row_of_json(text.removeprefix(RECORD_SEPARATOR), piece.path, position, columns)
    if wide := wide_encoding(text):  # it is UTF-8, too, with zeros
        return BadRow(piece.path, position, f"the line is {wide}, not UTF-8")
    # A line of text has no columns.
    return row_of(piece.path, position, {columns.text: text.rstrip("\r\n")}, replace(columns, id=None))
