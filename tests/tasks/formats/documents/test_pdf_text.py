"""The text of PDF files, and why some have none."""

import pytest

from tasks.formats.documents import pdf_text as module
from tasks.formats.documents.file_text import FileText, NoTextError
from tasks.formats.documents.pdf_text import pdf_text
from tests.support.documents import pdf


def test_the_pages_of_a_pdf_are_read_in_order() -> None:
    assert pdf_text(pdf(["First page.", "", "Third page."], title="A paper")) == FileText(
        "First page.\n\nThird page.", "A paper"
    )


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (pdf(["", ""]), r"no text on its 2 pages: it is scanned or drawn; recognise its text \(OCR\) first"),
        (pdf(["secret"], encrypted=True), "encrypted with a password"),
        (b"%PDF-1.4\n nothing else", "the file is damaged, or no PDF: "),
        (b"<html>not a PDF</html>", "the file is damaged, or no PDF: "),
    ],
    ids=["scanned", "encrypted", "cut off", "other"],
)
def test_a_pdf_without_text_says_why(body: bytes, why: str) -> None:
    with pytest.raises(NoTextError, match=why):
        pdf_text(body)


def test_a_text_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TEXT_BYTES", 20)
    with pytest.raises(NoTextError, match="over-long: more than 20 characters"):
        pdf_text(pdf(["eleven here", "eleven more"]))
