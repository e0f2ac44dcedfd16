"""Cut a corpus into shards that need no re-upload: row ranges of Parquet, byte ranges between line ends, whole files.

Reads a line end here and there, never the corpus; the sample has the footers of Parquet files.
"""

from collections.abc import Iterator
from itertools import groupby, pairwise

from launcher.corpus.files.corpus_file import CorpusFile
from launcher.corpus.files.listing import Listing
from launcher.corpus.samples.block_positions import map_concurrently, next_line_start, slice_of
from launcher.corpus.samples.sampling import CorpusSample, ParquetFooter
from tasks.formats.json.json_values import is_array
from tasks.formats.read import open_slice
from tasks.protocol.shard import Shard, Slice, identify
from tasks.stores.base import Store

CLOSE_AT_SHARE = 0.75  # of the target: then a shard is closed and gets no other slice
ARRAY_BYTES = 64  # in which a file of JSON shows whether it is one array
MAX_SLICES = 1_000  # in one shard, at most


def cut_shards(listing: Listing, sampled: CorpusSample, target: int) -> Iterator[Shard]:
    """Yield shards of about `target` tokens, in the order of the files; small slices share a shard.

    A file of several slices shares no shard with other files: when another file changes, it is not embedded again.
    """
    pending: list[Slice] = []
    size = tokens = 0.0
    position = 0
    for piece, stored, estimate, alone in _apart(_slices(listing, sampled, target)):
        if pending and (alone or tokens + estimate > target / CLOSE_AT_SHARE or len(pending) == MAX_SLICES):
            yield _shard(position, pending, size, tokens)
            position, pending, size, tokens = position + 1, [], 0.0, 0.0
        pending.append(piece)
        size += stored
        tokens += estimate
        if tokens >= target * CLOSE_AT_SHARE:
            yield _shard(position, pending, size, tokens)
            position, pending, size, tokens = position + 1, [], 0.0, 0.0
    if pending:
        yield _shard(position, pending, size, tokens)


def _apart(
    slices: Iterator[tuple[Slice, float, float]],
) -> Iterator[tuple[Slice, float, float, bool]]:
    """Yield each slice and whether a new shard begins with it: at and after a file of several slices."""
    several_before = False
    for _, group in groupby(slices, key=lambda one: one[0].path):
        mine = list(group)
        for n, one in enumerate(mine):
            yield *one, n == 0 and (several_before or len(mine) > 1)
        several_before = len(mine) > 1


def _shard(position: int, pieces: list[Slice], size: float, tokens: float) -> Shard:
    return Shard(
        id=identify(pieces),
        position=position,
        slices=tuple(pieces),
        bytes=round(size),
        tokens=round(tokens),
    )


def _slices(listing: Listing, sampled: CorpusSample, target: int) -> Iterator[tuple[Slice, float, float]]:
    """Yield slices with their stored bytes and estimated tokens."""
    store = listing.open()
    for file in listing.files:
        if not file.bytes:
            continue
        density = sampled.density(file)
        if file.kind == "parquet":
            yield from _parquet(file, sampled.footers[file.path], density, target)
        elif file.indivisible or density * file.bytes <= target or _is_one_array(store, file):
            yield slice_of(file), float(file.bytes), density * file.bytes
        else:
            count = round(density * file.bytes / target) or 1
            places = [file.bytes * i // count for i in range(count)]
            edges = map_concurrently(lambda place, file=file: next_line_start(store, file, place), places)
            for start, end in zip(edges, [*edges[1:], file.bytes], strict=True):
                if end > start:
                    piece = slice_of(file, start, end)
                    yield piece, float(end - start), density * (end - start)


def _is_one_array(store: Store, file: CorpusFile) -> bool:
    """Whether a file of JSON Lines is in truth one array, which can only be read from its beginning."""
    if file.kind != "jsonl":
        return False
    with open_slice(store, slice_of(file, 0, ARRAY_BYTES)) as stream:
        return is_array(stream.read(ARRAY_BYTES))


def _parquet(
    file: CorpusFile, footer: ParquetFooter, density: float, target: int
) -> Iterator[tuple[Slice, float, float]]:
    """Yield row groups; one that is larger than a shard is cut."""
    first = 0
    for rows in footer.groups:
        count = max(1, round(density * rows / target))
        edges = [first + rows * i // count for i in range(count + 1)]
        for start, end in pairwise(edges):
            if end > start:
                stored = file.bytes * (end - start) / max(1, footer.rows)
                yield slice_of(file, start, end), stored, density * (end - start)
        first += rows
