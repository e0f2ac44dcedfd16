"""Positions that depend on other texts: known from config.json, in the layouts of both versions of transformers."""

from typing import Any

import pytest

from tasks.models.position_scaling import is_scaled_by_longest, scaling_findings

LONGROPE: list[dict[str, Any]] = [
    {"rope_parameters": {"rope_type": "longrope", "original_max_position_embeddings": 4_096}},
    {"rope_scaling": {"type": "longrope"}, "original_max_position_embeddings": 4_096},
    {"rope_scaling": {"type": "su", "original_max_position_embeddings": 4_096}},
    {"rope_parameters": {"full_attention": {"rope_type": "longrope"}}, "max_position_embeddings": 4_096},
]
DYNAMIC: dict[str, Any] = {
    "rope_parameters": {"rope_type": "dynamic", "factor": 2.0},
    "max_position_embeddings": 2_048,
}


@pytest.mark.parametrize("config", LONGROPE)
def test_longrope_matters_where_a_text_may_be_longer_than_in_training(config: dict[str, Any]) -> None:
    assert is_scaled_by_longest(config, 8_192)
    assert is_scaled_by_longest(config, None)
    assert not is_scaled_by_longest(config, 4_096)
    assert scaling_findings(config, 8_192) == []


def test_dynamic_is_refused_where_a_text_may_be_longer_than_in_training() -> None:
    (finding,) = scaling_findings(DYNAMIC, 4_096)
    assert "the longest text so far" in finding.what
    assert scaling_findings(DYNAMIC, 2_048) == []


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"rope_scaling": None},
        {"rope_scaling": {"type": "linear", "factor": 2.0}, "max_position_embeddings": 10},
        {"rope_parameters": {"rope_type": "yarn", "original_max_position_embeddings": 10}},
        {"rope_parameters": {"rope_type": "llama3", "original_max_position_embeddings": 10}},
    ],
)
def test_scales_that_are_always_the_same_are_none_of_these(config: dict[str, Any]) -> None:
    assert not is_scaled_by_longest(config, 100_000)
    assert scaling_findings(config, 100_000) == []
