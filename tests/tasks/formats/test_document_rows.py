"""A file that is one document."""

import io

import pytest

from tasks.formats.read import rows_of_stream
from tasks.formats.rows import MAX_TEXT_BYTES, BadRow, Columns, Document, ReadRow
from tasks.protocol.shard import Slice


def only(body: bytes) -> ReadRow:
    piece = Slice("y=1/a.txt", "1", "document")
    (row,) = rows_of_stream(io.BytesIO(body), piece, Columns("text", None, keep=("y", "text")))
    return row


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_whole_text_is_one_document_named_by_its_path(mark: bytes) -> None:
    text = "Title\r\n\nFirst.\u2029Second.\n"
    assert only(mark + text.encode()) == Document("y=1/a.txt", text, "y=1/a.txt", 0, ("1", text))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b" \n", "no text: it is empty or blank"),
        (b"caf\xe9", "invalid UTF-8 in the text"),
        ("text".encode("utf-16"), "the file is UTF-16, not UTF-8"),
        (b"x" * (MAX_TEXT_BYTES + 1), "over-long: more than 8,388,608 bytes"),
    ],
)
def test_a_file_that_is_no_text_is_set_aside(body: bytes, why: str) -> None:
    row = only(body)
    assert isinstance(row, BadRow)
    assert row.reason == why
