"""The text of HTML as a browser shows it."""

import pytest

from tasks.formats.documents.file_text import FileText, NoTextError
from tasks.formats.documents.html_text import html_text

PAGE = b"""<!doctype html><html><head><title> A
 page </title><style>p {color: red}</style></head><body>
<h1>Heading</h1><p>Hello <b>wor</b>ld &amp; all.<br>New line.</p><script>var x = "<p>no</p>";</script>
<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>
<ul><li>one<li>two</ul><pre>x
  y</pre><!-- comment --><noscript>no</noscript></body></html>"""


def test_a_page_is_read_as_it_is_seen() -> None:
    assert html_text(PAGE) == FileText(
        "Heading\n\nHello world & all.\nNew line.\n\na\tb\n\nc\td\n\none\n\ntwo\n\nx\ny", "A page"
    )


def test_a_page_without_a_title_has_that_of_its_heading() -> None:
    assert html_text(b"<h1>One <i>two</i></h1>text").title == "One two"
    assert html_text(b"only text") == FileText("only text", None)


@pytest.mark.parametrize("charset", ["iso-8859-1", "cp1252", "koi8-r", "utf-8"])
def test_a_declared_encoding_is_used(charset: str) -> None:
    text = "Ж" if charset == "koi8-r" else "é"
    assert html_text(f"<meta charset={charset}><p>{text}".encode(charset)).text == text


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("<p>text".encode("utf-16"), "the file is UTF-16, not UTF-8"),
        (b"<p>caf\xe9", "invalid UTF-8 at byte 6, and no other encoding is declared"),
        (b"<meta charset=nonsense>caf\xe9", "invalid UTF-8, and not nonsense as it says, either"),
    ],
)
def test_a_page_in_an_unknown_encoding_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(NoTextError, match=why):
        html_text(body)
