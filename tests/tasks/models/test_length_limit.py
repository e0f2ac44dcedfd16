"""The longest text: what sentence-transformers would take, and never more than a table of positions has."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.models.length_limit import length_limit

BERT: dict[str, Any] = {"model_type": "bert", "max_position_embeddings": 512}
ROBERTA: dict[str, Any] = {"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}
QWEN3: dict[str, Any] = {"model_type": "qwen3", "max_position_embeddings": 32_768}
NAME = "sentence_bert_config.json"


def tokens(
    config: dict[str, Any], card: object = None, tokenizer: object = None, arguments: object = None
) -> int | None:
    """The limit by `max_seq_length` of the card, and `model_max_length` of the other two."""
    return length_limit(
        config,
        {"max_seq_length": card},
        {"model_max_length": tokenizer},
        {"model_max_length": arguments},
        NAME,
    ).tokens


@pytest.mark.parametrize(
    ("config", "card", "tokenizer", "arguments", "limit"),
    [
        (BERT, 256, 512, None, 256),
        (BERT, None, 512, None, 512),
        (BERT | {"max_position_embeddings": 64}, None, 512, None, 64),
        (BERT | {"max_position_embeddings": 64}, 256, 512, None, 64),
        (BERT, None, 10**30, None, 512),
        (BERT, 256, 512, 32, 32),
        (BERT, 256, 100, None, 256),  # sentence-transformers sets the tokenizer's to 256
        (ROBERTA, None, None, None, 512),
        (ROBERTA, 514, 514, None, 512),
        (ROBERTA | {"pad_token_id": 0}, None, None, None, 513),
        ({"model_type": "mpnet", "max_position_embeddings": 514, "pad_token_id": 0}, None, None, None, 512),
        (QWEN3, None, 131_072, None, 32_768),  # Qwen3-Embedding
        (QWEN3 | {"model_type": "nomic_bert", "max_position_embeddings": 2_048}, 8_192, 8_192, None, 8_192),
        ({"model_type": "gpt2", "n_positions": 256}, None, None, None, 256),
        ({"model_type": "t5", "n_positions": 512}, None, 900, None, 900),
        ({"model_type": "bert"}, None, None, None, 512),  # as transformers takes it
        (
            {"model_type": "deberta-v2", "position_biased_input": False, "max_position_embeddings": 64},
            96,
            512,
            None,
            96,
        ),
        (
            {"model_type": "deberta-v2", "position_biased_input": True, "max_position_embeddings": 64},
            96,
            512,
            None,
            64,
        ),
        ({"model_type": "unheard-of", "max_position_embeddings": 64}, 96, 512, None, 64),
        ({"model_type": "unheard-of", "max_position_embeddings": 64, "rope_theta": 1e4}, 96, 512, None, 96),
        ({"model_type": "xlnet", "max_position_embeddings": -1}, None, 512, None, 512),
        ({"model_type": "llama"}, None, None, None, None),
        (BERT, "256", True, None, 512),
    ],
)
def test_limits(
    config: dict[str, Any], card: object, tokenizer: object, arguments: object, limit: int | None
) -> None:
    assert tokens(config, card, tokenizer, arguments) == limit


LIMITS = st.none() | st.integers(1, 2_000)


@given(LIMITS, LIMITS, LIMITS, st.integers(3, 1_000), st.sampled_from([BERT, ROBERTA]))
def test_no_text_is_longer_than_a_table_of_positions(
    card: int | None, tokenizer: int | None, arguments: int | None, positions: int, base: dict[str, Any]
) -> None:
    config = base | {"max_position_embeddings": positions}
    reserved = 2 if base is ROBERTA else 0
    found = tokens(config, card, tokenizer, arguments)
    assert found is not None
    assert 0 < found <= positions - reserved


def test_where_sentence_transformers_would_fail_its_own_limit_is_told() -> None:
    found = length_limit(ROBERTA, {}, {}, {}, NAME)
    assert (found.tokens, found.reference_tokens) == (512, 514)
