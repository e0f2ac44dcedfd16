"""Rows of files of lines: JSON Lines, and plain text with a document a line. Holds one line at a time."""

import codecs
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from tasks.formats.damage import lost_rows
from tasks.formats.json.json_lines import row_of_json
from tasks.formats.rows import MAX_TEXT_BYTES, BadRow, Columns, ReadRow, row_of
from tasks.formats.wide_encoding import wide_encoding, wide_encoding_of
from tasks.protocol.shard import Slice


def line_rows(stream: BinaryIO, piece: Slice, columns: Columns) -> Iterator[ReadRow]:
    """Lines that start in [start, end).

    Raises:
        OSError: the store failed to give bytes of the file.
    """
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
        except OSError as error:
            yield lost_rows(piece.path, position, error)
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
        wide = wide_encoding_of(line) if position == 0 else None
        wrong = f"the file is {wide}" if wide else f"invalid UTF-8 at byte {error.start} of the line"
        return BadRow(piece.path, position, f"{wrong}, not UTF-8" if wide else wrong)
    if piece.kind != "text":
        return row_of_json(text, piece.path, position, columns)
    if wide := wide_encoding(text):  # it is UTF-8, too, with zeros
        return BadRow(piece.path, position, f"the line is {wide}, not UTF-8")
    # A line of text has no columns.
    return row_of(piece.path, position, {columns.text: text.rstrip("\r\n")}, replace(columns, id=None))
