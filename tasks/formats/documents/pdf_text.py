"""The text of a PDF, page by page, by PDFium (the reader of Chrome)."""

import re

import pypdfium2 as pdfium  # pyright: ignore[reportMissingTypeStubs]

from tasks.formats.documents.file_text import FileText, NoTextError, over_long, title_of
from tasks.formats.rows import MAX_TEXT_BYTES

MAX_PAGES = 10_000
HYPHENS = re.compile("[\ufffe\x02]\r?\n?")  # how PDFium marks a word that was divided at the end of a line
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
PASSWORD = "password"  # noqa: S105 - a word of PDFium's messages


def pdf_text(body: bytes) -> FileText:
    """The text of all pages, with a blank line between two, and the title of the document's properties.

    Raises:
        NoTextError: it is damaged, encrypted, has only images, or more than the limits.
    """
    try:
        document = pdfium.PdfDocument(body)
    except pdfium.PdfiumError as error:
        if PASSWORD in str(error).lower():
            raise NoTextError("encrypted with a password") from error
        raise NoTextError(f"the file is damaged, or no PDF: {str(error).rstrip('.')}") from error
    try:
        pages = len(document)
        if pages > MAX_PAGES:
            raise over_long(MAX_PAGES, "pages")
        text = _of_pages(document, pages)
        title = title_of(CONTROLS.sub("", document.get_metadata_dict().get("Title", "")))
    finally:
        document.close()
    if not text:
        count = "1 page" if pages == 1 else f"{pages:,} pages"
        raise NoTextError(f"no text on its {count}: it is scanned or drawn; recognise its text (OCR) first")
    return FileText(text, title)


def _of_pages(document: pdfium.PdfDocument, pages: int) -> str:
    found: list[str] = []
    size = 0
    for number in range(pages):
        try:
            page = document[number]
            lines = page.get_textpage()
            text = lines.get_text_range()
            lines.close()
            page.close()
        except pdfium.PdfiumError as error:
            raise NoTextError(f"the file is damaged: page {number + 1:,} cannot be read ({error})") from error
        text = CONTROLS.sub("", HYPHENS.sub("", text).replace("\r\n", "\n")).strip()
        size += len(text)
        if size > MAX_TEXT_BYTES:
            raise over_long(MAX_TEXT_BYTES, "characters")
        found.append(text)
    return "\n\n".join(text for text in found if text)
