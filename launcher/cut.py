"""Cut a corpus into shards that need no re-upload: Parquet row ranges, byte ranges on line ends, whole files.

Reads Parquet footers and a line end here and there, never the corpus.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq

from launcher.corpus import File, Listing
from launcher.sample import Sampled, line_end
from tasks.shard import Shard, Slice, identify

FULL = 0.75  # of the target: a shard is closed rather than given another slice
SLICES = 1_000  # in one shard, at most


def shards(listing: Listing, sampled: Sampled, target: int) -> Iterator[Shard]:
    """Shards of about `target` tokens, in the order of the files; small slices share a shard."""
    pending: list[Slice] = []
    size = tokens = 0.0
    position = 0
    for piece, stored, estimate in _slices(listing, sampled, target):
        if pending and (tokens + estimate > target / FULL or len(pending) == SLICES):
            yield _shard(position, pending, size, tokens)
            position, pending, size, tokens = position + 1, [], 0.0, 0.0
        pending.append(piece)
        size += stored
        tokens += estimate
        if tokens >= target * FULL:
            yield _shard(position, pending, size, tokens)
            position, pending, size, tokens = position + 1, [], 0.0, 0.0
    if pending:
        yield _shard(position, pending, size, tokens)


def _shard(position: int, pieces: list[Slice], size: float, tokens: float) -> Shard:
    return Shard(identify(pieces), position, tuple(pieces), round(size), round(tokens))


def _slices(listing: Listing, sampled: Sampled, target: int) -> Iterator[tuple[Slice, float, float]]:
    """Slices with their stored bytes and estimated tokens."""
    for file in listing.files:
        if not file.bytes:
            continue
        density = sampled.density(file)
        if file.kind == "parquet":
            yield from _parquet(listing.root / file.path, file, density, target)
        elif file.whole or density * file.bytes <= target:
            yield Slice(file.path, file.version, file.kind), float(file.bytes), density * file.bytes
        else:
            count = round(density * file.bytes / target) or 1
            edges = [line_end(listing.root / file.path, file.bytes * i // count) for i in range(count)]
            for start, end in zip(edges, [*edges[1:], file.bytes], strict=True):
                if end > start:
                    piece = Slice(file.path, file.version, file.kind, start, end)
                    yield piece, float(end - start), density * (end - start)


def _parquet(path: Path, file: File, density: float, target: int) -> Iterator[tuple[Slice, float, float]]:
    """Row groups; one that is larger than a shard may be is cut inside."""
    first = 0
    with pq.ParquetFile(path) as parquet:
        for group in range(parquet.metadata.num_row_groups):
            meta = parquet.metadata.row_group(group)
            count = max(1, round(density * meta.num_rows / target))
            edges = [first + meta.num_rows * i // count for i in range(count + 1)]
            for start, end in pairwise(edges):
                if end > start:
                    rows = end - start
                    stored = file.bytes * rows / max(1, parquet.metadata.num_rows)
                    yield Slice(file.path, file.version, file.kind, start, end), stored, density * rows
            first += meta.num_rows
