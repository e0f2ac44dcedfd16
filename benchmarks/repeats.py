"""How much of what a corpus repeats is embedded once: by workers' windows alone, and with `deduplicate: corpus`.

python -m benchmarks.repeats [TEXTS]

The corpus is made: of 100 distinct texts 94 occur once, and the others k times, with a probability in proportion to
1/k^3, k from 2 to 5,000. The occurrences of every other such text lie within 500 texts of each other (reposts and
versions), those of the rest anywhere (boilerplate). Shards of 1,000 texts go to 50 workers in turn. Windows are the
product's own, with the room that they have for 1,024 dimensions; texts are counted and chosen by the product's own code.
"""

import json
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from launcher.corpus import repeat_counts
from launcher.corpus.repeat_counts import TextCounts, TextSize, text_hash
from tasks.engines.base import Vectors
from tasks.engines.batches.deduplicate import CACHE_BYTES, Deduplicator
from tasks.engines.batches.piece_hash import piece_hash

TEXTS = 300_000
WORKERS = 50
SHARD_TEXTS = 1_000
ONCE_SHARE = 0.94  # of distinct texts
MOST_OCCURRENCES = 5_000
NEAR = 500  # texts
DIMENSIONS = 1_024
WIDTH = 8  # of the vectors that stand for those of so many dimensions
SIZE = TextSize(tokens_per_character=0.25, limit=512, chunked=False, dimensions=DIMENSIONS)


def main() -> None:
    texts = int(sys.argv[1]) if len(sys.argv) > 1 else TEXTS
    print(json.dumps(measure(made_corpus(texts)), indent=2))


def made_corpus(count: int, seed: int = 1) -> list[int]:
    """The texts of a corpus in order, as numbers: equal numbers are equal texts."""
    dice = random.Random(seed)
    often = range(2, MOST_OCCURRENCES + 1)
    weights = [1 / k**3 for k in often]
    places: list[tuple[float, int]] = []
    text = 0
    while len(places) < count:
        if dice.random() < ONCE_SHARE:
            places.append((dice.random() * count, text))
        else:
            near, first = text % 2 == 0, dice.random() * count
            places += [
                (first + dice.random() * NEAR if near else dice.random() * count, text)
                for _ in range(dice.choices(often, weights)[0])
            ]
        text += 1
    return [text for _, text in sorted(places)]


def measure(corpus: Sequence[int]) -> dict[str, Any]:
    """The shares of repeats that are not embedded again."""
    distinct = len(set(corpus))
    repeats = len(corpus) - distinct
    with TemporaryDirectory() as folder:
        chosen = _chosen(corpus, Path(folder))
    few = dict(list(chosen.items())[: len(chosen) // 10])  # `_chosen` begins with those of most worth
    window = embedded(corpus, {})

    def share(embedded_texts: int) -> float:
        return round((len(corpus) - embedded_texts) / repeats, 4)

    return {
        "texts": len(corpus),
        "distinct_texts": distinct,
        "share_of_texts_that_repeat": round(repeats / len(corpus), 4),
        "workers": WORKERS,
        "repeats_embedded_once_by_windows": share(window),
        "repeats_embedded_once_by_corpus": share(len(chosen) + embedded(corpus, chosen)),
        "repeats_embedded_once_where_a_tenth_fits": share(len(few) + embedded(corpus, few)),
        "texts_embedded_by_windows_over_distinct": round(window / distinct, 4),
        "texts_embedded_by_corpus_over_distinct": round(
            (len(chosen) + embedded(corpus, chosen)) / distinct, 4
        ),
    }


def _chosen(corpus: Sequence[int], folder: Path) -> dict[bytes, Vectors]:
    """The vectors of the texts that the launcher chooses, by the hash of their piece, those of most worth first."""
    counts = TextCounts(folder)
    for text in corpus:
        counts.add(_words(text), 0)
    found = counts.choose(SIZE).files
    by_hash = {text_hash(_words(text)): text for text in set(corpus)}
    vector = np.ones(WIDTH, np.float32)
    return {piece_hash([by_hash[name]]): vector for name in found}


def embedded(corpus: Sequence[int], shared: Mapping[bytes, Vectors]) -> int:
    """How many texts go through the engines of all workers with their shards."""
    count = 0

    def engine(pieces: Sequence[Sequence[int]]) -> tuple[Vectors, dict[int, str]]:
        nonlocal count
        count += len(pieces)
        return np.ones((len(pieces), WIDTH), np.float32), {}

    windows = [Deduplicator(CACHE_BYTES // DIMENSIONS * WIDTH) for _ in range(WORKERS)]
    for number, start in enumerate(range(0, len(corpus), SHARD_TEXTS)):
        pieces = [[text] for text in corpus[start : start + SHARD_TEXTS]]
        windows[number % WORKERS].encode(pieces, engine, shared)
    return count


def _words(text: int) -> str:
    return f"text number {text}"


if __name__ == "__main__":
    assert repeat_counts.MOST_VECTOR_BYTES >= 4 * DIMENSIONS * TEXTS  # all that repeat fit here
    main()
