"""Look into a corpus just far enough to know it: blocks of rows at random places, tokenised by the model's own tokenizer.

A small corpus is read whole, so its figures are counts. Else 48 blocks a kind of file, chosen with a seed: the same
corpus gives the same profile. Holds one block at a time, and of no block more than a few MiB.
"""

import csv
import io
import random
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from pathlib import PurePosixPath
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from launcher.corpus.listing import CorpusFile, Listing
from launcher.corpus.partial_decompress import (
    DecompressedStream,
    decompress_gzip,
    decompress_zstd,
    read_stored,
)
from launcher.corpus.profile import SampledBlock, Stratum
from launcher.errors import Problem
from tasks.engines.tokenizer import ChunkSpec, PieceTokenizer, split_texts
from tasks.formats.parquet_reader import open_footer
from tasks.formats.readers import (
    MAX_TEXT_BYTES,
    BadRow,
    Columns,
    Document,
    ReadRow,
    open_slice,
    read_rows,
    rows_of_stream,
)
from tasks.protocol.shard import Slice
from tasks.stores.base import ObjectChanged, Store

READ_WHOLE_BYTES = 6 * 2**20  # bytes as stored; less is read whole
BLOCKS_PER_STRATUM = 48  # per stratum
BLOCK_BYTES = 128 * 2**10  # bytes of a block in plain files
PREFIX_BYTES = (
    64 * 2**10
)  # bytes as stored of a block in compressed files, which can be read from the start only
PREFIX_PLAIN_BYTES = 4 * 2**20  # bytes unpacked of such a block, about, however small they were packed
BLOCK_ROWS = 256  # of a block in Parquet, at most
BATCH_CHARACTERS = 2**20  # characters tokenised together, and bytes of text in a block of Parquet, about
BATCH_TEXTS = 128  # texts tokenised together, at most
KEPT_TEXTS = 600  # kept for measuring speed
KEPT_CHARACTERS = 100_000  # characters kept of one text
CONCURRENT_REQUESTS = 16  # small requests under way: a bucket answers each after tens of milliseconds
LEVEL_BYTES_PER_ROW = 5  # bytes of a row of the output in which Parquet says where its list of numbers begins
LINE_FETCH_BYTES = 16 * 2**10  # bytes fetched to find the end of a line

Asked = TypeVar("Asked")
Told = TypeVar("Told")


@dataclass(frozen=True, slots=True)
class ParquetFooter:
    """What the end of a Parquet file says: rows of each group, and the bytes of their texts as encoded."""

    groups: tuple[int, ...]
    text_bytes: int

    @property
    def rows(self) -> int:
        return sum(self.groups)


class CorpusSample:
    """What was found: strata by kind of file, and some texts as they came."""

    def __init__(self, seed: int) -> None:
        self.strata: dict[str, Stratum] = {}
        self.footers: dict[str, ParquetFooter] = {}  # of Parquet files, by path
        self.texts: list[str] = []
        self.first_bad: BadRow | None = None
        self._dice = random.Random(seed)  # noqa: S311 - a sample, not a secret
        self._seen = 0

    def keep(self, text: str) -> None:
        """Give every text the same chance to be among those that speed is measured on."""
        self._seen += 1
        place = len(self.texts) if len(self.texts) < KEPT_TEXTS else self._dice.randrange(self._seen)
        if place < KEPT_TEXTS:
            self.texts[place : place + 1] = [text[:KEPT_CHARACTERS]]

    def density(self, file: CorpusFile) -> float:
        """Tokens per row (Parquet) or per stored byte of files like this one."""
        return self.strata[stratum_of(file)].tokens_per_unit


def stratum_of(file: CorpusFile) -> str:
    """Files that are sampled together."""
    return f"{file.kind}{' packed' if file.packed else ''}"


def sample_corpus(
    listing: Listing, columns: Columns, words: PieceTokenizer, cut: ChunkSpec, seed: int = 0
) -> CorpusSample:
    """Tokenise a sample of the corpus.

    Raises:
        Problem: the columns are not there, a file is no Parquet, or no row has a text.
    """
    groups: dict[str, list[CorpusFile]] = defaultdict(list)
    for file in listing.files:
        if file.bytes:
            groups[stratum_of(file)].append(file)
    store = listing.open()
    found = CorpusSample(seed)
    dice = random.Random(seed)  # noqa: S311 - a sample, not a secret
    for name, files in sorted(groups.items()):
        tables = [f for f in files if f.kind == "parquet"]
        footers = dict(
            zip(
                (f.path for f in tables),
                map_concurrently(lambda f: read_footer(listing, store, f, columns), tables),
                strict=True,
            )
        )
        found.footers |= footers
        counts = {path: footer.rows for path, footer in footers.items()}
        units = float(sum(counts.values())) if counts else float(sum(f.bytes for f in files))
        pick: Iterable[tuple[float, Iterator[ReadRow]]]
        if not units:
            pick = []  # Parquet without rows
        elif listing.bytes <= READ_WHOLE_BYTES:
            pick = [(float(counts.get(f.path, f.bytes)), read_rows(store, _slice(f), columns)) for f in files]
        else:
            # As many rows in every block: blocks that ended early where texts are long would count for less.
            text = max(1, sum(footer.text_bytes for footer in footers.values()))
            block = max(1, min(BLOCK_ROWS, int(units * BATCH_CHARACTERS / text))) if counts else BLOCK_BYTES
            pick = _blocks(listing, store, files, counts, block, columns, dice)
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


def read_footer(listing: Listing, store: Store, file: CorpusFile, columns: Columns) -> ParquetFooter:
    """What the end of a Parquet file says.

    Raises:
        Problem: it is no Parquet, or has not one of these columns.
    """
    try:
        with open_footer(store, file.path, file.version) as stream, pq.ParquetFile(stream) as parquet:
            names = parquet.schema_arrow.names
            meta = parquet.metadata
            leaves = [meta.schema.column(n).path for n in range(meta.num_columns)]
            texts = [n for n, leaf in enumerate(leaves) if f"{leaf}.".startswith(f"{columns.text}.")]
            groups = [meta.row_group(n) for n in range(meta.num_row_groups)]
            size = sum(group.column(n).total_uncompressed_size for group in groups for n in texts)
    except (pa.ArrowException, OSError) as error:
        raise Problem(
            f"cannot read {listing.where(file)}: {error}", hint="move the file away, or mend it"
        ) from error
    for name in columns.names:
        if name not in names:
            raise Problem(
                f"{file.path} has no column {name!r}; it has {', '.join(map(repr, names))}",
                hint="set corpus.text, corpus.id and output.keep to columns that are there",
            )
        if names.count(name) > 1:
            raise Problem(
                f"{file.path} has {names.count(name)} columns named {name!r}",
                hint="rename all but one of them, or name another column in the job file",
            )
    return ParquetFooter(tuple(group.num_rows for group in groups), size)


def map_concurrently(ask: Callable[[Asked], Told], of: Sequence[Asked]) -> list[Told]:
    """The answers in order, some asked for at the same time."""
    if len(of) < 2:
        return [ask(one) for one in of]
    with ThreadPoolExecutor(CONCURRENT_REQUESTS, "sample") as pool:
        return list(pool.map(ask, of))


def _slice(file: CorpusFile, start: int = 0, end: int | None = None) -> Slice:
    return Slice(file.path, file.version, file.kind, start, end)


def _blocks(
    listing: Listing,
    store: Store,
    files: list[CorpusFile],
    counts: dict[str, int],
    block: int,
    columns: Columns,
    dice: random.Random,
) -> Iterator[tuple[float, Iterator[ReadRow]]]:
    """Places, with their size in units; none is looked at twice, so that what was seen whole was counted."""
    if files[0].whole:  # read from the start only: as many files as blocks, each as likely as the next
        for file in dice.sample(files, min(BLOCKS_PER_STRATUM, len(files))):
            units, plain = _prefix(listing, store, file)
            yield units, rows_of_stream(io.BytesIO(plain), _slice(file), columns)
        return
    windows = _windows(files, counts, block, dice)
    if not counts:
        windows = _lines(store, windows)
        if not any(windows):  # no line begins in any of them
            windows = [[_slice(files[0], 0, next_line_start(store, files[0], 1))]]
    for window in windows:
        units = sum((piece.end or 0) - piece.start for piece in window)
        if units:
            yield float(units), chain.from_iterable([read_rows(store, piece, columns) for piece in window])


def _windows(
    files: list[CorpusFile], counts: dict[str, int], block: int, dice: random.Random
) -> list[list[Slice]]:
    """A stretch of at most a block somewhere in each of BLOCKS equal parts of the files laid end to end."""
    sizes = [counts.get(f.path, f.bytes) for f in files]
    ends = list(accumulate(sizes))
    out: list[list[Slice]] = []
    for number in range(BLOCKS_PER_STRATUM):
        first, last = (ends[-1] * n // BLOCKS_PER_STRATUM for n in (number, number + 1))
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


def _lines(store: Store, windows: list[list[Slice]]) -> list[list[Slice]]:
    """The whole lines that begin in these ranges of bytes."""
    every = [
        (piece, place) for window in windows for piece in window for place in (piece.start, piece.end or 0)
    ]
    edges = iter(map_concurrently(lambda asked: next_line_start(store, *asked), every))
    moved = [[replace(piece, start=next(edges), end=next(edges)) for piece in window] for window in windows]
    return [[piece for piece in window if (piece.end or 0) > piece.start] for window in moved]


def next_line_start(store: Store, file: CorpusFile | Slice, position: int) -> int:
    """The first start of a line at or after `position`.

    Raises:
        Changed: the file is gone, or another.
    """
    if position == 0:
        return 0
    stream = store.get(file.path, file.version, (position - 1, position - 1 + LINE_FETCH_BYTES))
    if stream is None:
        raise ObjectChanged(file.path, file.version, None)
    with stream:
        while True:
            found = stream.readline(2**20)
            position += len(found)
            if not found or found.endswith(b"\n"):
                return position - 1


def _prefix(listing: Listing, store: Store, file: CorpusFile) -> tuple[float, bytes]:
    """The lines (or records) that begin in the first PREFIX stored bytes of a file, and how many stored bytes they are.

    The last is read to its end: whoever leaves out what crosses a border prefers short texts, and of a file that
    begins with a long one sees nothing.
    """
    plain = bytearray()
    table = file.kind in ("csv", "tsv")
    unpack = (
        {".gz": decompress_gzip, ".zst": decompress_zstd}[PurePosixPath(file.path).suffix]
        if file.packed
        else read_stored
    )
    with (
        open_slice(store, _slice(file, 0, PREFIX_BYTES)) as stream,
        closing(unpack(stream, listing.where(file))) as parts,
    ):
        source = DecompressedStream(parts)
        # as many characters as bytes, and the lines that workers see
        text = io.TextIOWrapper(io.BufferedReader(source), "latin-1", newline="" if table else "\n")

        def lines() -> Iterator[str]:
            while len(plain) < PREFIX_PLAIN_BYTES + MAX_TEXT_BYTES and (
                line := text.readline(MAX_TEXT_BYTES + 1)
            ):
                plain.extend(line.encode("latin-1"))
                yield line

        records = csv.reader(lines(), delimiter="\t" if file.kind == "tsv" else ",") if table else lines()
        with suppress(csv.Error):  # the file breaks off there, for workers too
            for number, _ in enumerate(records):
                full = len(plain) >= PREFIX_PLAIN_BYTES or source.stored(len(plain)) >= PREFIX_BYTES
                if full and number >= table:  # the first of a table is its header
                    break
        more = text.read(1) != ""
        units = source.stored(len(plain))
    # what is damaged holds nothing more, and is no less of the corpus
    return units if more else float(min(file.bytes, max(PREFIX_BYTES, units))), bytes(plain)


def _block(
    units: float, source: Iterator[ReadRow], words: PieceTokenizer, cut: ChunkSpec, found: CorpusSample
) -> SampledBlock:
    block = SampledBlock(units)
    texts: list[Document] = []
    beside: dict[int, list[str]] = defaultdict(list)  # by column, what lies beside the vectors
    seen: set[int] = set()  # pieces, by their hash
    size = 0

    def count() -> None:
        for document, parts in zip(texts, split_texts(words, [d.text for d in texts], cut), strict=True):
            for place, value in enumerate((document.id, *document.kept)):
                beside[place].append(value or "")
            block.documents += 1
            block.bytes += len(document.text.encode())
            block.tokens_cut += parts.cut
            block.documents_cut += parts.cut > 0
            for piece in parts.ids:
                block.lengths[len(piece)] += 1
                block.tokens += len(piece)
                name = hash(tuple(piece))
                block.repeated += len(piece) if name in seen else 0
                seen.add(name)
        texts.clear()

    for row in source:
        if isinstance(row, BadRow):
            block.bad += 1
            found.first_bad = found.first_bad or row
            continue
        texts.append(row)
        size += len(row.text)
        found.keep(row.text)
        if len(texts) == BATCH_TEXTS or size > BATCH_CHARACTERS:
            count()
            size = 0
    count()
    block.beside = LEVEL_BYTES_PER_ROW * block.chunks + sum(_packed(values) for values in beside.values())
    return block


def _packed(values: list[str]) -> int:
    """Bytes of a column of the output: every value with its length before it, and all that compressed."""
    encoded = [value.encode("utf-8", "replace") for value in values]
    plain = b"".join(len(value).to_bytes(4, "little") + value for value in encoded)
    return len(pa.compress(plain, "zstd", asbytes=True)) if plain else 0
