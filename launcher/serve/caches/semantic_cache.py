"""Results of searches by the likeness of their queries: a query near an earlier one gets the results of that one.

It saves searching, never embedding: its key is the vector of the query. It is off by default, since the first result of a
similar query is often another one: `wrong_first_hits` measures how often, on the user's own queries.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Result = TypeVar("Result")
MOST_ENTRIES = 10_000


@dataclass(slots=True)
class SemanticCache(Generic[Result]):
    """The newest results by the unit vectors of their queries. Safe to use from several threads.

    Attributes:
        threshold: least cosine of two queries that get one result.
        dimensions: of the vectors.
    """

    threshold: float
    dimensions: int
    most: int = MOST_ENTRIES
    hits: int = 0
    misses: int = 0
    _vectors: Floats = field(default_factory=lambda: np.empty((0, 0), np.float32))
    _results: list[Result] = field(default_factory=list["Result"])
    _next: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, query: Floats) -> Result | None:
        """The result of the nearest earlier query, where it is near enough."""
        with self._lock:
            if self._results:
                scores = self._vectors[: len(self._results)] @ query
                best = int(scores.argmax())
                if scores[best] >= self.threshold:
                    self.hits += 1
                    return self._results[best]
            self.misses += 1
            return None

    def put(self, query: Floats, result: Result) -> None:
        """Keep a result; the oldest makes room."""
        with self._lock:
            if not len(self._vectors):
                self._vectors = np.empty((self.most, self.dimensions), np.float32)
            if len(self._results) < self.most:
                self._results.append(result)
            else:
                self._results[self._next] = result
            self._vectors[self._next] = query
            self._next = (self._next + 1) % self.most


@dataclass(frozen=True, slots=True)
class Measured:
    """What the cache would have done with queries in their order. `wrong`: hits whose first result is another one."""

    queries: int
    hits: int
    wrong: int

    @property
    def hit_share(self) -> float:
        """The share of the queries that the cache answers."""
        return self.hits / self.queries if self.queries else 0.0

    @property
    def wrong_share(self) -> float | None:
        """The share of the hits that are wrong; None: there was no hit."""
        return self.wrong / self.hits if self.hits else None


def wrong_first_hits(
    queries: Sequence[Floats], first_of: Callable[[Floats], str], threshold: float
) -> Measured:
    """Ask the queries one after another; `first_of` gives the first result of one, by a search."""
    if not len(queries):
        return Measured(0, 0, 0)
    cache = SemanticCache[str](threshold, len(queries[0]))
    wrong = 0
    for query in queries:
        true = first_of(query)
        known = cache.get(query)
        if known is None:
            cache.put(query, true)
        elif known != true:
            wrong += 1
    return Measured(len(queries), cache.hits, wrong)
