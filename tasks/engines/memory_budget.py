"""How many tokens an engine may take at once: what fits in the memory that the weights leave.

Pure. More tokens at once fill a GPU better until its matrices are large enough, some thousands; more than that only
takes memory. The figures are reasoned, not measured on a GPU.
"""

from collections.abc import Mapping
from typing import Any

ACTIVATION_SHARE = 0.1  # of the memory beside the weights for what a batch computes; the rest is the engine's and its cache's
MAX_TOKENS = 65_536  # tokens: beyond, nothing is gained
MIN_TOKENS = 2_048
TOKENS_PER_SHORT_TEXT = 32  # tokens of a short text: so many texts must fit beside each other to fill a batch
BYTES_PER_NUMBER = 2  # of a number: bfloat16 or float16


def weight_bytes(config: Mapping[str, Any]) -> int:
    """Bytes of a transformer's weights in half precision, from its config.json; 0 where that does not say."""
    hidden, layers = (int(config.get(key) or 0) for key in ("hidden_size", "num_hidden_layers"))
    inner = int(config.get("intermediate_size") or 4 * hidden)
    return BYTES_PER_NUMBER * (
        layers * (4 * hidden * hidden + 3 * hidden * inner) + int(config.get("vocab_size") or 0) * hidden
    )


def max_batch_tokens(config: Mapping[str, Any], free: int, longest: int) -> int:
    """A power of two of tokens (more only where the longest piece needs it) for `free` bytes before the weights.

    A layer holds for each token about ten vectors of the hidden size (states, queries, keys, values, norms) and three of
    the inner one (gate, up, their product).
    """
    hidden = int(config.get("hidden_size") or 1_024)
    inner = int(config.get("intermediate_size") or 4 * hidden)
    token = BYTES_PER_NUMBER * (10 * hidden + 3 * inner)
    fit = (
        max(1, int(ACTIVATION_SHARE * (free - weight_bytes(config)) / token))
        if free > weight_bytes(config)
        else 1
    )
    return max(longest, min(MAX_TOKENS, max(MIN_TOKENS, 2 ** (fit.bit_length() - 1))))


def max_batch_texts(tokens: int) -> int:
    """How many texts may be in such a batch."""
    return max(256, tokens // TOKENS_PER_SHORT_TEXT)
