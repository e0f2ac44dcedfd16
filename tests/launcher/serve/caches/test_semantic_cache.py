"""Results by the likeness of queries, and how often their first one is wrong."""

import numpy as np
import pytest

from launcher.serve.caches.semantic_cache import SemanticCache, wrong_first_hits


def unit(*numbers: float) -> np.ndarray:
    vector = np.array(numbers, np.float32)
    return vector / np.linalg.norm(vector)


def test_near_query_gets_the_result_and_a_far_one_none() -> None:
    cache = SemanticCache[str](0.99, 2)
    assert cache.get(unit(1, 0)) is None
    cache.put(unit(1, 0), "east")
    assert cache.get(unit(1, 0.05)) == "east"
    assert cache.get(unit(1, 0.5)) is None
    assert (cache.hits, cache.misses) == (1, 2)


def test_oldest_result_makes_room() -> None:
    cache = SemanticCache[str](0.999, 2, most=2)
    for vector, name in ((unit(1, 0), "e"), (unit(0, 1), "n"), (unit(-1, 0), "w")):
        cache.put(vector, name)
    assert [cache.get(one) for one in (unit(1, 0), unit(0, 1), unit(-1, 0))] == [None, "n", "w"]


def test_wrong_first_hits_are_counted_over_the_queries_in_their_order() -> None:
    queries = [unit(1, 0), unit(1, 0.01), unit(1, 0.02), unit(0, 1)]
    found = wrong_first_hits(queries, lambda query: "up" if query[1] > 0.015 else "flat", 0.99)
    assert (found.queries, found.hits, found.wrong) == (4, 2, 1)
    assert (found.hit_share, found.wrong_share) == (0.5, 0.5)
    assert wrong_first_hits([], lambda _query: "", 0.9).wrong_share is None
    assert wrong_first_hits(queries[:1], lambda _query: "", 0.9).wrong_share is None


@pytest.mark.parametrize("threshold", [0.9, 0.99])
def test_measure_is_what_the_cache_does(threshold: float) -> None:
    dice = np.random.default_rng(3)
    queries = [unit(*dice.normal(size=3)) for _ in range(200)]
    found = wrong_first_hits(queries, lambda query: str(int(query.argmax())), threshold)
    kept: list[np.ndarray] = []
    hits = 0
    for query in queries:
        if kept and max(float(one @ query) for one in kept) >= threshold:
            hits += 1
        else:
            kept.append(query)
    assert found.hits == hits
