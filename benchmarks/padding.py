"""How much of what the engine computes is padding, on the demo's corpus cut as the demo cuts it."""

from collections.abc import Sequence
from typing import Any

from tasks.engines.batches.batching import batches
from tasks.engines.torch_engine import CPU_BATCH_TOKENS
from tasks.models.tokenizing.pieces import ChunkSpec, split_texts
from tasks.models.tokenizing.tokenizer import load_tokenizer


def measure(model: str, texts: Sequence[str], shards: int) -> dict[str, Any]:
    """Padded tokens beyond the real ones, of real ones: by shard, in one window, and in batches of 32 as they come."""
    lengths = [len(found.ids[0]) for found in split_texts(load_tokenizer(model), texts, ChunkSpec(256))]
    real = sum(lengths)
    size = -(-len(lengths) // shards)
    parts = [lengths[n : n + size] for n in range(0, len(lengths), size)]
    plain = sum(max(lengths[n : n + 32]) * len(lengths[n : n + 32]) for n in range(0, len(lengths), 32))
    return {
        "texts": len(texts),
        "tokens": real,
        "shards": len(parts),
        "waste_by_shard": sum(map(padded, parts)) / real - 1,
        "waste_in_one_window": padded(lengths) / real - 1,
        "waste_in_batches_of_32_as_they_come": plain / real - 1,
    }


def padded(lengths: Sequence[int]) -> int:
    """Tokens computed for these pieces, padding included."""
    return sum(lengths[batch[0]] * len(batch) for batch in batches(lengths, CPU_BATCH_TOKENS))
