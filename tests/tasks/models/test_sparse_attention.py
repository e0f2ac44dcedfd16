"""BigBird's attention depends on earlier texts where a text may be longer than full attention reaches."""

from typing import Any

import pytest

from tasks.models.sparse_attention import sparse_attention_findings

BIG_BIRD: dict[str, Any] = {"model_type": "big_bird"}


@pytest.mark.parametrize(
    ("config", "full"),
    [
        (BIG_BIRD, 704),
        (BIG_BIRD | {"attention_type": "block_sparse"}, 704),
        (BIG_BIRD | {"block_size": 16, "num_random_blocks": 2}, 144),
        (BIG_BIRD | {"block_size": "many"}, 704),
    ],
)
def test_texts_that_are_read_in_blocks_are_refused(config: dict[str, Any], full: int) -> None:
    assert sparse_attention_findings(config, full) == []
    for limit in (full + 1, 4_096, None):
        (finding,) = sparse_attention_findings(config, limit)
        assert f"more than {full} tokens" in finding.what
        assert "original_full" in finding.hint


@pytest.mark.parametrize(
    "config", [{}, BIG_BIRD | {"attention_type": "original_full"}, {"model_type": "bert"}]
)
def test_other_attention_is_not_refused(config: dict[str, Any]) -> None:
    assert sparse_attention_findings(config, 4_096) == []
