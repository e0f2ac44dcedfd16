"""Look into a corpus just far enough to know it: blocks of rows at random places, tokenised by the model's own tokenizer.

A small corpus is read whole, so its figures are counts. Else 48 blocks a kind of file, chosen with a seed: the same
corpus gives the same profile.
"""

import io
import random
import zlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate, chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from launcher.corpus import File, Listing
from launcher.errors import Problem
from launcher.profile import Block, Stratum
from tasks.read import Bad, Columns, Document, Row, rows, rows_of
from tasks.shard import Slice
from tasks.tokens import Cut, Words, pieces

SMALL = 6 * 2**20  # bytes as stored; less is read whole
BLOCKS = 48  # per stratum
BLOCK = 128 * 2**10  # bytes of a block in plain files
PREFIX = 64 * 2**10  # bytes as stored of a block in compressed files, which can be read from the start only
ROWS = 256  # of a block in Parquet
TEXTS = 600  # kept for measuring speed
LONG = 100_000  # characters kept of one text


class Sampled:
    """What was found: strata by kind of file, and some texts as they came."""

    def __init__(self, seed: int) -> None:
        self.strata: dict[str, Stratum] = {}
        self.texts: list[str] = []
        self.first_bad: Bad | None = None
        self._dice = random.Random(seed)  # noqa: S311 - a sample, not a secret
        self._seen = 0

    def keep(self, text: str) -> None:
        """Give every text the same chance to be among those that speed is measured on."""
        self._seen += 1
        place = len(self.texts) if len(self.texts) < TEXTS else self._dice.randrange(self._seen)
        if place < TEXTS:
            self.texts[place : place + 1] = [text[:LONG]]

    def density(self, file: File) -> float:
        """Tokens per row (Parquet) or per stored byte of files like this one."""
        return self.strata[stratum(file)].tokens_per_unit


def stratum(file: File) -> str:
    """Files that are sampled together."""
    return f"{file.kind}{' packed' if file.packed else ''}"


def sample(listing: Listing, columns: Columns, words: Words, cut: Cut, seed: int = 0) -> Sampled:
    """Tokenise a sample of the corpus.

    Raises:
        Problem: the columns are not there, a file is no Parquet, or no row has a text.
    """
    groups: dict[str, list[File]] = defaultdict(list)
    for file in listing.files:
        if file.bytes:
            groups[stratum(file)].append(file)
    found = Sampled(seed)
    dice = random.Random(seed)  # noqa: S311 - a sample, not a secret
    for name, files in sorted(groups.items()):
        counts = {f.path: _rows_in(listing.root, f, columns) for f in files if f.kind == "parquet"}
        units = float(sum(counts.values())) if counts else float(sum(f.bytes for f in files))
        if not units:
            pick = []  # Parquet without rows
        elif listing.bytes <= SMALL:
            pick = [
                (float(counts.get(f.path, f.bytes)), rows(listing.root, _slice(f), columns)) for f in files
            ]
        else:
            pick = list(_blocks(listing.root, files, counts, columns, dice))
        blocks = [_block(size, source, words, cut, found) for size, source in pick]
        found.strata[name] = Stratum(units, tuple(blocks))
    if not any(b.documents for s in found.strata.values() for b in s.blocks):
        reason = (
            f"{found.first_bad.file}: {found.first_bad.reason}" if found.first_bad else "there are no rows"
        )
        raise Problem(
            f"no text in the corpus: {reason}", hint="set corpus.text to the column that holds the text"
        )
    return found


def _rows_in(root: Path, file: File, columns: Columns) -> int:
    try:
        with pq.ParquetFile(root / file.path) as parquet:
            names = parquet.schema_arrow.names
            count = parquet.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise Problem(
            f"cannot read {root / file.path}: {error}", hint="move the file away, or mend it"
        ) from error
    for name in (columns.text, columns.id):
        if name is not None and name not in names:
            raise Problem(
                f"{file.path} has no column {name!r}; it has {', '.join(map(repr, names))}",
                hint="set corpus.text and corpus.id to columns that are there",
            )
    return count


def _slice(file: File, start: int = 0, end: int | None = None) -> Slice:
    return Slice(file.path, file.version, file.kind, start, end)


def _blocks(
    root: Path, files: list[File], counts: dict[str, int], columns: Columns, dice: random.Random
) -> Iterator[tuple[float, Iterator[Row]]]:
    """Places, with their size in units; none is looked at twice, so that what was seen whole was counted."""
    if files[0].whole:  # read from the start only: as many files as blocks, each as likely as the next
        for file in dice.sample(files, min(BLOCKS, len(files))):
            units, plain = _prefix(root / file.path, packed=file.packed)
            yield units, rows_of(io.BytesIO(plain), _slice(file), columns)
        return
    windows = _windows(files, counts, dice)
    if not counts:
        windows = [_lines(root, window) for window in windows]
        if not any(windows):  # no line begins in any of them
            windows = [[_slice(files[0], 0, line_end(root / files[0].path, 1))]]
    for window in windows:
        units = sum((piece.end or 0) - piece.start for piece in window)
        if units:
            yield float(units), chain.from_iterable([rows(root, piece, columns) for piece in window])


def _windows(files: list[File], counts: dict[str, int], dice: random.Random) -> list[list[Slice]]:
    """A stretch of at most a block somewhere in each of BLOCKS equal parts of the files laid end to end."""
    sizes = [counts.get(f.path, f.bytes) for f in files]
    ends = list(accumulate(sizes))
    block = ROWS if counts else BLOCK
    out: list[list[Slice]] = []
    for number in range(BLOCKS):
        first, last = (ends[-1] * n // BLOCKS for n in (number, number + 1))
        low = first + dice.randrange(max(1, last - first - block + 1))
        high = min(low + block, last)
        window: list[Slice] = []
        for place in range(bisect_right(ends, low), len(files)):
            start = ends[place] - sizes[place]
            if start >= high:
                break
            window.append(_slice(files[place], max(low - start, 0), min(high - start, sizes[place])))
        out.append(window)
    return out


def _lines(root: Path, window: list[Slice]) -> list[Slice]:
    """The whole lines that begin in these ranges of bytes."""
    edges = [[line_end(root / p.path, place) for place in (p.start, p.end or 0)] for p in window]
    return [replace(p, start=s, end=e) for p, (s, e) in zip(window, edges, strict=True) if e > s]


def line_end(path: Path, position: int) -> int:
    """The first start of a line at or after `position`."""
    if position == 0:
        return 0
    with path.open("rb") as stream:
        stream.seek(position - 1)
        while True:
            found = stream.readline(2**20)
            position += len(found)
            if not found or found.endswith(b"\n"):
                return position - 1


def _prefix(path: Path, *, packed: bool) -> tuple[float, bytes]:
    """The whole lines in the first PREFIX stored bytes of a file, and how many of these bytes they are."""
    with path.open("rb") as stream:
        head = stream.read(PREFIX)
        ends = not stream.read(1)
    unpack = _unpack_gz if path.suffix == ".gz" else _unpack_zst
    plain = unpack(head, path) if packed else head
    if ends or not plain:
        return float(len(head)), plain
    lines = plain[: plain.rfind(b"\n") + 1]
    return len(head) * len(lines) / len(plain), lines


def _unpack_gz(head: bytes, path: Path) -> bytes:
    plain = bytearray()
    unpacker = zlib.decompressobj(wbits=31)
    try:
        for start in range(0, len(head), 2**12):
            part = head[start : start + 2**12]
            while part:
                plain += unpacker.decompress(part)
                part = unpacker.unused_data
                if unpacker.eof:  # one .gz may be several, one after the other
                    unpacker = zlib.decompressobj(wbits=31)
    except zlib.error as error:
        if not plain:  # what came before the damage can be read, and workers will read it
            raise Problem(f"cannot unpack {path}: {error}", hint="move the file away, or mend it") from error
    return bytes(plain)


def _unpack_zst(head: bytes, path: Path) -> bytes:
    plain = bytearray()
    try:
        with pa.CompressedInputStream(pa.BufferReader(head), "zstd") as stream:
            while part := stream.read(2**14):
                plain += part
    except OSError as error:
        if not plain:
            raise Problem(f"cannot unpack {path}: {error}", hint="move the file away, or mend it") from error
    return bytes(plain)


def _block(units: float, source: Iterator[Row], words: Words, cut: Cut, found: Sampled) -> Block:
    block = Block(units)
    texts: list[Document] = []

    def count() -> None:
        for document, parts in zip(texts, pieces(words, [d.text for d in texts], cut), strict=True):
            block.documents += 1
            block.bytes += len(document.text.encode())
            block.tokens_cut += parts.cut
            block.documents_cut += parts.cut > 0
            for piece in parts.ids:
                block.lengths[len(piece)] += 1
                block.tokens += len(piece)
        texts.clear()

    for row in source:
        if isinstance(row, Bad):
            block.bad += 1
            found.first_bad = found.first_bad or row
            continue
        texts.append(row)
        found.keep(row.text)
        if len(texts) == 128:
            count()
    count()
    return block
