"""Profiles: what was counted is exact, what was sampled has an interval, what was declared is taken as it is."""

from collections import Counter
from math import isclose, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.corpus.samples.profile import (
    Count,
    Profile,
    SampledBlock,
    Stratum,
    declared_profile,
    estimate_profile,
    length_mix,
    target_shard_tokens,
)


def block(units: float, tokens: int, *, documents: int = 1) -> SampledBlock:
    """`documents` of equal length, one piece each."""
    lengths = Counter({tokens // documents: documents}) if documents else Counter[int]()
    return SampledBlock(units, documents, tokens, bytes=tokens * 4, lengths=lengths)


def profile(*strata: Stratum) -> Profile:
    return estimate_profile(strata, files=1, stored_bytes=1)


def some_block(units: int, documents: int, each: int) -> SampledBlock:
    return block(units, documents * each, documents=documents)


def some_stratum(found: list[SampledBlock], unseen: int) -> Stratum:
    return Stratum(sum(b.units for b in found) + unseen, tuple(found))


blocks = st.builds(some_block, st.integers(1, 10**6), st.integers(0, 500), st.integers(1, 2_000))
sampled = st.builds(some_stratum, st.lists(blocks, min_size=1, max_size=8), st.integers(0, 10**7))


# --- counted


def test_complete_stratum_is_counted_exactly() -> None:
    whole = profile(Stratum(300, (block(100, 700), block(200, 1_100))))
    assert whole.tokens == Count(1_800, 1_800, 1_800)


def test_complete_strata_add_up() -> None:
    both = profile(Stratum(10, (block(10, 70),)), Stratum(5, (block(5, 30),)))
    assert both.tokens == Count(100, 100, 100)
    assert both.documents == Count(2, 2, 2)


def test_complete_stratum_adds_no_width_to_the_interval() -> None:
    half = Stratum(200, (block(50, 100), block(50, 120)))
    alone, beside = profile(half), profile(half, Stratum(10, (block(10, 1_000),)))
    assert isclose(beside.tokens.high - beside.tokens.low, alone.tokens.high - alone.tokens.low)
    assert beside.tokens.mid == alone.tokens.mid + 1_000


def test_empty_stratum_adds_nothing() -> None:
    assert profile(Stratum(0, ())).tokens == Count(0, 0, 0)


def test_every_figure_of_a_block_is_counted() -> None:
    full = SampledBlock(9, 2, 30, 5, 1, 120, 3, 40, Counter({10: 1, 20: 1}))
    found = profile(Stratum(9, (full,)))
    figures = (found.documents, found.chunks, found.tokens, found.tokens_cut, found.documents_cut)
    assert [c.mid for c in figures] == [2, 2, 30, 5, 1]
    assert (found.bytes.mid, found.bad_rows.mid, found.sampled) == (120, 3, 2)


# --- sampled


def test_sampled_third_of_a_stratum_is_scaled_by_three() -> None:
    found = profile(Stratum(300, (block(50, 1_000), block(50, 1_000))))
    assert found.tokens == Count(6_000, 6_000, 6_000)  # blocks that are alike leave no doubt


def test_interval_is_that_of_the_ratio_estimator() -> None:
    # ratio 3 a unit, residuals -20 and +20 about 60, variance (40/20)^2 * 2 * 800 * (1 - 20/40) = 3,200
    found = profile(Stratum(40, (block(10, 10), block(10, 50))))
    assert found.tokens.mid == 120
    assert isclose(found.tokens.high, 120 + 1.96 * 3_200**0.5)


def test_documents_that_are_a_file_each_are_counted_by_file() -> None:
    found = profile(Stratum(1_000, (block(10, 50), block(90, 90)), files=40))
    assert found.documents == found.chunks == Count(40, 40, 40)
    assert found.tokens.mid == 1_400  # by bytes
    aside = SampledBlock(50.0, bad=1)
    assert profile(Stratum(1_000, (block(50, 50), aside), files=40)).bad_rows.mid == 20


def test_interval_does_not_begin_below_what_was_counted() -> None:
    found = profile(Stratum(1_000, (block(10, 0, documents=0), block(10, 50))))
    assert found.tokens.low == 50


def test_one_block_gives_a_wide_interval() -> None:
    found = profile(Stratum(100, (block(10, 50),)))
    assert found.tokens.high >= 2.9 * found.tokens.mid


@given(st.lists(sampled, min_size=1, max_size=4))
def test_interval_contains_its_middle(strata: list[Stratum]) -> None:
    found = profile(*strata)
    for count in (found.documents, found.chunks, found.tokens, found.bytes, found.bad_rows):
        assert 0 <= count.low <= count.mid * (1 + 1e-9)
        assert count.mid <= count.high * (1 + 1e-9)


@given(st.lists(blocks, min_size=1, max_size=8), st.integers(2, 1_000))
def test_totals_scale_with_unsampled_units(found: list[SampledBlock], times: int) -> None:
    units = sum(b.units for b in found)
    counted, scaled = profile(Stratum(units, tuple(found))), profile(Stratum(units * times, tuple(found)))
    assert isclose(scaled.tokens.mid, counted.tokens.mid * times)
    assert isclose(scaled.documents.mid, counted.documents.mid * times)


@given(st.lists(blocks, min_size=1, max_size=8))
def test_fully_sampled_input_is_a_count(found: list[SampledBlock]) -> None:
    total = sum(b.tokens for b in found)
    assert profile(Stratum(sum(b.units for b in found), tuple(found))).tokens == Count(total, total, total)


@given(st.lists(sampled, min_size=1, max_size=4))
def test_shares_of_the_length_mix_add_up_to_one(strata: list[Stratum]) -> None:
    shares = [share for share, _ in profile(*strata).lengths]
    assert not shares or isclose(sum(shares), 1)


@given(st.dictionaries(st.integers(1, 10_000), st.integers(1, 1_000), min_size=1))
def test_length_mix_keeps_the_mean(lengths: dict[int, int]) -> None:
    mean = sum(t * n for t, n in lengths.items()) / sum(lengths.values())
    assert isclose(sum(share * tokens for share, tokens in length_mix(lengths)), mean)


def test_lengths_are_binned_by_their_upper_edge() -> None:
    assert length_mix({8: 1, 9: 1, 16: 2}) == ((0.25, 8.0), (0.75, 41 / 3))


def test_no_chunks_have_an_empty_length_mix() -> None:
    assert length_mix({}) == ()


# --- declared


def test_declared_corpus_is_taken_unchanged() -> None:
    found = declared_profile(29_500_000, [(1.0, 102)], None, None)
    assert found.documents.mid == found.chunks.mid == 29_500_000
    assert found.tokens == Count(3_009_000_000, 3_009_000_000, 3_009_000_000)
    assert found.lengths == ((1.0, 102.0),)


def test_declared_corpus_is_truncated_to_the_longest_chunk() -> None:
    found = declared_profile(1_000, [(0.75, 100), (0.25, 900)], 512, None)
    assert found.tokens.mid == 750 * 100 + 250 * 512
    assert found.tokens_cut.mid == 250 * 388
    assert found.documents_cut.mid == 250
    assert found.chunks.mid == 1_000


def test_declared_corpus_is_cut_into_overlapping_chunks() -> None:
    # 1,000 tokens at 512 with 50 shared: 512, then 462 new ones, then the last 26: 3 chunks, 2 * 50 read twice
    found = declared_profile(10, [(1.0, 1_000)], 512, 462)
    assert found.chunks.mid == 30
    assert found.tokens.mid == 11_000
    assert found.tokens_cut.mid == 0
    assert found.lengths == ((1.0, 1_100 / 3),)


def test_declared_text_that_fits_is_one_chunk() -> None:
    assert declared_profile(10, [(1.0, 512)], 512, 462).chunks.mid == 10


def test_declared_mix_counts_chunks_not_documents() -> None:
    found = declared_profile(100, [(0.5, 100), (0.5, 300)], 100, 100)  # one chunk, and three
    assert found.chunks.mid == 200
    assert found.lengths == ((0.25, 100.0), (0.75, 100.0))


def test_bytes_of_a_declared_corpus_are_uncertain() -> None:
    found = declared_profile(10, [(1.0, 100)], None, None)
    assert found.bytes.low < found.bytes.mid == 4_000 < found.bytes.high


@given(
    st.integers(1, 10**8),
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 50_000)), min_size=1, max_size=5),
    st.integers(16, 8_192),
    st.none() | st.floats(0.1, 1),
)
def test_declared_mix_adds_up_and_no_chunk_is_too_long(
    documents: int, weights: list[tuple[int, int]], limit: int, new: float | None
) -> None:
    total = sum(weight for weight, _ in weights)
    step = None if new is None else max(1, int(limit * new))
    found = declared_profile(documents, [(w / total, float(t)) for w, t in weights], limit, step)
    assert isclose(sum(share for share, _ in found.lengths), 1)
    assert all(tokens <= limit * (1 + 1e-9) for _, tokens in found.lengths)
    assert isclose(found.tokens.mid, found.chunks.mid * sum(s * t for s, t in found.lengths), rel_tol=1e-6)


# --- the size of shards


@pytest.mark.parametrize(
    ("tokens", "size"),
    [(0, 2**14), (10**6, 2**14), (3 * 10**7, 2**17), (10**9, 2**20), (10**13, 2**20)],
)
def test_shards_are_small_for_small_corpora_and_never_larger_than_a_million(tokens: float, size: int) -> None:
    assert target_shard_tokens(tokens) == size


@given(st.floats(0, 1e15))
def test_shard_tokens_are_a_power_of_two_in_range(tokens: float) -> None:
    size = target_shard_tokens(tokens)
    assert 2**14 <= size <= 2**20
    assert log2(size).is_integer()


@given(st.floats(0, 1e12), st.floats(1, 100))
def test_larger_corpus_never_has_smaller_shards(tokens: float, times: float) -> None:
    assert target_shard_tokens(tokens) <= target_shard_tokens(tokens * times)
