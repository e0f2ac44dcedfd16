"""Choose which parts of the files of a corpus are sampled, and open them.

A block is a stretch of rows (Parquet) or stored bytes (all other files). Blocks of plain files are spread over all files
laid end to end; compressed files and tables are read from their start, because they cannot be entered in the middle.
"""

import codecs
import io
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from itertools import accumulate, chain
from typing import TypeVar

from launcher.corpus.files.corpus_file import CorpusFile
from launcher.corpus.files.listing import Listing
from launcher.corpus.samples.leading_rows import ALSO_BY_LINES, PREFIX_BYTES, PREFIX_PLAIN_BYTES, leading_rows
from launcher.corpus.samples.partial_decompress import (
    DecompressedStream,
    decompress,
    read_stored,
)
from tasks.formats.csv.csv_rows import MAX_RECORD_CHARACTERS
from tasks.formats.csv.tables import dialect_of, read_records
from tasks.formats.read import open_slice, read_rows, rows_of_stream
from tasks.formats.rows import MAX_TEXT_BYTES, Columns, ReadRow
from tasks.protocol.shard import Slice
from tasks.stores.base import ObjectChanged, Store

BLOCKS_PER_STRATUM = 48
CONCURRENT_REQUESTS = 16  # small ones: a bucket answers each after tens of milliseconds
MAX_BLANK_LINES = 100_000  # one behind the other, that are read where enough of a file was read
LINE_FETCH_BYTES = 16 * 2**10  # fetched to find the end of a line

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_concurrently(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Call a function that waits for a store for each item, some at the same time; return the results in order."""
    if len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(CONCURRENT_REQUESTS, "sample") as pool:
        return list(pool.map(function, items))


def slice_of(file: CorpusFile, start: int = 0, end: int | None = None) -> Slice:
    """Make the slice of a file; its units are rows in Parquet, bytes in all other files."""
    return Slice(path=file.path, version=file.version, kind=file.kind, start=start, end=end)


def open_blocks(
    listing: Listing,
    files: list[CorpusFile],
    rows: Mapping[str, int],
    block_units: int,
    columns: Columns,
    dice: random.Random,
) -> Iterator[tuple[float, Iterator[ReadRow]]]:
    """Yield the size of each block in units, and its rows.

    `rows` has the rows of each Parquet file by path, and is empty for other files. No place is read twice, so what was
    read whole was counted.
    """
    store = listing.open()
    if files[0].indivisible:  # as many files as blocks, each as likely as the next, from their start
        for file in dice.sample(files, min(BLOCKS_PER_STRATUM, len(files))):
            if file.kind not in ALSO_BY_LINES:
                units, leading = leading_rows(listing.location(file), store, file, slice_of(file), columns)
                yield units, iter(leading)
                continue
            units, plain = _read_prefix(listing, store, file, columns)
            yield units, rows_of_stream(io.BytesIO(plain), slice_of(file), columns)
        return
    windows = _choose_windows(files, rows, block_units, dice)
    if not rows:
        windows = _align_to_lines(store, windows)
        if not any(windows):  # no line begins in any of them
            windows = [[slice_of(files[0], 0, next_line_start(store, files[0], 1))]]
    for window in windows:
        units = sum((piece.end or 0) - piece.start for piece in window)
        if units:
            yield float(units), chain.from_iterable([read_rows(store, piece, columns) for piece in window])


def next_line_start(store: Store, file: CorpusFile | Slice, position: int) -> int:
    """Return the first start of a line at or after a position.

    Raises:
        ObjectChanged: the file is gone, or has another version.
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


def _choose_windows(
    files: list[CorpusFile], rows: Mapping[str, int], block_units: int, dice: random.Random
) -> list[list[Slice]]:
    """Choose a stretch of at most a block at random in each of BLOCKS_PER_STRATUM equal parts of all files."""
    sizes = [rows.get(file.path, file.bytes) for file in files]
    ends = list(accumulate(sizes))
    windows: list[list[Slice]] = []
    for number in range(BLOCKS_PER_STRATUM):
        first, last = (ends[-1] * n // BLOCKS_PER_STRATUM for n in (number, number + 1))
        low = first + dice.randrange(max(1, last - first - block_units + 1))
        high = min(low + block_units, last)
        window: list[Slice] = []
        for place in range(bisect_right(ends, low), len(files)):
            start = ends[place] - sizes[place]
            if start >= high:
                break
            window.append(slice_of(files[place], max(low - start, 0), min(high - start, sizes[place])))
        windows.append(window)
    return windows


def _align_to_lines(store: Store, windows: list[list[Slice]]) -> list[list[Slice]]:
    """Replace ranges of bytes by the whole lines that begin in them."""
    edges = [
        (piece, place) for window in windows for piece in window for place in (piece.start, piece.end or 0)
    ]
    starts = iter(map_concurrently(lambda edge: next_line_start(store, *edge), edges))
    aligned = [
        [replace(piece, start=next(starts), end=next(starts)) for piece in window] for window in windows
    ]
    return [[piece for piece in window if (piece.end or 0) > piece.start] for window in aligned]


def _read_prefix(listing: Listing, store: Store, file: CorpusFile, columns: Columns) -> tuple[float, bytes]:
    """Read the lines (or records) that begin in the first PREFIX_BYTES of a file; return their stored and plain bytes.

    The last one is read to its end: leaving out what crosses the border would prefer short texts, and see nothing of a
    file that begins with a long one.
    """
    plain = bytearray()
    is_table = file.kind in ("csv", "tsv")
    parts_of = decompress if file.compressed else read_stored
    with (
        open_slice(store, slice_of(file, 0, PREFIX_BYTES)) as stream,
        closing(parts_of(stream, listing.location(file))) as parts,
    ):
        source = DecompressedStream(parts)
        # Latin-1 has as many characters as bytes. Lines end as they do for workers.
        dialect = dialect_of(file.kind, columns.csv)
        encoding = dialect.encoding if is_table else "latin-1"
        text = io.TextIOWrapper(
            io.BufferedReader(source), encoding, "surrogateescape", newline="" if is_table else "\n"
        )
        encoder = codecs.getincrementalencoder(encoding)("surrogateescape")

        def lines() -> Iterator[str]:
            blank, limit = 0, PREFIX_PLAIN_BYTES + MAX_TEXT_BYTES
            while len(plain) < limit and (line := text.readline(MAX_TEXT_BYTES + 1)):
                plain.extend(encoder.encode(line))
                blank = 0 if line.strip() else blank + 1
                if blank > MAX_BLANK_LINES and len(plain) >= PREFIX_PLAIN_BYTES:
                    return  # a small file may unpack to a billion of them
                yield line

        records = read_records(lines(), dialect, MAX_RECORD_CHARACTERS) if is_table else lines()
        with suppress(UnicodeError):  # workers stop reading the file there, too
            for number, _ in enumerate(records):
                full = len(plain) >= PREFIX_PLAIN_BYTES or source.stored(len(plain)) >= PREFIX_BYTES
                if full and number >= is_table:  # the first record of a table is its header
                    break
        more = _has_more(text)
        units = source.stored(len(plain))
    # A damaged file has nothing more to read, and counts as much of the corpus as an undamaged one.
    return units if more else float(min(file.bytes, max(PREFIX_BYTES, units))), bytes(plain)


def _has_more(text: io.TextIOWrapper) -> bool:
    try:
        return text.read(1) != ""
    except UnicodeError:
        return True
