"""A folder of files as people have them: .txt, .md, .html and .pdf, one document a file, from the texts of `demo.corpus`.

Docstrings become text, sections of README files Markdown, the topics of `help()` HTML, and a few long documents PDF.
The same environment gives the same texts; PDF files also hold the time at which they were made.
"""

import html
import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fpdf import FPDF

from demo.corpus import Document, choose, in_turn, sources

PDF_FILES = 12
PDF_CHARACTERS = 1_500  # the shortest document that becomes a PDF
NAME_CHARACTERS = 80  # of a file's name


def write_folder(folder: Path, documents: int, seed: int = 0) -> Mapping[str, int]:
    """Write the folder unless it is there; how many files it has of each ending."""
    if not folder.exists():
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        for path, fill in _files(choose(in_turn(sources(), seed), documents, seed)).items():
            target = part / path
            target.parent.mkdir(parents=True, exist_ok=True)
            fill(target)
        part.rename(folder)
    return Counter(path.suffix for path in sorted(folder.rglob("*")) if path.is_file())


def _files(documents: Sequence[Document]) -> dict[str, Callable[[Path], object]]:
    """What writes each file, by its path in the folder. No two paths differ only in capitals."""
    found: dict[str, Callable[[Path], object]] = {}
    taken: set[str] = set()
    pdfs = {one.id for one in [d for d in documents if _fits_pdf(d)][:PDF_FILES]}
    for document in documents:
        ending, fill = _kind(document, as_pdf=document.id in pdfs)
        owner = _plain(re.split(r"[./#]", document.id)[0])
        path = f"{owner}/{_plain(document.id)}{ending}"
        number = 1
        while path.lower() in taken:
            number += 1
            path = f"{owner}/{_plain(document.id)}-{number}{ending}"
        taken.add(path.lower())
        found[path] = fill
    return found


def _plain(name: str) -> str:
    """A name of a file that shows: those that begin with a dot or an underscore are hidden, and no part of a corpus."""
    return re.sub(r"[^\w.-]+", "-", name).strip("._-")[:NAME_CHARACTERS] or "document"


def _kind(document: Document, *, as_pdf: bool) -> tuple[str, Callable[[Path], object]]:
    if as_pdf:
        return ".pdf", lambda path: _write_pdf(path, document)
    if document.title.startswith("help on "):
        return ".html", lambda path: path.write_text(_page(document), encoding="utf-8")
    if "#" in document.id:
        return ".md", lambda path: path.write_text(document.text + "\n", encoding="utf-8")
    return ".txt", lambda path: path.write_text(document.text + "\n", encoding="utf-8")


def _page(document: Document) -> str:
    paragraphs = "\n".join(f"<p>{html.escape(part)}</p>" for part in document.text.split("\n\n"))
    title = html.escape(document.title)
    head = f'<head><meta charset="utf-8"><title>{title}</title></head>'
    return f"<!DOCTYPE html>\n<html>{head}\n<body>\n{paragraphs}\n</body></html>\n"


def _fits_pdf(document: Document) -> bool:
    """Long enough to fill a page, in letters that the fonts of every PDF reader have."""
    return len(document.text) >= PDF_CHARACTERS and document.text.isascii()


def _write_pdf(path: Path, document: Document) -> None:
    pdf = FPDF()
    pdf.set_title(document.title)
    pdf.add_page()
    pdf.set_font("Helvetica", size=10)
    pdf.multi_cell(0, 5, document.text, new_x="LMARGIN", new_y="NEXT")
    pdf.output(str(path))
