"""Deduplication: duplicates cost nothing and get the same vector."""

from array import array
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.base import Vectors
from tasks.engines.batches.deduplicate import Deduplicator
from tasks.engines.batches.piece_hash import piece_hash
from tasks.engines.hash_engine import HashEncoder
from tasks.models.files import HASH_DIMENSIONS


class Engine:
    """Counts what it is given."""

    def __init__(self, faults: Sequence[int] = ()) -> None:
        self.encoder = HashEncoder()
        self.asked: list[list[int]] = []
        self.faults = set(faults)

    def __call__(self, pieces: Sequence[Sequence[int]]) -> tuple[Vectors, dict[int, str]]:
        self.asked += [list(piece) for piece in pieces]
        vectors = self.encoder.encode(pieces)
        faults = {n: "no" for n, piece in enumerate(pieces) if piece[0] in self.faults}
        vectors[list(faults)] = np.nan
        return vectors, faults


def test_a_duplicate_piece_is_embedded_once() -> None:
    engine = Engine()
    vectors, faults, spared = Deduplicator().encode([[1, 2], [3], [1, 2]], engine)
    assert engine.asked == [[1, 2], [3]]
    assert np.array_equal(vectors, HashEncoder().encode([[1, 2], [3], [1, 2]]))
    assert (faults, spared) == ({}, {2})


def test_a_piece_of_an_earlier_call_is_not_embedded_again() -> None:
    engine, repeats = Engine(), Deduplicator()
    repeats.encode([[1, 2], [3]], engine)
    vectors, _, spared = repeats.encode([[4], [3]], engine)
    assert engine.asked == [[1, 2], [3], [4]]
    assert np.array_equal(vectors, HashEncoder().encode([[4], [3]]))
    assert spared == {1}


def test_a_call_of_cached_pieces_does_not_use_the_engine() -> None:
    engine, repeats = Engine(), Deduplicator()
    repeats.encode([[1], [2]], engine)
    vectors, _, spared = repeats.encode([[2], [1]], engine)
    assert (len(engine.asked), spared) == (2, {0, 1})
    assert np.array_equal(vectors, HashEncoder().encode([[2], [1]]))


def test_a_fault_holds_for_duplicates_and_is_not_cached() -> None:
    engine, repeats = Engine(faults=[7]), Deduplicator()
    assert repeats.encode([[7], [1], [7]], engine)[1] == {0: "no", 2: "no"}
    repeats.encode([[7]], engine)
    assert engine.asked.count([7]) == 2


def test_the_cache_is_bounded_and_evicts_the_least_recently_used() -> None:
    engine, repeats = Engine(), Deduplicator(max_bytes=2 * 4 * HASH_DIMENSIONS)
    repeats.encode([[1], [2]], engine)
    repeats.encode([[1], [3]], engine)
    repeats.encode([[1], [2]], engine)
    assert engine.asked == [[1], [2], [3], [2]]


@given(
    st.lists(
        st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=2), min_size=1, max_size=9), max_size=9
    )
)
def test_deduplication_changes_no_vector_and_skips_every_recent_piece(
    calls: list[list[list[int]]],
) -> None:
    engine, repeats = Engine(), Deduplicator(max_bytes=3 * 4 * HASH_DIMENSIONS)
    for pieces in calls:
        before = len(engine.asked)
        vectors, faults, spared = repeats.encode([array("i", piece) for piece in pieces], engine)
        assert np.array_equal(vectors, HashEncoder().encode(pieces))
        assert faults == {}
        fresh = [tuple(piece) for piece in engine.asked[before:]]
        assert len(fresh) == len(set(fresh)) == len(pieces) - len(spared)


def test_a_vector_of_an_earlier_run_goes_before_the_engine() -> None:
    engine, earlier = Engine(), HashEncoder().encode([[9]])[0]
    vectors, faults, spared = Deduplicator().encode([[1, 2], [3], [3]], engine, {piece_hash([3]): earlier})
    assert engine.asked == [[1, 2]]
    assert np.array_equal(vectors[1], earlier)
    assert np.array_equal(vectors[2], earlier)
    assert (faults, spared) == ({}, {1, 2})


def test_where_earlier_runs_have_all_the_engine_is_not_asked() -> None:
    engine, earlier = Engine(), HashEncoder().encode([[9]])[0]
    vectors, _, spared = Deduplicator().encode([[3], [3]], engine, {piece_hash([3]): earlier})
    assert engine.asked == []
    assert np.array_equal(vectors, [earlier, earlier])
    assert spared == {0, 1}
