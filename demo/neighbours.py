"""The vectors nearest to a query: every one is looked at, a block at a time, and equals are told apart by number.

Knows rows and ids. Knows nothing of files or models.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

BLOCK = 65_536  # vectors multiplied at once
SLACK = 1e-4  # more than float32 sums of a few thousand products differ by, in whatever order they are added


def nearest(queries: Floats, vectors: Floats, k: int, block: int = BLOCK) -> list[list[tuple[int, float]]]:
    """For each query the `k` rows of `vectors` with the highest dot product, best first; ties to the lower row.

    Both are [rows, dimensions] of unit length. The fast products in float32 only choose candidates. Those are
    compared by sums in float64, one row like the other, so equal vectors tie and no block size changes the answer.
    """
    if queries.ndim != 2 or vectors.ndim != 2 or queries.shape[1] != vectors.shape[1]:
        raise ValueError(f"queries {queries.shape} and vectors {vectors.shape} are not rows of one length")
    if k < 1:
        raise ValueError(f"asked for {k} neighbours")
    found: list[list[tuple[int, float]]] = [[] for _ in queries]
    across = queries.astype(np.float32).T
    for start in range(0, len(vectors), block):
        some = vectors[start : start + block].astype(np.float32)
        scores = some @ across
        if not np.isfinite(scores).all():
            raise ValueError(f"a vector among rows {start:,} to {start + len(some) - 1:,} is not finite")
        few = min(k, len(some))
        worst = np.partition(scores, -few, axis=0)[-few]
        for query, best in enumerate(found):
            rows = np.flatnonzero(scores[:, query] >= worst[query] - SLACK)
            exact = (some[rows].astype(np.float64) * queries[query].astype(np.float64)).sum(axis=1)
            best.extend(zip((start + rows).tolist(), exact.tolist(), strict=True))
            best.sort(key=lambda hit: (-hit[1], hit[0]))
            del best[k:]
    return found


def best_documents(
    queries: Floats, vectors: Floats, ids: Sequence[str], k: int
) -> list[list[tuple[str, float]]]:
    """For each query the `k` nearest documents, best first. `ids` names each row's; its best row speaks for it."""
    if len(ids) != len(vectors):
        raise ValueError(f"{len(ids):,} ids for {len(vectors):,} vectors")
    wide = k
    while True:
        found = [by_document(hits, ids)[:k] for hits in nearest(queries, vectors, wide)]
        if wide >= len(ids) or all(len(documents) == k for documents in found):
            return found
        wide *= 2  # several of the nearest rows are of one document


def by_document(hits: Sequence[tuple[int, float]], ids: Sequence[str]) -> list[tuple[str, float]]:
    """The documents of hits that come best first, each with its first."""
    best: dict[str, float] = {}
    for row, score in hits:
        best.setdefault(ids[row], score)
    return list(best.items())
