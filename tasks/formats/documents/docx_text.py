"""The text of a Word document (DOCX): every paragraph of its body in order, tables and text boxes included, then notes.

A DOCX is a ZIP archive; its text is in one part of XML, which is read as a stream. So images cost nothing, inserted text
counts, deleted text does not, and memory is bounded by the text. Headers and footers are left out: they repeat.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from posixpath import dirname, join, normpath
from xml.parsers.expat import ExpatError, ParserCreate, XMLParserType

from tasks.formats.documents.file_text import FileText, NoTextError, over_long, title_of
from tasks.formats.rows import MAX_TEXT_BYTES

MAX_PART_BYTES = 64 * 2**20  # unpacked, of one part of XML
MAX_DIRECTORY_BYTES = 4 * 2**20  # of the archive's list of its parts, which is held in memory
MAX_DEPTH = 1_000  # of elements in each other
OLE = b"\xd0\xcf\x11\xe0"  # how files begin that Word has encrypted, and those of Word 97 to 2003
END = b"PK\x05\x06"  # of an archive: the record that says where its directory is
END_BYTES = 22 + 2**16  # of that record with its comment, at most
ENCRYPTED = 1  # a flag of a part
BLOCK_BYTES = 2**16
OFFICE = "/officeDocument"  # how the type of the main part's relation ends
TITLE_STYLES = ("Title", "Heading1")
# Subtrees that are no text of the document: what was deleted or moved away, and what stands for newer elements.
SKIPPED = frozenset({"del", "moveFrom", "Fallback"})
MARKS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


def docx_text(body: bytes) -> FileText:
    """The text and the title of a document.

    Raises:
        NoTextError: it is damaged, encrypted, no DOCX, or larger than the limits.
    """
    if body.startswith(OLE):
        raise NoTextError("encrypted with a password, or in the old format of Word (.doc)")
    _check_directory(body)
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            return _read(archive)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        ExpatError,
        NotImplementedError,
        ValueError,
        OSError,
    ) as error:
        raise NoTextError(f"the file is damaged, or no DOCX: {error}") from error


def _check_directory(body: bytes) -> None:
    """Check the size of the archive's directory before it is read."""
    place = body.rfind(END, max(0, len(body) - END_BYTES))
    if place < 0 or len(body) < place + 22:
        raise NoTextError("the file is damaged, or no DOCX: it is no whole ZIP archive")
    (size,) = struct.unpack_from("<I", body, place + 12)
    if size > MAX_DIRECTORY_BYTES:
        raise NoTextError("its archive has more parts than a document can have")


def _read(archive: zipfile.ZipFile) -> FileText:
    main = _main_part(archive)
    text = _Paragraphs()
    _parse(archive, main, text.attach)
    for name in ("footnotes.xml", "endnotes.xml"):
        notes = normpath(join(dirname(main), name))
        if notes in archive.namelist():
            _parse(archive, notes, text.attach)
    core = _Property("title")
    if "docProps/core.xml" in archive.namelist():
        _parse(archive, "docProps/core.xml", core.attach)
    return FileText(text.text, title_of(core.value) or title_of(text.title))


def _main_part(archive: zipfile.ZipFile) -> str:
    relations = _Relations()
    if "_rels/.rels" in archive.namelist():
        _parse(archive, "_rels/.rels", relations.attach)
    name = relations.main or "word/document.xml"
    if name not in archive.namelist():
        raise NoTextError("no DOCX: it has no document inside")
    return name


def _parse(archive: zipfile.ZipFile, name: str, attach: Callable[[XMLParserType], None]) -> None:
    """Read one part as a stream; `attach` sets what is called with its elements."""
    part = archive.getinfo(name)
    if part.flag_bits & ENCRYPTED:
        raise NoTextError("encrypted")
    parser = ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = _refuse_doctype
    attach(parser)
    left = MAX_PART_BYTES
    with archive.open(part) as stream:
        while block := stream.read(BLOCK_BYTES):
            left -= len(block)
            if left < 0:
                raise NoTextError(f"{name} inside has more than {MAX_PART_BYTES:,} bytes unpacked")
            parser.Parse(block, False)  # noqa: FBT003 - expat's own order
    parser.Parse(b"", True)  # noqa: FBT003 - expat's own order


def _refuse_doctype(*_: object) -> None:
    raise NoTextError("its XML declares a document type, which DOCX forbids")


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


class _Relations:
    """Finds the main part among the relations of the archive."""

    def __init__(self) -> None:
        self.main: str | None = None

    def attach(self, parser: XMLParserType) -> None:
        parser.StartElementHandler = self._start

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if _local(name) == "Relationship" and attributes.get("Type", "").endswith(OFFICE):
            self.main = normpath(attributes.get("Target", "").lstrip("/"))


class _Property:
    """Takes the text of one element."""

    def __init__(self, name: str) -> None:
        self.value = ""
        self._name, self._inside = name, False

    def attach(self, parser: XMLParserType) -> None:
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._inside = _local(name) == self._name

    def _end(self, _name: str) -> None:
        self._inside = False

    def _characters(self, data: str) -> None:
        self.value += data if self._inside and len(self.value) < BLOCK_BYTES else ""


class _Paragraphs:
    """Takes the text of paragraphs, and the first that is a title."""

    def __init__(self) -> None:
        self.title = ""
        self._parts: list[str] = []
        self._size = 0
        self._depth = 0
        self._skipped: int | None = None  # the depth of the element whose contents are skipped
        self._inside = False  # a run of text
        self._titled = False  # the paragraph at hand is the title

    @property
    def text(self) -> str:
        return "".join(self._parts).strip()

    def attach(self, parser: XMLParserType) -> None:
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NoTextError(f"its elements are nested more than {MAX_DEPTH:,} deep")
        tag = _local(name)
        if self._skipped is not None:
            return
        if tag in SKIPPED:
            self._skipped = self._depth
        elif tag == "t":
            self._inside = True
        elif tag in MARKS:
            self._add(MARKS[tag])
        elif tag == "pStyle" and not self.title:
            self._titled = any(_local(k) == "val" and v in TITLE_STYLES for k, v in attributes.items())

    def _end(self, name: str) -> None:
        if self._skipped == self._depth:
            self._skipped = None
        self._depth -= 1
        tag = _local(name)
        if self._skipped is not None:
            return
        if tag == "t":
            self._inside = False
        elif tag == "p":
            self._titled = False
            self._add("\n")

    def _characters(self, data: str) -> None:
        if self._inside and self._skipped is None:
            self._add(data)
            if self._titled and len(self.title) < BLOCK_BYTES:
                self.title += data

    def _add(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_TEXT_BYTES:
            raise over_long(MAX_TEXT_BYTES, "characters")
        self._parts.append(text)
