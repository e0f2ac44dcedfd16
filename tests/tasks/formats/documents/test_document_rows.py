"""A file that is one document."""

import io
from collections.abc import Sequence

import pytest

from tasks.formats.read import rows_of_stream
from tasks.formats.rows import MAX_TEXT_BYTES, BadRow, Columns, Document, ReadRow
from tasks.protocol.shard import Kind, Slice
from tests.support.documents import pdf, word


def only(
    body: bytes, name: str = "y=1/a.txt", kind: Kind = "document", keep: Sequence[str] = ("y", "text")
) -> ReadRow:
    piece = Slice(name, "1", kind)
    (row,) = rows_of_stream(io.BytesIO(body), piece, Columns("text", None, keep=tuple(keep)))
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
        (rb"{\rtf1\ansi Hello}", "RTF or PDF, and no plain text"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9\n",
            "a pointer of Git LFS, not the file itself",
        ),
        (b"PAR1\0\0", "binary data, and no text"),
        (b"x" * (MAX_TEXT_BYTES + 1), "over-long: more than 8,388,608 bytes"),
    ],
)
def test_a_file_that_is_no_text_is_set_aside(body: bytes, why: str) -> None:
    row = only(body)
    assert isinstance(row, BadRow)
    assert row.reason == why


@pytest.mark.parametrize(
    ("name", "kind", "body", "text"),
    [
        ("d/a.md", "document", b"# T\n\none", "# T\n\none"),
        ("d/a.html", "html", b"<title>T</title><p>one", "one"),
        ("d/a.pdf", "pdf", pdf(["one"], title="T"), "one"),
        ("d/a.docx", "docx", word(["one"], title="T"), "one\nleft cell\nright cell"),
    ],
)
def test_path_and_title_are_kept_on_request(name: str, kind: Kind, body: bytes, text: str) -> None:
    row = only(body, name, kind, ("title", "path"))
    assert row == Document(name, text, name, 0, ("T", name))


def test_a_file_without_a_title_has_none() -> None:
    row = only(b"text", keep=("title",))
    assert isinstance(row, Document)
    assert row.kept == (None,)


@pytest.mark.parametrize("kind", ["html", "pdf", "docx"])
def test_a_damaged_file_is_set_aside_with_its_path(kind: Kind) -> None:
    row = only(b"\xff\xfe" if kind != "html" else b"caf\xe9", f"a.{kind}", kind)
    assert isinstance(row, BadRow)
    assert (row.id, row.rows, row.more) == (f"a.{kind}", 1, False)
