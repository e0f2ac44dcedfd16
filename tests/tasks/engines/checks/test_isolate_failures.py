"""Poison pieces are isolated by bisection; a broken engine is not blamed on pieces."""

from collections.abc import Sequence

import numpy as np
import pytest

from tasks.engines.base import Vectors
from tasks.engines.checks.engine_check import EngineBroken
from tasks.engines.checks.isolate_failures import encode_isolating_failures
from tasks.engines.hash_engine import HashEncoder

PIECES = [[n, n + 1, n + 2] for n in range(10, 110)]


class Allergic(HashEncoder):
    """Raises, or gives NaN, on some first tokens; takes at most so many pieces at once; breaks for good on one."""

    def __init__(
        self,
        *,
        raises: Sequence[int] = (),
        nan: Sequence[int] = (),
        most: int = 1_000,
        breaks: int | None = None,
    ) -> None:
        super().__init__()
        self.raises, self.nan, self.most, self.breaks = set(raises), set(nan), most, breaks
        self.broken = False
        self.calls = 0

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        self.calls += 1
        firsts = [piece[0] for piece in ids]
        self.broken = self.broken or self.breaks in firsts
        if self.broken:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        if len(ids) > self.most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
        if self.raises & set(firsts):
            raise ValueError("index out of range\nin self")
        out = super().encode(ids)
        out[[n for n, first in enumerate(firsts) if first in self.nan]] = np.nan
        return out


def whole(encoder: HashEncoder) -> Vectors:
    return HashEncoder.encode(encoder, PIECES)


def test_a_healthy_batch_costs_one_call() -> None:
    engine = Allergic()
    vectors, faults = encode_isolating_failures(engine, PIECES)
    assert (engine.calls, faults) == (1, {})
    assert np.array_equal(vectors, HashEncoder().encode(PIECES))


def test_a_poison_piece_is_found_and_the_others_have_vectors() -> None:
    vectors, faults = encode_isolating_failures(Allergic(raises=[42]), PIECES)
    assert faults == {32: "the engine failed on it: ValueError: index out of range"}
    expected = HashEncoder().encode(PIECES)
    assert np.isnan(vectors[32]).all()
    assert np.array_equal(np.delete(vectors, 32, 0), np.delete(expected, 32, 0))


def test_several_poison_pieces_are_all_found() -> None:
    assert sorted(encode_isolating_failures(Allergic(raises=[10, 42, 43, 109]), PIECES)[1]) == [0, 32, 33, 99]


def test_a_batch_that_is_only_too_large_is_embedded_in_parts() -> None:
    vectors, faults = encode_isolating_failures(Allergic(most=8), PIECES)
    assert faults == {}
    assert np.array_equal(vectors, HashEncoder().encode(PIECES))


def test_a_piece_without_a_finite_vector_is_retried_once_and_named() -> None:
    vectors, faults = encode_isolating_failures(Allergic(nan=[50]), PIECES)
    assert faults == {40: "the engine gave no finite vector"}
    assert np.isfinite(np.delete(vectors, 40, 0)).all()


def test_a_piece_that_spoils_its_whole_batch_is_found() -> None:
    class Spoils(Allergic):
        def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
            out = super().encode(ids)
            return out * np.nan if any(piece[0] == 77 for piece in ids) else out

    vectors, faults = encode_isolating_failures(Spoils(), PIECES)
    assert list(faults) == [67]
    assert np.isfinite(np.delete(vectors, 67, 0)).all()


def test_a_search_takes_few_calls() -> None:
    engine = Allergic(raises=[42])
    encode_isolating_failures(engine, PIECES)
    assert engine.calls < 20


def test_a_broken_engine_raises_its_error() -> None:
    with pytest.raises(EngineBroken, match="illegal memory access"):
        encode_isolating_failures(Allergic(breaks=42), PIECES)


def test_an_engine_without_finite_vectors_at_all_is_broken() -> None:
    class Hot(HashEncoder):
        def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
            return super().encode(ids) * np.nan

    with pytest.raises(EngineBroken, match="no finite vector for a plain word"):
        encode_isolating_failures(Hot(), PIECES)


def test_no_pieces_give_no_vectors() -> None:
    assert encode_isolating_failures(HashEncoder(), [])[1] == {}


def test_an_engine_that_fails_on_most_of_many_pieces_is_broken() -> None:
    """It embeds a plain word: a GPU may be sick for large batches only."""
    with pytest.raises(EngineBroken, match="failed on 60 of 100 texts"):
        encode_isolating_failures(Allergic(nan=range(10, 70)), PIECES)


def test_a_few_pieces_may_all_be_poison() -> None:
    assert len(encode_isolating_failures(Allergic(raises=range(10, 20)), PIECES[:10])[1]) == 10
