"""Batches: every piece once, within the budget, and almost no padding."""

from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.batches.batching import MAX_PADDING_SHARE, batches

lengths = st.lists(st.integers(0, 600), max_size=60)
budgets = st.integers(1, 2_000)


@given(lengths, budgets)
def test_every_piece_is_in_one_batch(mix: list[int], budget: int) -> None:
    assert sorted(index for batch in batches(mix, budget) for index in batch) == list(range(len(mix)))


@given(lengths, budgets)
def test_a_batch_is_within_the_budget_or_a_single_piece(mix: list[int], budget: int) -> None:
    for batch in batches(mix, budget):
        assert len(batch) == 1 or len(batch) * max(mix[i] for i in batch) <= budget


@given(lengths, budgets)
def test_pieces_come_longest_first(mix: list[int], budget: int) -> None:
    order = [mix[index] for batch in batches(mix, budget) for index in batch]
    assert order == sorted(mix, reverse=True)


@given(lengths, budgets)
def test_a_batch_ends_only_where_the_next_piece_would_not_fit_or_pads_too_much(
    mix: list[int], budget: int
) -> None:
    made = list(batches(mix, budget))
    for batch, after in pairwise(made):
        longest = max(mix[i] for i in batch)
        padding = sum(longest - mix[i] for i in [*batch, after[0]])
        assert (len(batch) + 1) * longest > budget or padding > budget * MAX_PADDING_SHARE


@given(lengths, budgets)
def test_the_same_lengths_give_the_same_batches(mix: list[int], budget: int) -> None:
    assert list(batches(mix, budget)) == list(batches(list(mix), budget))


def test_no_pieces_make_no_batch() -> None:
    assert list(batches([], 1_000)) == []


def test_almost_nothing_of_a_realistic_mix_is_padding() -> None:
    """Lognormal lengths cut at 256: in the order they come, 61 % would be padding."""
    random, mix = Random(7), list[int]()
    while sum(mix) < 131_072:  # a window of `tasks.worker.reading.windows`
        mix.append(min(256, max(3, round(random.lognormvariate(4, 1)))))
    padded = sum(len(batch) * max(mix[i] for i in batch) for batch in batches(mix, 2_048))
    assert 1 - sum(mix) / padded < 0.03


def test_a_small_shard_is_not_padded_either() -> None:
    """Few pieces of very different length: without the bound on padding 13 % of this would be."""
    random = Random(7)
    mix = [min(256, max(3, round(random.lognormvariate(4, 1)))) for _ in range(200)]
    padded = sum(len(batch) * max(mix[i] for i in batch) for batch in batches(mix, 2_048))
    assert 1 - sum(mix) / padded < 0.07
