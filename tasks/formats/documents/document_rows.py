"""The row of a file that is one document: its text, named by its path, or why it has none."""

import codecs
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from tasks.formats.beginning import read_up_to
from tasks.formats.damage import lost_rows
from tasks.formats.documents.file_text import MAX_FILE_BYTES, FileText, NoTextError, over_long
from tasks.formats.documents.plain_text import title_of_text
from tasks.formats.documents.reader_process import READER
from tasks.formats.documents.readers import check_readable
from tasks.formats.marks import pointer_of
from tasks.formats.rows import BadRow, Columns, ReadRow, row_of
from tasks.formats.wide_encoding import wide_encoding_of
from tasks.protocol.shard import Slice

MARKUP = (b"{\\rtf", b"%PDF-")  # formats that are written in letters, too
PATH, TITLE = "path", "title"  # columns that such a file has beside its text


def document_rows(stream: BinaryIO, piece: Slice, columns: Columns) -> Iterator[ReadRow]:
    """The one row of a file.

    Raises:
        NoReader: the library for its format is not installed.
    """
    limit = MAX_FILE_BYTES[piece.kind]
    try:
        body = read_up_to(stream, limit + 1)
    except OSError as error:
        yield lost_rows(piece.path, 0, error, 1)
        return
    try:
        if len(body) > limit:
            raise over_long(limit)
        yield _row(_text_of(piece, body), piece, columns)
    except NoTextError as error:
        yield BadRow(piece.path, 0, str(error), piece.path)


def _text_of(piece: Slice, body: bytes) -> FileText:
    if what := pointer_of(body):
        raise NoTextError(f"{what}, not the file itself")
    if piece.kind != "document":
        check_readable({piece.kind})
        if not body:
            raise NoTextError("no text: the file is empty")
        return READER.text_of(piece.kind, body)
    body = body.removeprefix(codecs.BOM_UTF8)
    if body.startswith(MARKUP):
        raise NoTextError("RTF or PDF, and no plain text")
    if wide := wide_encoding_of(body):
        raise NoTextError(f"the file is {wide}, not UTF-8")
    if b"\0" in body:
        raise NoTextError("binary data, and no text")
    text = body.decode("utf-8", "surrogateescape")
    return FileText(text, title_of_text(piece.path, text))


def _row(found: FileText, piece: Slice, columns: Columns) -> ReadRow:
    record = {PATH: piece.path, TITLE: found.title, columns.text: found.text}
    row = row_of(piece.path, 0, record, replace(columns, id=None))
    return replace(row, id=piece.path)
