"""The row of a file that is one document."""

import codecs
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from tasks.formats.damage import lost_rows
from tasks.formats.rows import MAX_TEXT_BYTES, BadRow, Columns, Document, ReadRow, row_of
from tasks.formats.wide_encoding import wide_encoding_of
from tasks.protocol.shard import Slice


def document_rows(stream: BinaryIO, piece: Slice, columns: Columns) -> Iterator[ReadRow]:
    """The one row of a file: its whole text, named by the file's path."""
    try:
        body = stream.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        yield lost_rows(piece.path, 0, error, 1)
        return
    body = body.removeprefix(codecs.BOM_UTF8)
    if wide := wide_encoding_of(body):
        yield BadRow(piece.path, 0, f"the file is {wide}, not UTF-8", piece.path)
    elif len(body) > MAX_TEXT_BYTES:
        yield BadRow(piece.path, 0, f"over-long: more than {MAX_TEXT_BYTES:,} bytes", piece.path)
    else:
        row = row_of(piece.path, 0, {columns.text: body}, replace(columns, id=None))
        yield replace(row, id=piece.path) if isinstance(row, Document) else row
