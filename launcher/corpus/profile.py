"""What a corpus asks of a model: documents, chunks and tokens with their uncertainty, lengths, what truncation loses.

Pure arithmetic on blocks that somebody sampled. A corpus is a few strata (Parquet rows, bytes of plain lines, bytes of
compressed lines); within each, totals come from the ratio of what was counted to the units it was counted in.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
    """An estimate with its 95 % interval; all three equal when it was counted."""

    mid: float
    low: float
    high: float


ID_BYTES_PER_ROW = (
    12.0  # bytes beside a vector where nobody has seen an id: compressed, a UUID takes about 20, a number 2
)


@dataclass(slots=True)
class SampledBlock:
    """What was found in a stretch of `units` (rows, or bytes as stored). `lengths` counts pieces by tokens."""

    units: float
    documents: int = 0
    tokens: int = 0
    tokens_cut: int = 0
    documents_cut: int = 0
    bytes: int = 0
    bad: int = 0
    beside: int = (
        0  # bytes of what lies beside the vectors (ids, columns that are kept), as Parquet stores it
    )
    lengths: Counter[int] = field(default_factory=Counter[int])
    repeated: int = 0  # tokens of pieces that came before in this stretch: they are embedded once

    @property
    def chunks(self) -> int:
        return self.lengths.total()


@dataclass(frozen=True, slots=True)
class Stratum:
    """Input that is alike. `units` is all of it; the blocks are what was looked at."""

    units: float
    blocks: tuple[SampledBlock, ...]

    @property
    def complete(self) -> bool:
        return sum(b.units for b in self.blocks) >= self.units

    @property
    def tokens_per_unit(self) -> float:
        seen = sum(b.units for b in self.blocks)
        return sum(b.tokens for b in self.blocks) / seen if seen else 0.0


@dataclass(frozen=True, slots=True)
class Profile:
    """`lengths` is the mix of pieces: (share of pieces, mean tokens). `bytes` is text as UTF-8.

    `beside` are the bytes of ids and kept columns in the output.
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
    sampled: int  # documents that were tokenised to know this
    tokens_repeated: Count | None = None  # of texts that come again close by; None: nobody has looked


def estimate_profile(strata: Sequence[Stratum], files: int, stored_bytes: int) -> Profile:
    """The profile of all strata together."""
    lengths: Counter[int] = Counter()
    for stratum in strata:
        seen = sum(b.units for b in stratum.blocks)
        for block in stratum.blocks:
            for tokens, count in block.lengths.items():
                lengths[tokens] += round(count * max(1.0, stratum.units / seen))

    def total(figure: Callable[[SampledBlock], float]) -> Count:
        return _total(strata, figure)

    return Profile(
        documents=total(lambda b: b.documents),
        chunks=total(lambda b: b.chunks),
        tokens=total(lambda b: b.tokens),
        bytes=total(lambda b: b.bytes),
        tokens_cut=total(lambda b: b.tokens_cut),
        documents_cut=total(lambda b: b.documents_cut),
        bad_rows=total(lambda b: b.bad),
        beside=total(lambda b: b.beside),
        lengths=length_mix(lengths),
        files=files,
        stored_bytes=stored_bytes,
        sampled=sum(b.documents for s in strata for b in s.blocks),
        tokens_repeated=total(lambda b: b.repeated),
    )


def declared_profile(
    documents: int, lengths: Sequence[tuple[float, float]], limit: int | None, step: int | None
) -> Profile:
    """The profile of a corpus that nobody has yet: what the user says of it is taken as it is.

    `limit` is the longest piece; `step` the new tokens of each further chunk, None when texts are truncated.
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
    size = 4.0 * tokens  # bytes; English has about four to a token, and nobody has counted these
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
    )


def length_mix(lengths: Mapping[int, int]) -> tuple[tuple[float, float], ...]:
    """Pieces by tokens, in bins: (share of pieces, mean tokens)."""
    total = sum(lengths.values())
    out: list[tuple[float, float]] = []
    for low, high in pairwise(LENGTH_BIN_EDGES):
        inside = {tokens: n for tokens, n in lengths.items() if low < tokens <= high}
        count = sum(inside.values())
        if count:
            out.append((count / total, sum(t * n for t, n in inside.items()) / count))
    return tuple(out)


def target_shard_tokens(tokens: float) -> int:
    """How large shards of this corpus are: a power of two, so that a little more corpus changes nothing.

    A few hundred shards for a small corpus, so that progress shows and little is lost with a machine; at most a
    million tokens, which keeps the slowest rented GPU busy for some minutes.
    """
    return 2 ** round(log2(min(max(tokens / 256, 2**14), 2**20)))


def _total(strata: Sequence[Stratum], figure: Callable[[SampledBlock], float]) -> Count:
    """Ratio estimator, stratum by stratum; its variance from the blocks' residuals."""
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
            variance += (ratio * stratum.units) ** 2  # one block says nothing of the spread
    wide = Z_95 * sqrt(variance)
    return Count(mid, max(least, mid - wide), mid + wide)
