from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from demo.neighbours import best_documents, nearest

EAST, NORTH, NORTH_EAST = (1.0, 0.0), (0.0, 1.0), (0.6, 0.8)


def rows(*some: tuple[float, float]) -> NDArray[np.float32]:
    return np.array(some, np.float32)


def units(count: int, dimensions: int = 24, seed: int = 0) -> NDArray[np.float32]:
    some = np.random.default_rng(seed).standard_normal((count, dimensions))
    return (some / np.linalg.norm(some, axis=1, keepdims=True)).astype(np.float32)


def test_the_nearest_come_first_with_their_cosines() -> None:
    (hits,) = nearest(rows(EAST), rows(NORTH, NORTH_EAST, EAST), 2)
    assert [row for row, _ in hits] == [2, 1]
    assert [score for _, score in hits] == pytest.approx([1.0, 0.6])


def test_every_query_has_its_own_answer() -> None:
    vectors = units(500)
    assert [hits[0][0] for hits in nearest(vectors[[7, 411]], vectors, 3)] == [7, 411]


def test_equal_vectors_come_by_number() -> None:
    vectors = units(50)
    copies = np.concatenate([vectors] * 9)
    (hits,) = nearest(vectors[3:4], copies, 9, block=64)
    assert [row for row, _ in hits] == list(range(3, 450, 50))
    assert len({score for _, score in hits}) == 1


@given(count=st.integers(1, 60), k=st.integers(1, 70), block=st.integers(1, 70), seed=st.integers(0, 2**32))
def test_blocks_change_nothing(count: int, k: int, block: int, seed: int) -> None:
    vectors = units(count, seed=seed)
    queries = units(3, seed=seed + 1)
    found = nearest(queries, vectors, k, block)
    assert found == nearest(queries, vectors, k)
    exact = queries.astype(np.float64) @ vectors.astype(np.float64).T
    for hits, row in zip(found, exact, strict=True):
        assert [score for _, score in hits] == pytest.approx(sorted(row, reverse=True)[:k])
        assert all(left >= right for (_, left), (_, right) in pairwise(hits))


def test_vectors_may_be_float16() -> None:
    (hits,) = nearest(rows(NORTH), rows(EAST, NORTH_EAST, NORTH).astype(np.float16), 2)
    assert [row for row, _ in hits] == [2, 1]


def test_fewer_vectors_than_asked_for_are_all_returned() -> None:
    assert [len(hits) for hits in nearest(rows(EAST, NORTH), rows(NORTH), 5)] == [1, 1]
    assert nearest(rows(EAST), np.empty((0, 2), np.float32), 5) == [[]]


def test_a_document_counts_once_by_its_best_chunk() -> None:
    vectors = rows(NORTH_EAST, EAST, EAST, EAST, NORTH)
    (documents,) = best_documents(rows(EAST), vectors, ["a", "b", "b", "b", "c"], 2)
    assert [name for name, _ in documents] == ["b", "a"]
    assert [score for _, score in documents] == pytest.approx([1.0, 0.6])


def test_fewer_documents_than_asked_for_are_all_returned() -> None:
    assert best_documents(rows(EAST), rows(EAST, NORTH), ["a", "a"], 3) == [[("a", 1.0)]]


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 2\).*\(4, 24\)"):
        nearest(rows(EAST), units(4), 1)
    with pytest.raises(ValueError, match="asked for 0"):
        nearest(rows(EAST), rows(EAST), 0)
    with pytest.raises(ValueError, match="2 ids for 1 vectors"):
        best_documents(rows(EAST), rows(EAST), ["a", "b"], 1)
    with pytest.raises(ValueError, match="rows 0 to 1 is not finite"):
        nearest(rows(EAST), rows(EAST, (float("nan"), 0.0)), 1)
