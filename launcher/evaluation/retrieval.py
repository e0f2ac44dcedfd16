"""Retrieval measures, and the best documents of each query while the vectors pass in batches. Pure.

A document's score is that of its best chunk. Equal scores are ranked in the order of the corpus.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log2

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


def ndcg(ranked: Sequence[str], relevant: Mapping[str, int], k: int) -> float:
    """Normalised discounted cumulative gain of the first `k`, with linear gain as trec_eval has it. 0 to 1."""
    gained = sum(relevant.get(name, 0) / log2(place + 2) for place, name in enumerate(ranked[:k]))
    best = sorted(relevant.values(), reverse=True)[:k]
    ideal = sum(value / log2(place + 2) for place, value in enumerate(best))
    return gained / ideal if ideal else 0.0


def recall(ranked: Sequence[str], relevant: Mapping[str, int], k: int) -> float:
    """The share of the relevant documents that are among the first `k`."""
    wanted = {name for name, value in relevant.items() if value > 0}
    return len(wanted & set(ranked[:k])) / len(wanted) if wanted else 0.0


@dataclass(slots=True)
class TopRows:
    """The `k` best rows of each query so far, by `scores`; `second` goes along: another score of the same row.

    All arrays are [queries, up to k], best first. `rows` and `documents` count from 0 through the dataset.
    """

    queries: int
    k: int
    scores: Floats = field(init=False)
    second: Floats = field(init=False)
    documents: Integers = field(init=False)

    def __post_init__(self) -> None:
        self.scores = np.empty((self.queries, 0), np.float32)
        self.second = np.empty((self.queries, 0), np.float32)
        self.documents = np.empty((self.queries, 0), np.int64)

    def add(self, scores: Floats, documents: Integers, second: Floats | None = None) -> None:
        """Take in further rows: `scores` is [queries, rows], `documents` [rows] in the order of the corpus."""
        also = scores if second is None else second
        best = _best(scores, self.k)
        self.scores = np.concatenate([self.scores, np.take_along_axis(scores, best, 1)], 1)
        self.second = np.concatenate([self.second, np.take_along_axis(also, best, 1)], 1)
        self.documents = np.concatenate([self.documents, documents[best]], 1)
        keep = _best(self.scores, self.k)
        self.scores = np.take_along_axis(self.scores, keep, 1)
        self.second = np.take_along_axis(self.second, keep, 1)
        self.documents = np.take_along_axis(self.documents, keep, 1)


def best_of_documents(scores: Floats, documents: Integers) -> tuple[Floats, Integers]:
    """The best score of each document: rows of one document stand side by side. [queries, documents], [documents]."""
    starts = np.flatnonzero(np.r_[True, documents[1:] != documents[:-1]])
    return np.maximum.reduceat(scores, starts, axis=1), documents[starts]


def ranking(documents: Integers, scores: Floats, k: int) -> list[int]:
    """The `k` best documents, each once, by these scores; equal scores by the order of the corpus."""
    found: dict[int, None] = {}
    for place in np.lexsort((documents, -scores)):
        found.setdefault(int(documents[place]))
        if len(found) == k:
            break
    return list(found)


def _best(scores: Floats, k: int) -> Integers:
    """The columns of the `k` best scores of each row, best first; equal ones from left to right."""
    if scores.shape[1] <= k:
        return np.argsort(-scores, axis=1, kind="stable").astype(np.int64)
    # A stable sort of all columns takes ten times as long: only what is at least the k-th best is sorted.
    limit = np.partition(scores, scores.shape[1] - k, axis=1)[:, scores.shape[1] - k]
    out = np.empty((len(scores), k), np.int64)
    for row, least in enumerate(limit):
        columns = np.flatnonzero(scores[row] >= least)
        out[row] = columns[np.argsort(-scores[row, columns], kind="stable")][:k]
    return out
