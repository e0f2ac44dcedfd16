"""Packing keeps every token, and batches stay within the budget."""

from array import array
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.packed.packing import fill, pack

PIECES = st.lists(st.lists(st.integers(0, 30_000), min_size=1, max_size=40), min_size=1, max_size=30)


@given(PIECES)
def test_packed_pieces_can_be_taken_apart_again(pieces: list[list[int]]) -> None:
    packed = pack(pieces)
    ends = pairwise(packed.starts)
    assert [packed.ids[start:end].tolist() for start, end in ends] == pieces
    assert packed.positions.tolist() == [place for piece in pieces for place in range(len(piece))]
    assert packed.pieces.tolist() == [number for number, piece in enumerate(pieces) for _ in piece]
    assert packed.longest == max(map(len, pieces))


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 512))
def test_every_piece_is_in_one_batch_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = list(fill(lengths, budget))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or sum(lengths[index] for index in batch) <= budget


@given(st.lists(st.integers(1, 300), min_size=2, max_size=60), st.integers(1, 512))
def test_no_batch_ends_while_the_next_piece_fits(lengths: list[int], budget: int) -> None:
    batches = list(fill(lengths, budget))
    for batch, after in pairwise(batches):
        assert sum(lengths[index] for index in batch) + lengths[after[0]] > budget


def test_the_longest_piece_comes_first() -> None:
    assert next(fill([3, 9, 1], 9)) == [1]


def test_arrays_of_windows_are_packed_as_lists_are() -> None:
    pieces = [[101, 7, 102], [5], [9] * 40]
    lists, arrays = pack(pieces), pack([array("i", piece) for piece in pieces])
    for name in ("ids", "positions", "pieces", "starts"):
        one, other = getattr(lists, name), getattr(arrays, name)
        assert one.dtype == other.dtype
        assert one.tolist() == other.tolist()
