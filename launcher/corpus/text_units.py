"""Ask what a document of a .txt file is, where the file looks like a list of texts and the job does not say.

A text file is one document unless the job says `corpus.unit: line`. Files with thousands of lines and no blank ones
between them are more likely to be a text a line: those are asked about, and never read as one document in silence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from launcher.corpus.files.corpus_file import CorpusFile
from launcher.corpus.files.listing import Listing
from launcher.corpus.samples.block_positions import map_concurrently, slice_of
from launcher.errors import Usage
from launcher.format import plural
from tasks.errors import Problem
from tasks.formats.compression import decompressed
from tasks.formats.endings import kind_of
from tasks.formats.read import open_slice
from tasks.formats.rows import MAX_TEXT_BYTES
from tasks.stores.base import Store

BEGINNING_BYTES = 64 * 2**10  # as stored, that are read of a file
MAX_CHECKED = 1_000  # files: the largest, which are the likeliest to be lists
LEAST_LINES = 1_000  # of a list
MOST_BLANK_SHARE = 0.02  # of the lines of a list; prose has more between its paragraphs


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines of a file, estimated from its beginning, and the share of them that is blank."""

    file: CorpusFile
    lines: int
    blank_share: float

    @property
    def list_like(self) -> bool:
        """Whether each line is likely to be a text of its own."""
        too_long = self.lines > 1 and not self.file.compressed and self.file.bytes > MAX_TEXT_BYTES
        return too_long or (self.lines >= LEAST_LINES and self.blank_share <= MOST_BLANK_SHARE)


def check_text_unit(listing: Listing) -> str | None:
    """How .txt files are read, as a line for the user; None: there are none, or all have one line.

    Raises:
        Usage: a file looks like a list of texts, a line each.
    """
    texts = [f for f in listing.files if f.kind == "document" and f.bytes and kind_of(f.path) == "text"]
    if not texts:
        return None
    store = listing.open()
    largest = sorted(texts, key=lambda file: (-file.bytes, file.path))[:MAX_CHECKED]
    found = map_concurrently(lambda file: _lines_of(store, file), largest)
    lists = [lines for lines in found if lines.list_like]
    if lists:
        raise Usage(_question(lists), hint="set corpus.unit to line or to file in the job file")
    if all(lines.lines <= 1 for lines in found):
        return None
    which = "the .txt file" if len(texts) == 1 else f"each of {plural(len(texts), '.txt file')}"
    return f"{which} is read as one document; with corpus.unit: line, each line would be one"


def _question(lists: Sequence[_Lines]) -> str:
    first = lists[0]
    also = f"; so it is with {plural(len(lists) - 1, 'other file')}" if len(lists) > 1 else ""
    return f"{first.file.path} has about {first.lines:,} lines: is each line a document, or the whole file one?{also}"


def _lines_of(store: Store, file: CorpusFile) -> _Lines:
    try:
        with (
            open_slice(store, slice_of(file, 0, BEGINNING_BYTES)) as stored,
            decompressed(stored, file.path) as stream,
        ):
            body = stream.read(BEGINNING_BYTES)
    except (OSError, Problem):  # what cannot be read is left to sampling, which says why
        return _Lines(file, 0, 1.0)
    lines = body.splitlines()
    blank = sum(not line.strip() for line in lines)
    whole = max(1.0, file.bytes / max(1, len(body)))  # of a compressed file this is too few
    return _Lines(file, round((len(lines) - blank) * whole), blank / max(1, len(lines)))
