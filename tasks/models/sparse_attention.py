"""Attention whose form depends on the texts before: what a vector then depends on beside its own text. Pure.

BigBird reads texts of up to (5 + 2 * random blocks) blocks with full attention and longer ones in blocks. The first short
text switches the model over in transformers, and it reads long ones with full attention, too, from then on.
"""

from collections.abc import Mapping
from typing import Any

from tasks.models.description import Finding

TYPES = ("big_bird", "bigbird_pegasus")
BLOCK_SIZE, RANDOM_BLOCKS = 64, 3  # where config.json does not say


def sparse_attention_findings(config: Mapping[str, Any], limit: int | None) -> list[Finding]:
    """Why texts of at most `limit` tokens have no vector of their own; [] where they do."""
    if (
        config.get("model_type") not in TYPES
        or config.get("attention_type", "block_sparse") != "block_sparse"
    ):
        return []
    block, random = (
        value if type(value := config.get(key, default)) is int else default
        for key, default in (("block_size", BLOCK_SIZE), ("num_random_blocks", RANDOM_BLOCKS))
    )
    full = (5 + 2 * random) * block  # 2 blocks seen by all, 3 that slide, random ones, and as many in reserve
    if limit is not None and limit <= full:
        return []
    return [
        Finding(
            f"it reads texts of more than {full:,} tokens in blocks until a shorter one comes, and whole from then on "
            "(attention_type block_sparse in config.json), so a vector would depend on the texts before it",
            "write `attention_type: original_full` into config.json, or max_seq_length with at most "
            f"{full} into sentence_bert_config.json, and name that folder",
        )
    ]
