"""How much of a corpus is texts that occur before, anywhere in it: counted in one pass with a sketch of bounded memory.

The sketch keeps the lengths of the distinct texts with the smallest hashes (bottom-k, also called KMV). Hashes are as
good as random, so these are a random sample of the distinct texts; how dense they lie says how many there are. Up to
`KEPT` distinct texts the figures are counts. A text is that of a document, before it is cut into chunks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from heapq import heappush, heappushpop
from math import sqrt

from launcher.corpus.files.listing import Listing
from launcher.corpus.repeat_shares import CorpusRepeats, Share
from launcher.corpus.samples.block_positions import slice_of
from launcher.corpus.samples.profile import Z_95
from tasks.formats.read import read_rows
from tasks.formats.rows import Columns, Document

KEPT = 2**16  # distinct texts in the sketch: a standard error of 0.4 % of their number
HASH_BYTES = 8
HASHES = 2.0 ** (8 * HASH_BYTES)


@dataclass(slots=True)
class RepeatSketch:
    """Counts texts, and keeps the `size` distinct ones with the smallest hashes."""

    size: int = KEPT
    texts: int = 0
    characters: int = 0
    _kept: dict[int, int] = field(default_factory=dict[int, int])  # characters of a text, by its hash
    _largest: list[int] = field(default_factory=list[int])  # a heap of the negative hashes
    _dropped: bool = False

    def add(self, text: str) -> None:
        """Count a text."""
        self.texts += 1
        self.characters += len(text)
        name = int.from_bytes(
            blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest(), "big"
        )
        if name in self._kept:
            return
        if len(self._kept) < self.size:
            heappush(self._largest, -name)
            self._kept[name] = len(text)
            return
        self._dropped = True
        if name < -self._largest[0]:
            del self._kept[-heappushpop(self._largest, -name)]
            self._kept[name] = len(text)

    def repeats(self) -> CorpusRepeats:
        """The shares of texts and characters that occurred before."""
        kept = list(self._kept.values())
        count = len(kept)
        mean = sum(kept) / max(1, count)
        if not self._dropped:
            return CorpusRepeats(
                self.texts, _share(count, 0.0, self.texts), _share(count * mean, 0.0, self.characters)
            )
        distinct = (count - 1) * HASHES / -self._largest[0]
        of_number = 1 / (count - 2)  # relative variance of the number of distinct texts
        spread = sum((one - mean) ** 2 for one in kept) / (count - 1)
        of_length = spread / (count * mean * mean) if mean else 0.0
        return CorpusRepeats(
            self.texts,
            _share(distinct, sqrt(of_number), self.texts),
            _share(distinct * mean, sqrt(of_number + of_length), self.characters),
        )


def count_repeats(listing: Listing, columns: Columns) -> CorpusRepeats:
    """Read the whole corpus once and estimate its repeats. Rows that cannot be read are left out."""
    sketch = RepeatSketch()
    for text in _texts(listing, columns):
        sketch.add(text)
    return sketch.repeats()


def _texts(listing: Listing, columns: Columns) -> Iterator[str]:
    store = listing.open()
    for file in listing.files:
        if file.bytes:
            rows: Iterable[object] = read_rows(store, slice_of(file), columns)
            yield from (row.text for row in rows if isinstance(row, Document))


def _share(distinct: float, error: float, whole: int) -> Share:
    """What is left of the whole beside the distinct part, whose relative standard error is `error`."""
    mid, low, high = (
        min(1.0, max(0.0, 1 - distinct * (1 + sign * Z_95 * error) / max(1, whole))) for sign in (0, 1, -1)
    )
    return Share(round(mid, 6), round(low, 6), round(high, 6))
