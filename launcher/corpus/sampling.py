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

from launcher.corpus.listing import File, Listing
from launcher.corpus.partial_decompress import Plain, stored_size, unpack_gzip, unpack_zstd
from launcher.corpus.profile import Block, Stratum
from launcher.errors import Problem
from tasks.engines.tokenizer import Cut, Words, pieces
from tasks.formats.parquet_reader import footer
from tasks.formats.readers import LONGEST, Bad, Columns, Document, Row, opened, rows, rows_of
from tasks.protocol.shard import Slice
from tasks.stores.base import ObjectChanged, Store

SMALL = 6 * 2**20  # bytes as stored; less is read whole
BLOCKS = 48  # per stratum
BLOCK = 128 * 2**10  # bytes of a block in plain files
PREFIX = 64 * 2**10  # bytes as stored of a block in compressed files, which can be read from the start only
PLAIN = 4 * 2**20  # bytes unpacked of such a block, about, however small they were packed
ROWS = 256  # of a block in Parquet, at most
TEXT = 2**20  # characters tokenised together, and bytes of text in a block of Parquet, about
BATCH = 128  # texts tokenised together, at most
TEXTS = 600  # kept for measuring speed
LONG = 100_000  # characters kept of one text
AT_ONCE = 16  # small requests under way: a bucket answers each after tens of milliseconds
LEVELS = 5  # bytes of a row of the output in which Parquet says where its list of numbers begins
LINE = 16 * 2**10  # bytes fetched to find the end of a line

Asked = TypeVar("Asked")
Told = TypeVar("Told")


@dataclass(frozen=True, slots=True)
class Footer:
    """What the end of a Parquet file says: rows of each group, and the bytes of their texts as encoded."""

    groups: tuple[int, ...]
    text_bytes: int

    @property
    def rows(self) -> int:
        return sum(self.groups)


class Sampled:
    """What was found: strata by kind of file, and some texts as they came."""

    def __init__(self, seed: int) -> None:
        self.strata: dict[str, Stratum] = {}
        self.footers: dict[str, Footer] = {}  # of Parquet files, by path
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
    store = listing.open()
    found = Sampled(seed)
    dice = random.Random(seed)  # noqa: S311 - a sample, not a secret
    for name, files in sorted(groups.items()):
        tables = [f for f in files if f.kind == "parquet"]
        footers = dict(
            zip(
                (f.path for f in tables),
                several(lambda f: footer_of(listing, store, f, columns), tables),
                strict=True,
            )
        )
        found.footers |= footers
        counts = {path: footer.rows for path, footer in footers.items()}
        units = float(sum(counts.values())) if counts else float(sum(f.bytes for f in files))
        pick: Iterable[tuple[float, Iterator[Row]]]
        if not units:
            pick = []  # Parquet without rows
        elif listing.bytes <= SMALL:
            pick = [(float(counts.get(f.path, f.bytes)), rows(store, _slice(f), columns)) for f in files]
        else:
            # As many rows in every block: blocks that ended early where texts are long would count for less.
            text = max(1, sum(footer.text_bytes for footer in footers.values()))
            block = max(1, min(ROWS, int(units * TEXT / text))) if counts else BLOCK
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


def footer_of(listing: Listing, store: Store, file: File, columns: Columns) -> Footer:
    """What the end of a Parquet file says.

    Raises:
        Problem: it is no Parquet, or has not one of these columns.
    """
    try:
        with footer(store, file.path, file.version) as stream, pq.ParquetFile(stream) as parquet:
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
    return Footer(tuple(group.num_rows for group in groups), size)


def several(ask: Callable[[Asked], Told], of: Sequence[Asked]) -> list[Told]:
    """The answers in order, some asked for at the same time."""
    if len(of) < 2:
        return [ask(one) for one in of]
    with ThreadPoolExecutor(AT_ONCE, "sample") as pool:
        return list(pool.map(ask, of))


def _slice(file: File, start: int = 0, end: int | None = None) -> Slice:
    return Slice(file.path, file.version, file.kind, start, end)


def _blocks(
    listing: Listing,
    store: Store,
    files: list[File],
    counts: dict[str, int],
    block: int,
    columns: Columns,
    dice: random.Random,
) -> Iterator[tuple[float, Iterator[Row]]]:
    """Places, with their size in units; none is looked at twice, so that what was seen whole was counted."""
    if files[0].whole:  # read from the start only: as many files as blocks, each as likely as the next
        for file in dice.sample(files, min(BLOCKS, len(files))):
            units, plain = _prefix(listing, store, file)
            yield units, rows_of(io.BytesIO(plain), _slice(file), columns)
        return
    windows = _windows(files, counts, block, dice)
    if not counts:
        windows = _lines(store, windows)
        if not any(windows):  # no line begins in any of them
            windows = [[_slice(files[0], 0, line_end(store, files[0], 1))]]
    for window in windows:
        units = sum((piece.end or 0) - piece.start for piece in window)
        if units:
            yield float(units), chain.from_iterable([rows(store, piece, columns) for piece in window])


def _windows(files: list[File], counts: dict[str, int], block: int, dice: random.Random) -> list[list[Slice]]:
    """A stretch of at most a block somewhere in each of BLOCKS equal parts of the files laid end to end."""
    sizes = [counts.get(f.path, f.bytes) for f in files]
    ends = list(accumulate(sizes))
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


def _lines(store: Store, windows: list[list[Slice]]) -> list[list[Slice]]:
    """The whole lines that begin in these ranges of bytes."""
    every = [
        (piece, place) for window in windows for piece in window for place in (piece.start, piece.end or 0)
    ]
    edges = iter(several(lambda asked: line_end(store, *asked), every))
    moved = [[replace(piece, start=next(edges), end=next(edges)) for piece in window] for window in windows]
    return [[piece for piece in window if (piece.end or 0) > piece.start] for window in moved]


def line_end(store: Store, file: File | Slice, position: int) -> int:
    """The first start of a line at or after `position`.

    Raises:
        Changed: the file is gone, or another.
    """
    if position == 0:
        return 0
    stream = store.get(file.path, file.version, (position - 1, position - 1 + LINE))
    if stream is None:
        raise ObjectChanged(file.path, file.version, None)
    with stream:
        while True:
            found = stream.readline(2**20)
            position += len(found)
            if not found or found.endswith(b"\n"):
                return position - 1


def _prefix(listing: Listing, store: Store, file: File) -> tuple[float, bytes]:
    """The lines (or records) that begin in the first PREFIX stored bytes of a file, and how many stored bytes they are.

    The last is read to its end: whoever leaves out what crosses a border prefers short texts, and of a file that
    begins with a long one sees nothing.
    """
    plain = bytearray()
    table = file.kind in ("csv", "tsv")
    unpack = (
        {".gz": unpack_gzip, ".zst": unpack_zstd}[PurePosixPath(file.path).suffix]
        if file.packed
        else stored_size
    )
    with (
        opened(store, _slice(file, 0, PREFIX)) as stream,
        closing(unpack(stream, listing.where(file))) as parts,
    ):
        source = Plain(parts)
        # as many characters as bytes, and the lines that workers see
        text = io.TextIOWrapper(io.BufferedReader(source), "latin-1", newline="" if table else "\n")

        def lines() -> Iterator[str]:
            while len(plain) < PLAIN + LONGEST and (line := text.readline(LONGEST + 1)):
                plain.extend(line.encode("latin-1"))
                yield line

        records = csv.reader(lines(), delimiter="\t" if file.kind == "tsv" else ",") if table else lines()
        with suppress(csv.Error):  # the file breaks off there, for workers too
            for number, _ in enumerate(records):
                full = len(plain) >= PLAIN or source.stored(len(plain)) >= PREFIX
                if full and number >= table:  # the first of a table is its header
                    break
        more = text.read(1) != ""
        units = source.stored(len(plain))
    # what is damaged holds nothing more, and is no less of the corpus
    return units if more else float(min(file.bytes, max(PREFIX, units))), bytes(plain)


def _block(units: float, source: Iterator[Row], words: Words, cut: Cut, found: Sampled) -> Block:
    block = Block(units)
    texts: list[Document] = []
    beside: dict[int, list[str]] = defaultdict(list)  # by column, what lies beside the vectors
    seen: set[int] = set()  # pieces, by their hash
    size = 0

    def count() -> None:
        for document, parts in zip(texts, pieces(words, [d.text for d in texts], cut), strict=True):
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
        if isinstance(row, Bad):
            block.bad += 1
            found.first_bad = found.first_bad or row
            continue
        texts.append(row)
        size += len(row.text)
        found.keep(row.text)
        if len(texts) == BATCH or size > TEXT:
            count()
            size = 0
    count()
    block.beside = LEVELS * block.chunks + sum(_packed(values) for values in beside.values())
    return block


def _packed(values: list[str]) -> int:
    """Bytes of a column of the output: every value with its length before it, and all that compressed."""
    encoded = [value.encode("utf-8", "replace") for value in values]
    plain = b"".join(len(value).to_bytes(4, "little") + value for value in encoded)
    return len(pa.compress(plain, "zstd", asbytes=True)) if plain else 0
