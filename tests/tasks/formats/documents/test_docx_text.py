"""The text of Word documents: nothing that a reader sees is lost, and hostile files are bounded."""

import io
import zipfile

import pytest

from tasks.formats.documents.docx_text import MAX_DEPTH, MAX_PART_BYTES, docx_text
from tasks.formats.documents.file_text import FileText, NoTextError
from tests.support.documents import RELATIONS, WORD, word, word_of_xml


def refusal(body: bytes) -> str:
    with pytest.raises(NoTextError) as error:
        docx_text(body)
    return str(error.value)


def paragraph(text: str, inside: str = "") -> str:
    return f"<w:p>{inside}<w:r><w:t>{text}</w:t></w:r></w:p>"


def test_paragraphs_and_tables_of_a_real_document_are_read_in_order() -> None:
    found = docx_text(word(["First é.", "Second."], title="A report"))
    assert found == FileText("First é.\nSecond.\nleft cell\nright cell", "A report")


def test_a_document_without_a_title_has_that_of_its_title_paragraph() -> None:
    style = '<w:pPr><w:pStyle w:val="Title"/></w:pPr>'
    found = docx_text(word_of_xml(paragraph("Intro") + paragraph("My\n title", style) + paragraph("Text")))
    assert found.title == "My title"


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        ("<w:p><w:ins><w:r><w:t>inserted</w:t></w:r></w:ins></w:p>", "inserted"),
        (
            "<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:r><w:t>kept</w:t></w:r></w:p>",
            "kept",
        ),
        ("<w:p><w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom><w:r><w:t>kept</w:t></w:r></w:p>", "kept"),
        (
            "<w:sdt><w:sdtContent><w:p><w:r><w:t>in a control</w:t></w:r></w:p></w:sdtContent></w:sdt>",
            "in a control",
        ),
        ("<w:p><w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink></w:p>", "link"),
        ("<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r></w:p>", "a\tb\nc"),
        ("<w:p><w:r><w:instrText>PAGE</w:instrText><w:t>1</w:t></w:r></w:p>", "1"),
    ],
    ids=["inserted", "deleted", "moved", "control", "link", "marks", "field"],
)
def test_what_a_reader_sees_is_the_text(xml: str, text: str) -> None:
    assert docx_text(word_of_xml(xml)).text == text


def test_notes_follow_the_body() -> None:
    notes = (
        f"<w:footnotes {WORD}><w:footnote><w:p><w:r><w:t>a note</w:t></w:r></w:p></w:footnote></w:footnotes>"
    )
    assert docx_text(word_of_xml(paragraph("body"), footnotes=notes)).text == "body\na note"


def test_files_that_are_no_docx_are_refused_by_name() -> None:
    assert "encrypted with a password, or in the old format" in refusal(b"\xd0\xcf\x11\xe0" + bytes(600))
    assert "no whole ZIP archive" in refusal(b"just text")
    assert "no whole ZIP archive" in refusal(word(["x"])[:-200])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "a")
    assert refusal(file.getvalue()) == "no DOCX: it has no document inside"


def test_a_damaged_part_is_refused() -> None:
    whole = bytearray(word(["text " * 500]))
    place = whole.find(b"word/document.xml") + 200
    whole[place : place + 40] = bytes(40)
    assert refusal(bytes(whole)).startswith("the file is damaged, or no DOCX: ")


def test_a_bomb_is_refused_before_it_is_held() -> None:
    assert "bytes unpacked" in refusal(word_of_xml("<w:p/>" + " " * (MAX_PART_BYTES + 1)))


def test_a_text_that_is_too_long_is_refused() -> None:
    assert refusal(word_of_xml(paragraph("x" * (9 * 2**20)))).startswith(
        "over-long: more than 8,388,608 characters"
    )


def test_entities_and_deep_nesting_are_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("_rels/.rels", RELATIONS)
        archive.writestr("word/document.xml", '<!DOCTYPE d [<!ENTITY a "aa">]><d>&a;</d>')
    assert "declares a document type" in refusal(file.getvalue())
    assert "nested more than" in refusal(word_of_xml("<w:p>" * (MAX_DEPTH + 1)))
