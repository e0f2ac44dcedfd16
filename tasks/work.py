"""One shard from rows to a receipt: read, tokenise, embed in windows, write. Memory is bounded by a window.

Knows no leases: it makes a file and says what is in it; whether that counts is the receipt's business.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from tasks.embed import Encoder, limit, shorten
from tasks.manifest import Header
from tasks.read import Bad, Columns, Document, rows
from tasks.shard import Shard
from tasks.tokens import Cut, Pieces, pieces
from tasks.write import VectorFile

WINDOW = 131_072  # tokens embedded together: enough to sort by length well, and 400 MB of float32 at 768 dimensions
# of one-token pieces at worst
TEXTS = 128  # documents tokenised together


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
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.stages[name] = self.stages.get(name, 0.0) + time.perf_counter() - start


def cut_of(header: Header) -> Cut:
    """How this run cuts its texts."""
    return Cut(limit(header.model, header.tokens), header.overlap, header.prompt)


def embed_shard(
    header: Header, shard: Shard, encoder: Encoder, vectors: Path, failures: Path, check: Callable[[], None]
) -> Tally:
    """Embed every good row of the shard into `vectors`, and write the bad ones to `failures` (JSON Lines).

    `check` is called between windows and stops the work by raising.
    """
    tally = Tally()
    cut = cut_of(header)
    meta = {"run": header.run, "model": header.model, "engine": encoder.name, "dtype": encoder.dtype}
    dimensions = header.dimensions or encoder.dimensions
    with VectorFile(vectors, dimensions, header.dtype, meta) as out, failures.open("w", encoding="utf-8") as bad:

        def fail(row: Bad) -> None:
            tally.failed += 1
            bad.write(json.dumps(asdict(row), ensure_ascii=True) + "\n")

        def flush(window: list[tuple[Document, Pieces]]) -> None:
            check()
            ids = [piece for _, found in window for piece in found.ids]
            with tally.stage("engine"):
                found = shorten(encoder.encode(ids), header.dimensions)
            with tally.stage("write"):
                _write(window, found, out, tally, fail)

        window: list[tuple[Document, Pieces]] = []
        size = 0
        texts: list[Document] = []
        source = _rows(header, shard)
        while True:
            with tally.stage("read"):
                row = next(source, None)
            if isinstance(row, Bad):
                fail(row)
            elif row is not None:
                texts.append(row)
            if len(texts) == TEXTS or (row is None and texts) or sum(len(d.text) for d in texts[-1:]) > 2**20:
                with tally.stage("tokenise"):
                    found = pieces(encoder.words, [d.text for d in texts], cut)
                for document, parts in zip(texts, found, strict=True):
                    window.append((document, parts))
                    size += sum(map(len, parts.ids))
                    if size >= WINDOW:
                        flush(window)
                        window, size = [], 0
                texts = []
            if row is None:
                break
        if window:
            flush(window)
    tally.chunks = out.rows
    return tally


def _rows(header: Header, shard: Shard) -> Iterator[Document | Bad]:
    for piece in shard.slices:
        yield from rows(Path(header.corpus), piece, Columns(header.text, header.id))


def _write(
    window: list[tuple[Document, Pieces]],
    vectors: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    out: VectorFile,
    tally: Tally,
    fail: Callable[[Bad], None],
) -> None:
    """Rows of the documents whose every vector is a direction; the others fail."""
    good = np.isfinite(vectors).all(axis=1)
    keep = np.ones(len(vectors), bool)
    ids: list[str] = []
    chunks: list[int] = []
    row = 0
    for document, parts in window:
        count = len(parts.ids)
        if good[row : row + count].all():
            ids += [document.id] * count
            chunks += range(count)
            tally.documents += 1
            tally.tokens += sum(map(len, parts.ids))
            tally.tokens_cut += parts.cut
        else:
            keep[row : row + count] = False
            fail(Bad(document.file, document.position, "the engine gave no finite vector", document.id))
        row += count
    out.add(ids, chunks, vectors[keep])
