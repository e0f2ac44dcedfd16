"""The nearest rows of a matrix: the same rows and the same scores whatever library proposes them."""

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from launcher.vectors.exact_search import LIBRARIES, MARGIN, Library, installed_library, nearest_rows

Floats = NDArray[np.float32]


def installed(name: str) -> bool:
    return find_spec(name) is not None


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Library:
    """A library, where it is installed."""
    if not installed(request.param):
        pytest.skip(f"{request.param} is not installed: pip install 'embedfleet[search]'")
    return request.param


def vectors(rows: int, dimensions: int, seed: int) -> Floats:
    return np.random.default_rng(seed).standard_normal((rows, dimensions)).astype(np.float32)


def truth(matrix: Floats, query: Floats, k: int) -> list[int]:
    """The rows by a cosine in float64 and a stable sort, in a loop."""

    def cosine(row: Floats) -> float:
        wide, asked = row.astype(np.float64), query.astype(np.float64)
        length = np.sqrt((wide * wide).sum()) * np.sqrt((asked * asked).sum())
        return float((wide * asked).sum() / length) if length else 0.0

    return sorted(range(len(matrix)), key=lambda n: -round(cosine(matrix[n]), 12))[:k]


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 320), st.integers(0, 2**32 - 1))
def test_the_rows_are_those_of_a_full_sort(rows: int, dimensions: int, k: int, seed: int) -> None:
    matrix, query = vectors(rows, dimensions, seed), vectors(1, dimensions, seed + 1)[0]
    names: list[Library] = [one for one in LIBRARIES if installed(one)]
    for name in names:
        found, scores = nearest_rows(matrix, query, k, name)
        assert found.tolist() == truth(matrix, query, k), name
        assert scores.tolist() == sorted(scores, reverse=True)


def test_equal_vectors_come_in_the_order_of_their_rows(library: Library) -> None:
    matrix = np.tile(vectors(1, 24, 3), (1_000, 1))
    matrix[::2] *= 3  # of another length: the same cosine, but for rounding
    found, scores = nearest_rows(matrix, vectors(1, 24, 4)[0], 5, library)
    assert set(found.tolist()) <= set(range(1_000))
    assert np.ptp(scores) < 1e-7
    same, _ = nearest_rows(np.tile(matrix[:1], (1_000, 1)), vectors(1, 24, 4)[0], 5, library)
    assert same.tolist() == [0, 1, 2, 3, 4]


def test_near_ties_beyond_what_a_library_proposes_are_all_seen(library: Library) -> None:
    matrix = np.tile(vectors(1, 16, 5), (2_000, 1))
    query = matrix[0].copy()
    matrix[1_999] += 1e-4  # hardly farther away than all others
    matrix[7] = -matrix[7]
    found, scores = nearest_rows(matrix, query, 3, library)
    assert found.tolist() == [0, 1, 2]
    assert scores[0] == pytest.approx(1)


def test_a_vector_of_zeros_has_the_cosine_0(library: Library) -> None:
    matrix = vectors(200, 8, 6)
    matrix[3] = 0
    found, scores = nearest_rows(matrix, matrix[0], 200, library)
    assert scores[found.tolist().index(3)] == 0
    assert nearest_rows(matrix, matrix[0], 1, library)[0].tolist() == [0]


def test_margin_is_above_the_rounding_of_many_dimensions_of_one_sign(library: Library) -> None:
    matrix = np.abs(vectors(300, 8_192, 7))
    query = np.abs(vectors(1, 8_192, 8)[0])
    found, scores = nearest_rows(matrix, query, 10, library)
    assert found.tolist() == truth(matrix, query, 10)
    units = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    rounded = units @ (query / np.linalg.norm(query))
    assert np.abs(rounded[found] - scores).max() < MARGIN / 10


def test_what_is_installed_is_taken_in_the_order_of_the_list() -> None:
    assert installed_library() == next(name for name in LIBRARIES if installed(name))
