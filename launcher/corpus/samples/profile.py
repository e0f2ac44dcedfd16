"""Estimate what a corpus asks of a model: documents, chunks and tokens with their uncertainty, lengths, truncation.

Pure arithmetic on sampled blocks. A corpus is a few strata (rows of Parquet, bytes of plain lines, bytes of compressed
lines); within each, totals are estimated from the ratio of what was counted to the units in which it was counted.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil, inf, log2, sqrt

Z_95 = 1.96  # standard errors of a 95 % interval
LENGTH_BIN_EDGES = (
    0,
    8,
    16,
    32,
    64,
    96,
    128,
    192,
    256,
    384,
    512,
    1024,
    2048,
    4096,
    8192,
    inf,
)  # tokens of a piece


@dataclass(frozen=True, slots=True)
class Count:
    """An estimate with its 95 % interval; all three are equal where it was counted."""

    mid: float
    low: float
    high: float


ID_BYTES_PER_ROW = (
    12.0  # beside a vector, where no id was sampled: compressed, a UUID takes about 20 bytes, a number 2
)


@dataclass(slots=True)
class SampledBlock:
    """What was counted in a block of `units` (rows, or bytes as stored). `lengths` counts chunks by their tokens."""

    units: float
    documents: int = 0
    tokens: int = 0
    tokens_cut: int = 0
    documents_cut: int = 0
    bytes: int = 0
    bad: int = 0
    beside: int = 0  # bytes of ids and kept columns in the output, as Parquet stores them
    lengths: Counter[int] = field(default_factory=Counter[int])
    whole: Counter[int] = field(default_factory=Counter[int])  # documents by their tokens before they are cut
    repeated: int = 0  # tokens of chunks that occurred before in this block: they are embedded once

    @property
    def chunks(self) -> int:
        """Chunks of the block."""
        return self.lengths.total()


@dataclass(frozen=True, slots=True)
class Stratum:
    """Files of one kind. `units` is all of them; the blocks are what was sampled.

    `files` is their number where each file is one document, and each block one file: documents are then counted by file.
    """

    units: float
    blocks: tuple[SampledBlock, ...]
    files: int | None = None

    @property
    def complete(self) -> bool:
        """Whether it was read whole."""
        return sum(b.units for b in self.blocks) >= self.units

    @property
    def tokens_per_unit(self) -> float:
        """Tokens per row or per stored byte."""
        seen = sum(b.units for b in self.blocks)
        return sum(b.tokens for b in self.blocks) / seen if seen else 0.0


@dataclass(frozen=True, slots=True)
class Profile:
    """What a corpus asks of a model.

    `lengths` is the mix of chunks: (share of chunks, mean tokens). `bytes` is text as UTF-8. `beside` is bytes of ids and
    kept columns in the output, beside the vectors.
    """

    documents: Count
    chunks: Count
    tokens: Count
    bytes: Count
    tokens_cut: Count
    documents_cut: Count
    bad_rows: Count
    beside: Count
    lengths: tuple[tuple[float, float], ...]
    files: int
    stored_bytes: int
    sampled: int  # documents that were tokenised
    tokens_repeated: Count | None = None  # of texts that occur again close by; None: not measured
    document_lengths: tuple[
        tuple[float, float], ...
    ] = ()  # (share of documents, mean tokens) before they are cut
    longest: int | None = None  # tokens of a chunk at most; None: not known


def estimate_profile(
    strata: Sequence[Stratum], files: int, stored_bytes: int, longest: int | None = None
) -> Profile:
    """Estimate the profile of all strata together; `longest` is the tokens of a chunk at most."""
    lengths = _weighted(strata, lambda block: block.lengths)
    whole = _weighted(strata, lambda block: block.whole)

    def total(figure: Callable[[SampledBlock], float]) -> Count:
        return _total(strata, figure)

    def of_documents(figure: Callable[[SampledBlock], float]) -> Count:
        return _total([_by_file(stratum) for stratum in strata], figure)

    return Profile(
        documents=of_documents(lambda b: b.documents),
        chunks=_total([_by_file(s) if _one_chunk(s) else s for s in strata], lambda b: b.chunks),
        tokens=total(lambda b: b.tokens),
        bytes=total(lambda b: b.bytes),
        tokens_cut=total(lambda b: b.tokens_cut),
        documents_cut=of_documents(lambda b: b.documents_cut),
        bad_rows=of_documents(lambda b: b.bad),
        beside=total(lambda b: b.beside),
        lengths=length_mix(lengths),
        files=files,
        stored_bytes=stored_bytes,
        sampled=sum(b.documents for s in strata for b in s.blocks),
        tokens_repeated=total(lambda b: b.repeated),
        document_lengths=length_mix(whole),
        longest=longest,
    )


def _by_file(stratum: Stratum) -> Stratum:
    """The stratum in files instead of bytes, where each file is one document."""
    if stratum.files is None:
        return stratum
    return Stratum(float(stratum.files), tuple(replace(block, units=1.0) for block in stratum.blocks))


def _weighted(
    strata: Sequence[Stratum], figure: Callable[[SampledBlock], Mapping[int, int]]
) -> Mapping[int, int]:
    """Counts by tokens of all strata, each block for the units that it stands for."""
    found: Counter[int] = Counter()
    for stratum in strata:
        seen = sum(b.units for b in stratum.blocks)
        for block in stratum.blocks:
            for tokens, count in figure(block).items():
                found[tokens] += round(count * max(1.0, stratum.units / seen))
    return found


def _one_chunk(stratum: Stratum) -> bool:
    """Whether no document of the sample has several chunks; then there are as many as documents."""
    return all(block.chunks <= block.documents for block in stratum.blocks)


def declared_profile(
    documents: int, lengths: Sequence[tuple[float, float]], limit: int | None, step: int | None
) -> Profile:
    """Make the profile of a corpus that does not exist yet from what the user declares.

    `limit` is the tokens of the longest chunk; `step` is the new tokens of each further chunk, or None where texts are
    truncated.
    """
    chunks = tokens = cut = shortened = 0.0
    pieces: list[tuple[float, float]] = []
    for share, length in lengths:
        count = share * documents
        kept = length if limit is None else min(length, limit)
        number = 1 if step is None or limit is None or length <= limit else 1 + ceil((length - limit) / step)
        whole = kept if step is None else length + (number - 1) * ((limit or 0) - step)
        chunks += count * number
        tokens += count * whole
        cut += count * (length - kept) if step is None else 0
        shortened += count if step is None and length > kept else 0
        pieces.append((count * number, whole / number))
    known = [Count(x, x, x) for x in (documents, chunks, tokens, cut, shortened, 0.0)]
    size = 4.0 * tokens  # bytes; English has about four to a token, and these were not counted
    return Profile(
        documents=known[0],
        chunks=known[1],
        tokens=known[2],
        bytes=Count(size, size * 0.6, size * 1.6),
        tokens_cut=known[3],
        documents_cut=known[4],
        bad_rows=known[5],
        beside=Count(ID_BYTES_PER_ROW * chunks, 0.0, 3 * ID_BYTES_PER_ROW * chunks),
        lengths=tuple((count / chunks, length) for count, length in pieces),
        files=0,
        stored_bytes=0,
        sampled=0,
        document_lengths=tuple(lengths),
        longest=limit,
    )


def length_mix(lengths: Mapping[int, int]) -> tuple[tuple[float, float], ...]:
    """Sort chunks by their tokens into bins: (share of chunks, mean tokens)."""
    total = sum(lengths.values())
    out: list[tuple[float, float]] = []
    for low, high in pairwise(LENGTH_BIN_EDGES):
        inside = {tokens: n for tokens, n in lengths.items() if low < tokens <= high}
        count = sum(inside.values())
        if count:
            out.append((count / total, sum(t * n for t, n in inside.items()) / count))
    return tuple(out)


def target_shard_tokens(tokens: float) -> int:
    """Choose the tokens of a shard: a power of two, so that a slightly larger corpus has the same shards.

    A small corpus has a few hundred shards, so that progress is visible and little is lost with a machine. A shard has at
    most a million tokens, which keep the slowest rented GPU busy for some minutes.
    """
    return 2 ** round(log2(min(max(tokens / 256, 2**14), 2**20)))


def _total(strata: Sequence[Stratum], figure: Callable[[SampledBlock], float]) -> Count:
    """Estimate a total with the ratio estimator, stratum by stratum; its variance comes from the blocks' residuals."""
    mid = variance = least = 0.0
    for stratum in strata:
        seen = sum(b.units for b in stratum.blocks)
        if not seen:
            continue
        found = sum(figure(b) for b in stratum.blocks)
        least += found
        ratio = found / seen
        if stratum.complete:
            mid += found
            continue
        mid += ratio * stratum.units
        n = len(stratum.blocks)
        if n > 1:
            residuals = sum((figure(b) - ratio * b.units) ** 2 for b in stratum.blocks) / (n - 1)
            unseen = 1 - seen / stratum.units
            variance += (stratum.units / seen) ** 2 * n * residuals * unseen
        else:
            variance += (ratio * stratum.units) ** 2  # one block does not show the spread
    wide = Z_95 * sqrt(variance)
    return Count(mid, max(least, mid - wide), mid + wide)
