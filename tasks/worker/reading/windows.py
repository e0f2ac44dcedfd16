"""Read a shard as windows of token ids: consecutive rows that are in memory at once, whatever the size of the input.

Knows no leases and no store of output.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import cast

from tasks.engines.base import Encoder
from tasks.formats.parquet.parquet_reader import OpenFile
from tasks.formats.rows import BadRow, Document, ReadRow
from tasks.models.files import BadModel
from tasks.models.fingerprint import located
from tasks.models.tokenizing.pieces import ChunkSpec, TextPieces, piece_limit, split_texts
from tasks.models.tokenizing.semantic_chunks import check_splitter
from tasks.models.tokenizing.tokenizer import PieceTokenizer
from tasks.protocol.manifest import Header
from tasks.protocol.shard import Shard
from tasks.stores.base import Store
from tasks.worker.monitoring.stage_timer import StageTimer
from tasks.worker.reading.input_rows import rows_of

# Limits of a window, whichever comes first: large enough that sorting by length leaves little padding (3 % of a GPU's
# batches, 33 % with an eighth of it), small enough for the memory.
WINDOW_TOKENS = 2**20  # tokens
WINDOW_VECTOR_BYTES = 2**28  # bytes of their vectors
WINDOW_KEPT_CHARACTERS = 2**26  # characters of columns that are kept beside the vectors
WINDOW_BAD_ROWS = 10_000  # rows that cannot be embedded
BATCH_TEXTS = 512  # documents tokenised together, at most: a table of words is looked up once for all of them
BATCH_CHARACTERS = 2**20  # characters tokenised together, about


@dataclass(slots=True)
class ShardCounts:
    """Counts of a shard, as far as it is written.

    Attributes:
        done: rows of the input.
        tokens_repeated: tokens of texts that were embedded before and deduplicated.
        failed: rows that could not be read or embedded.
        cut_short: places behind which further rows are lost, whose number is unknown.
    """

    done: int = 0
    documents: int = 0
    chunks: int = 0
    tokens: int = 0
    tokens_cut: int = 0
    tokens_repeated: int = 0
    failed: int = 0
    cut_short: int = 0
    stages: StageTimer = field(default_factory=StageTimer)


@dataclass(slots=True)
class Window:
    """Consecutive rows: documents without their texts, the pieces of all of them, and the rows that failed.

    Attributes:
        counts: pieces of each document.
        cuts: tokens that truncation lost, of each document.
        kept: values of the kept columns, of each piece.
        characters: of the kept values.
        before: of each failed row, how many documents come before it.
    """

    documents: list[Document] = field(default_factory=list[Document])
    counts: list[int] = field(default_factory=list[int])
    cuts: list[int] = field(default_factory=list[int])
    kept: list[tuple[str | None, ...]] = field(default_factory=list[tuple[str | None, ...]])
    pieces: list[Sequence[int]] = field(default_factory=list[Sequence[int]])
    bad: list[BadRow] = field(default_factory=list[BadRow])
    tokens: int = 0
    characters: int = 0
    before: list[int] = field(default_factory=list[int])

    @property
    def rows(self) -> int:
        """Rows of the input."""
        return len(self.documents) + len(self.bad)

    def fail(self, row: BadRow) -> None:
        self.before.append(len(self.documents))
        self.bad.append(row)

    def add(self, document: Document, found: TextPieces, kept: Sequence[tuple[str | None, ...]]) -> None:
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
    """Split into the first documents within so many tokens and the rest; a failed row goes with the document after it."""
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


def cut_of(header: Header) -> ChunkSpec:
    """How this run chunks or truncates texts."""
    check_splitter(header.by or "tokens", header.splitter)
    model = located(header.model, header.model_fingerprint)
    return ChunkSpec(piece_limit(model, header.tokens), header.overlap, header.prompt, header.by or "tokens")


def output_dimensions(header: Header, encoder: Encoder) -> int:
    """Dimensions of the output vectors.

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
    """Reads and tokenises one shard, window by window.

    Attributes:
        dimensions: of the model, whose vectors a window has to hold.
        skip: rows of the input that are done already.
        last_attempt: what cannot be read is set aside; else it is raised, so that another worker tries it.
        watch: a block that reads or tokenises.
        tokens: about how many tokens a window should have, asked anew for each.
    """

    header: Header
    source: Store
    shard: Shard
    tokenizer: PieceTokenizer
    dimensions: int
    counts: ShardCounts
    bookmark: OpenFile | None = None
    skip: int = 0
    tokens: Callable[[], int] = lambda: WINDOW_TOKENS
    last_attempt: bool = False
    watch: Callable[[], AbstractContextManager[None]] = nullcontext

    def __iter__(self) -> Iterator[Window]:
        window = Window()
        most = max(1, WINDOW_VECTOR_BYTES // (4 * self.dimensions))
        source = self._rows()
        held: list[ReadRow] = []  # in the order of the input
        texts = size = 0
        while True:
            with self.counts.stages.time("read"), self.watch():
                row = next(source, None)
            if row is not None:
                held.append(row)
                if isinstance(row, Document):
                    texts += 1
                    size += len(row.text)
            if held and (
                row is None or texts == BATCH_TEXTS or size > BATCH_CHARACTERS or len(held) >= WINDOW_BAD_ROWS
            ):
                for one, parts in self._tokenise(held):
                    if parts is None:
                        window.fail(cast("BadRow", one))
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

    def _rows(self) -> Iterator[ReadRow]:
        """The rows behind those that are done."""
        source = rows_of(
            self.header, self.source, self.shard, self.bookmark, set_aside_unreadable=self.last_attempt
        )
        with self.counts.stages.time("read"):
            for _ in range(self.skip):
                with self.watch():
                    next(source, None)
        return source

    def _tokenise(self, held: Sequence[ReadRow]) -> Iterator[tuple[ReadRow, TextPieces | None]]:
        """Each row; documents with their pieces, failed rows with None."""
        texts = [row.text for row in held if isinstance(row, Document)]
        with self.counts.stages.time("tokenise"), self.watch():
            found = iter(
                split_texts(self.tokenizer, texts, cut_of(self.header), spans=self._spans) if texts else ()
            )
        for row in held:
            yield row, next(found) if isinstance(row, Document) else None

    @property
    def _spans(self) -> bool:
        """Whether each chunk keeps its own text, so that its place in the document must be known."""
        return self.header.overlap is not None and self.header.text in self.header.keep

    def _add(self, window: Window, document: Document, parts: TextPieces) -> None:
        if not all(parts.ids):  # without special tokens the model would get an empty input
            window.fail(bad_row(document, "no text: the tokenizer finds nothing in it"))
            return
        kept = [document.kept] * len(parts.ids)
        if self._spans:
            place = self.header.keep.index(self.header.text)
            own = [document.text[start:end] for start, end in parts.spans]
            kept = [(*document.kept[:place], text, *document.kept[place + 1 :]) for text in own]
        # A truncated text may be far longer than its pieces: it is not kept in memory.
        window.add(replace(document, text="", kept=()), parts, kept)


def bad_row(document: Document, reason: str, *, retry: bool = False) -> BadRow:
    return BadRow(document.file, document.position, reason, document.id, retry=retry)
