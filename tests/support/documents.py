"""Small real files of the formats that are a document each: PDF and DOCX as bytes."""

import io
import zipfile
from collections.abc import Sequence

import docx

WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="r1" Type="{OFFICE}" Target="word/document.xml"/></Relationships>'
)


def pdf(pages: Sequence[str], title: str = "", encrypted: bool = False, content: str | None = None) -> bytes:
    """A PDF with a line of text on each page; an empty text is an empty page. `content` is put on every page instead."""
    kids = " ".join(f"{10 + 2 * n} 0 R" for n in range(len(pages)))
    objects = {
        1: "<< /Type /Catalog /Pages 2 0 R >>",
        2: f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        3: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        4: f"<< /Title ({title}) >>",
        5: f"<< /Filter /Standard /V 1 /R 2 /O <{'41' * 32}> /U <{'42' * 32}> /P -4 >>",
    }
    for n, text in enumerate(pages):
        drawn = content or (f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET" if text else "")
        place = 10 + 2 * n
        objects[place] = (
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {place + 1} 0 R >>"
        )
        objects[place + 1] = f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream"
    body, places = b"%PDF-1.4\n", dict[int, int]()
    for number, value in objects.items():
        places[number] = len(body)
        body += f"{number} 0 obj\n{value}\nendobj\n".encode("latin-1")
    table = "".join(f"{number} 1\n{place:010d} 00000 n \n" for number, place in places.items())
    protection = "/Encrypt 5 0 R /ID [<00><00>] " if encrypted else ""
    trailer = f"trailer\n<< /Size {max(objects) + 1} /Root 1 0 R /Info 4 0 R {protection}>>\n"
    return body + f"xref\n0 1\n0000000000 65535 f \n{table}{trailer}startxref\n{len(body)}\n%%EOF\n".encode(
        "latin-1"
    )


def word(paragraphs: Sequence[str], title: str = "") -> bytes:
    """A DOCX as python-docx writes it, with a table behind the paragraphs."""
    document = docx.Document()
    document.core_properties.title = title
    for text in paragraphs:
        document.add_paragraph(text)
    table = document.add_table(rows=1, cols=2)
    table.cell(0, 0).text, table.cell(0, 1).text = "left cell", "right cell"
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def word_of_xml(body: str, **parts: str) -> bytes:
    """A DOCX whose body is this XML; further parts by their names, `footnotes` for word/footnotes.xml."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_rels/.rels", RELATIONS)
        archive.writestr("word/document.xml", f"<w:document {WORD}><w:body>{body}</w:body></w:document>")
        for name, xml in parts.items():
            archive.writestr(f"word/{name}.xml", xml)
    return file.getvalue()
