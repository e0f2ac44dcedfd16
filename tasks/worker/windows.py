"""One shard on its way: from rows to windows of token ids, and from vectors to files. The engine is in between.

Knows no leases: it makes files and says what is in them; whether they count is the receipt's business. A window is
what is in memory at once, whatever the input.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import cast

from tasks.engines.base import Encoder, limit
from tasks.engines.tokenizer import BadModel, Cut, Pieces, Words, pieces
from tasks.formats.parquet_reader import Bookmark
from tasks.formats.prefetch import ahead
from tasks.formats.readers import Bad, Columns, Document, Row, rows
from tasks.protocol.manifest import Header
from tasks.protocol.shard import Shard
from tasks.stores.base import Store
from tasks.worker.stage_timer import StageTimer

# Embedded together: enough to sort by length so that little is padding (3 % of a GPU's batches, 33 % with an eighth
# of it), few enough to hold. Whichever comes first.
WINDOW_TOKENS = 2**20  # tokens
WINDOW_VECTOR_BYTES = 2**28  # bytes of their vectors
WINDOW_KEPT_CHARACTERS = 2**26  # characters of columns that are kept beside the vectors
WINDOW_BAD_ROWS = 10_000  # rows that cannot be embedded
BATCH_TEXTS = 128  # documents tokenised together, at most
BATCH_CHARACTERS = 2**20  # characters tokenised together, about


@dataclass(slots=True)
class ShardCounts:
    """What a shard came to, as far as it is written."""

    done: int = 0  # rows of the input
    documents: int = 0
    chunks: int = 0
    tokens: int = 0
    tokens_cut: int = 0
    tokens_repeated: int = 0  # of those, of pieces that were embedded once already
    failed: int = 0
    stages: StageTimer = field(default_factory=StageTimer)


@dataclass(slots=True)
class Window:
    """Consecutive rows: documents, the pieces of them all, and the rows that failed on the way."""

    documents: list[Document] = field(default_factory=list[Document])  # without their texts
    counts: list[int] = field(default_factory=list[int])  # pieces of each
    cuts: list[int] = field(default_factory=list[int])  # tokens that truncation lost of each
    kept: list[tuple[str | None, ...]] = field(default_factory=list[tuple[str | None, ...]])  # of each piece
    pieces: list[Sequence[int]] = field(default_factory=list[Sequence[int]])
    bad: list[Bad] = field(default_factory=list[Bad])
    tokens: int = 0
    characters: int = 0  # of what is kept
    before: list[int] = field(
        default_factory=list[int]
    )  # of each failed row, how many documents come before it

    @property
    def rows(self) -> int:
        """Of the input."""
        return len(self.documents) + len(self.bad)

    def fail(self, row: Bad) -> None:
        self.before.append(len(self.documents))
        self.bad.append(row)

    def add(self, document: Document, found: Pieces, kept: Sequence[tuple[str | None, ...]]) -> None:
        self.take(
            document, found.cut, [array("i", ids) for ids in found.ids], kept
        )  # a list takes ten times as much

    def take(
        self,
        document: Document,
        cut: int,
        pieces: Sequence[Sequence[int]],
        kept: Sequence[tuple[str | None, ...]],
    ) -> None:
        self.documents.append(document)
        self.counts.append(len(pieces))
        self.cuts.append(cut)
        self.pieces += pieces
        self.kept += kept
        self.tokens += sum(map(len, pieces))
        self.characters += sum(len(value or "") for values in kept for value in values)


def split_window(window: Window, tokens: int) -> tuple[Window, Window]:
    """Its first documents within so many tokens, and the rest. Each failed row goes with the document after it."""
    first, rest = Window(), Window()
    piece = bad = size = 0
    for n, (document, count, cut) in enumerate(
        zip(window.documents, window.counts, window.cuts, strict=True)
    ):
        size += sum(map(len, window.pieces[piece : piece + count]))
        part = first if size <= tokens else rest
        while bad < len(window.bad) and window.before[bad] <= n:
            part.fail(window.bad[bad])
            bad += 1
        part.take(document, cut, window.pieces[piece : piece + count], window.kept[piece : piece + count])
        piece += count
    for row in window.bad[bad:]:
        (rest if rest.documents else first).fail(row)
    return first, rest


def cut_of(header: Header) -> Cut:
    """How this run cuts its texts."""
    return Cut(limit(header.model, header.tokens), header.overlap, header.prompt)


def columns_of(header: Header) -> Columns:
    """What this run reads of its input."""
    return Columns(header.text, header.id, header.keep)


def rows_of(header: Header, source: Store, shard: Shard, bookmark: Bookmark | None = None) -> Iterator[Row]:
    """The input of a shard, in order."""
    for piece, stream in ahead(source, shard.slices):
        yield from rows(source, piece, columns_of(header), bookmark, stream)


def output_dimensions(header: Header, encoder: Encoder) -> int:
    """Dimensions of the output.

    Raises:
        BadModel: the model has fewer than the job asks for.
    """
    if header.dimensions and header.dimensions > encoder.dimensions:
        raise BadModel(
            f"{header.model} gives {encoder.dimensions} dimensions, the job asks for {header.dimensions}",
            hint=f"set `dimensions:` to at most {encoder.dimensions}",
        )
    return header.dimensions or encoder.dimensions


@dataclass(slots=True)
class WindowReader:
    """The windows of one shard, as they are asked for: reading and tokenising happen here."""

    header: Header
    source: Store
    shard: Shard
    words: Words
    dimensions: int  # of the model, whose vectors a window has to hold
    tally: ShardCounts
    bookmark: Bookmark | None = None
    skip: int = 0  # rows of the input that are done already
    tokens: Callable[[], int] = lambda: WINDOW_TOKENS  # of a window, about, as things are now

    def __iter__(self) -> Iterator[Window]:
        window = Window()
        most = max(1, WINDOW_VECTOR_BYTES // (4 * self.dimensions))
        source = rows_of(self.header, self.source, self.shard, self.bookmark)
        with self.tally.stages.time("read"):
            next(islice(source, self.skip, self.skip), None)
        held: list[Row] = []  # in the order of the input
        texts = size = 0
        while True:
            with self.tally.stages.time("read"):
                row = next(source, None)
            if row is not None:
                held.append(row)
                if isinstance(row, Document):
                    texts += 1
                    size += len(row.text)
            if held and (
                row is None or texts == BATCH_TEXTS or size > BATCH_CHARACTERS or len(held) >= WINDOW_BAD_ROWS
            ):
                for one, parts in self._tokenised(held):
                    if parts is None:
                        window.fail(cast("Bad", one))
                    else:
                        self._add(window, cast("Document", one), parts)
                    full = (
                        window.tokens >= self.tokens()
                        or len(window.pieces) >= most
                        or window.characters >= WINDOW_KEPT_CHARACTERS
                    )
                    if full or len(window.bad) >= WINDOW_BAD_ROWS:
                        yield window
                        window = Window()
                held, texts, size = [], 0, 0
            if row is None:
                break
        if window.rows:
            yield window

    def _tokenised(self, held: Sequence[Row]) -> Iterator[tuple[Row, Pieces | None]]:
        """Each row, the good ones with their pieces."""
        texts = [row.text for row in held if isinstance(row, Document)]
        with self.tally.stages.time("tokenise"):
            found = iter(pieces(self.words, texts, cut_of(self.header), spans=self._spans) if texts else ())
        for row in held:
            yield row, next(found) if isinstance(row, Document) else None

    @property
    def _spans(self) -> bool:
        """A chunk's own text is kept, so its place in the document must be known."""
        return self.header.overlap is not None and self.header.text in self.header.keep

    def _add(self, window: Window, document: Document, parts: Pieces) -> None:
        if not all(parts.ids):  # a model without special tokens would be given nothing at all
            window.fail(bad_row(document, "no text: the tokenizer finds nothing in it"))
            return
        kept = [document.kept] * len(parts.ids)
        if self._spans:
            place = self.header.keep.index(self.header.text)
            own = [document.text[start:end] for start, end in parts.spans]
            kept = [(*document.kept[:place], text, *document.kept[place + 1 :]) for text in own]
        # Truncated texts may be far longer than their pieces: they do not wait here.
        window.add(replace(document, text="", kept=()), parts, kept)


def bad_row(document: Document, reason: str) -> Bad:
    return Bad(document.file, document.position, reason, document.id)
