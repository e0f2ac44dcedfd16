"""One shard from rows to a receipt: read, tokenise, embed in windows, write. Memory is bounded by a window.

Knows no leases: it makes a file and says what is in it; whether that counts is the receipt's business.
"""

import json
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from tasks.embed import Encoder, Vectors, limit, shorten
from tasks.manifest import Header
from tasks.read import Bad, Columns, Document, rows
from tasks.shard import Shard
from tasks.tokens import BadModel, Cut, Pieces, pieces
from tasks.write import VectorFile

# Embedded together: enough to sort by length so that little is padding (3 % of a GPU's batches, 33 % with an eighth
# of it), few enough to hold. Whichever comes first.
WINDOW = 2**20  # tokens
PIECES = 2**15  # 512 MB of float32 at 4,096 dimensions
TEXTS = 128  # documents tokenised together, at most
TEXT = 2**20  # characters tokenised together, about


@dataclass(slots=True)
class Tally:
    """What a shard came to. Seconds by stage are wall time of this process."""

    documents: int = 0
    chunks: int = 0
    tokens: int = 0
    tokens_cut: int = 0
    failed: int = 0
    stages: dict[str, float] = field(default_factory=dict[str, float])

    @contextmanager
    def stage(self, name: str) -> Generator[None, None, None]:
        """Add the time of the block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.stages[name] = self.stages.get(name, 0.0) + time.perf_counter() - start


def cut_of(header: Header) -> Cut:
    """How this run cuts its texts."""
    return Cut(limit(header.model, header.tokens), header.overlap, header.prompt)


@dataclass(slots=True)
class _Window:
    """Rows on their way through the engine."""

    header: Header
    encoder: Encoder
    out: VectorFile
    bad: TextIO
    tally: Tally
    check: Callable[[], None]
    cut: Cut
    rows: list[tuple[Document, Pieces]] = field(default_factory=list[tuple[Document, Pieces]])
    tokens: int = 0
    pieces: int = 0

    def fail(self, row: Bad) -> None:
        self.tally.failed += 1
        self.bad.write(json.dumps(asdict(row), ensure_ascii=True) + "\n")

    def add(self, documents: list[Document]) -> None:
        """Tokenise these, and embed whatever fills a window."""
        with self.tally.stage("tokenise"):
            found = pieces(self.encoder.words, [d.text for d in documents], self.cut)
        for document, parts in zip(documents, found, strict=True):
            if not all(parts.ids):  # a model without special tokens would be given nothing at all
                self.fail(_fault(document, "no text: the tokenizer finds nothing in it"))
                continue
            self.rows.append(
                (replace(document, text=""), parts)
            )  # truncated texts may be far longer than pieces
            self.tokens += sum(map(len, parts.ids))
            self.pieces += len(parts.ids)
            if self.tokens >= WINDOW or self.pieces >= PIECES:
                self.flush()

    def flush(self) -> None:
        """Embed and write what is here."""
        self.check()
        if not self.rows:
            return
        ids = [piece for _, found in self.rows for piece in found.ids]
        with self.tally.stage("engine"):
            vectors = shorten(self.encoder.encode(ids), self.header.dimensions)
        with self.tally.stage("write"):
            self._write(vectors)
        self.rows, self.tokens, self.pieces = [], 0, 0

    def _write(self, vectors: Vectors) -> None:
        """Rows of the documents whose every vector is a direction; the others fail."""
        good: NDArray[np.bool_] = np.all(np.isfinite(vectors), axis=1)
        keep = np.ones(len(vectors), bool)
        ids: list[str] = []
        chunks: list[int] = []
        row = 0
        for document, parts in self.rows:
            count = len(parts.ids)
            if good[row : row + count].all():
                ids += [document.id] * count
                chunks += range(count)
                self.tally.documents += 1
                self.tally.tokens += sum(map(len, parts.ids))
                self.tally.tokens_cut += parts.cut
            else:
                keep[row : row + count] = False
                self.fail(_fault(document, "the engine gave no finite vector"))
            row += count
        self.out.add(ids, chunks, vectors[keep])


def embed_shard(
    header: Header, shard: Shard, encoder: Encoder, vectors: Path, failures: Path, check: Callable[[], None]
) -> Tally:
    """Embed every good row of the shard into `vectors`, and write the bad ones to `failures` (JSON Lines).

    `check` is called between windows and stops the work by raising.
    """
    tally = Tally()
    meta = {"run": header.run, "model": header.model, "engine": encoder.name, "dtype": encoder.dtype}
    dimensions = header.dimensions or encoder.dimensions
    if dimensions > encoder.dimensions:
        raise BadModel(
            f"{header.model} gives {encoder.dimensions} dimensions, the job asks for {dimensions}",
            hint=f"set `dimensions:` to at most {encoder.dimensions}",
        )
    with (
        VectorFile(vectors, dimensions, header.dtype, meta) as out,
        failures.open("w", encoding="utf-8") as bad,
    ):
        window = _Window(header, encoder, out, bad, tally, check, cut_of(header))
        texts: list[Document] = []
        size = 0
        source = _rows(header, shard)
        while True:
            with tally.stage("read"):
                row = next(source, None)
            if row is None:
                break
            if isinstance(row, Bad):
                window.fail(row)
                continue
            texts.append(row)
            size += len(row.text)
            if len(texts) == TEXTS or size > TEXT:
                window.add(texts)
                texts, size = [], 0
        if texts:
            window.add(texts)
        window.flush()
    tally.chunks = out.rows
    return tally


def _fault(document: Document, reason: str) -> Bad:
    return Bad(document.file, document.position, reason, document.id)


def _rows(header: Header, shard: Shard) -> Iterator[Document | Bad]:
    for piece in shard.slices:
        yield from rows(Path(header.corpus), piece, Columns(header.text, header.id))
