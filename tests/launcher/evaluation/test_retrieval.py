"""Measures by hand, and the best documents over batches against a sort of all."""

from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from launcher.evaluation.retrieval import TopRows, best_of_documents, ndcg, ranking, recall


def test_ndcg_by_hand() -> None:
    relevant = {"a": 3, "b": 2, "c": 0}
    assert ndcg(["a", "b", "x"], relevant, 10) == 1.0
    dcg, ideal = 2 + 3 / log2(4), 3 + 2 / log2(3)
    assert ndcg(["b", "c", "a"], relevant, 10) == pytest.approx(dcg / ideal)
    assert ndcg(["b", "c", "a"], relevant, 2) == pytest.approx(2 / ideal)
    assert ndcg(["x"], relevant, 10) == 0.0
    assert ndcg(["a"], {"a": 0}, 10) == 0.0


def test_recall_by_hand() -> None:
    relevant = {"a": 1, "b": 2, "c": 0}
    assert recall(["a", "c", "b"], relevant, 2) == 0.5
    assert recall(["a", "c", "b"], relevant, 3) == 1.0
    assert recall([], relevant, 3) == 0.0


@given(
    st.lists(st.lists(st.integers(-3, 3), min_size=4, max_size=4), min_size=1, max_size=40),
    st.integers(1, 12),
    st.integers(1, 9),
)
def test_best_rows_over_batches_are_those_of_a_stable_sort(rows: list[list[int]], k: int, size: int) -> None:
    scores = np.array(rows, np.float32).T  # [4 queries, rows], with many ties
    numbers: NDArray[np.int64] = np.arange(scores.shape[1], dtype=np.int64)
    top = TopRows(4, k)
    for start in range(0, scores.shape[1], size):
        part = slice(start, start + size)
        top.add(scores[:, part], numbers[part], scores[:, part] * 2)
    for query in range(4):
        expected = np.argsort(-scores[query], kind="stable")[:k]
        assert top.documents[query].tolist() == expected.tolist()
        assert top.second[query].tolist() == (scores[query][expected] * 2).tolist()


def test_document_has_the_score_of_its_best_chunk() -> None:
    scores = np.array([[1, 5, 2, 7, 0]], np.float32)
    found, documents = best_of_documents(scores, np.array([0, 0, 1, 2, 2]))
    assert (found.tolist(), documents.tolist()) == ([[5, 2, 7]], [0, 1, 2])


def test_ranking_names_each_document_once_and_ties_in_the_order_of_the_corpus() -> None:
    documents, scores = np.array([7, 3, 7, 5]), np.array([1, 2, 2, 2], np.float32)
    assert ranking(documents, scores, 10) == [3, 5, 7]
    assert ranking(documents, scores, 2) == [3, 5]
