"""Memory budget: tokens at once, by a model's shape and a GPU's memory."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.batches.memory_budget import (
    MAX_TOKENS,
    MIN_TOKENS,
    max_batch_texts,
    max_batch_tokens,
    weight_bytes,
)

GB = 10**9
QWEN_7B: dict[str, Any] = {
    "hidden_size": 3_584,
    "intermediate_size": 18_944,
    "num_hidden_layers": 28,
    "vocab_size": 151_646,
}
MINILM: dict[str, Any] = {
    "hidden_size": 384,
    "intermediate_size": 1_536,
    "num_hidden_layers": 6,
    "vocab_size": 30_522,
}


def test_weights_of_a_7b_model_are_about_15_gb() -> None:
    assert 14 * GB < weight_bytes(QWEN_7B) < 16 * GB


def test_weights_of_an_unknown_shape_are_0() -> None:
    assert weight_bytes({}) == 0


def test_a_small_model_gets_the_maximum_of_tokens() -> None:
    assert max_batch_tokens(MINILM, 21 * GB, 256) == MAX_TOKENS


def test_a_large_model_on_a_small_gpu_gets_few_tokens() -> None:
    assert max_batch_tokens(QWEN_7B, 21 * GB, 512) == MIN_TOKENS


def test_the_same_model_gets_more_tokens_on_a_larger_gpu() -> None:
    assert MIN_TOKENS < max_batch_tokens(QWEN_7B, 72 * GB, 512) < MAX_TOKENS


def test_the_longest_text_always_fits() -> None:
    assert max_batch_tokens(QWEN_7B, 21 * GB, 32_768) == 32_768


def test_weights_that_do_not_fit_are_left_to_the_engine() -> None:
    assert max_batch_tokens(QWEN_7B, 8 * GB, 512) == MIN_TOKENS


@pytest.mark.parametrize(("tokens", "texts"), [(2_048, 256), (65_536, 2_048)])
def test_a_batch_holds_enough_short_texts_to_fill_it(tokens: int, texts: int) -> None:
    assert max_batch_texts(tokens) == texts


@given(st.integers(0, 200 * GB), st.integers(0, 200 * GB), st.integers(1, 32_768))
def test_more_memory_never_means_fewer_tokens(one: int, other: int, longest: int) -> None:
    less, more = sorted((one, other))
    assert max_batch_tokens(QWEN_7B, less, longest) <= max_batch_tokens(QWEN_7B, more, longest)
