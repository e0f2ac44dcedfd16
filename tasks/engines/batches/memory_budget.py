"""Memory budget: how many tokens an engine may take at once, by the memory that the weights leave.

Pure. More tokens at once use a GPU better until its matrices are large enough, at some thousands; more than that only
takes memory. The figures are reasoned, not measured on a GPU.
"""

from collections.abc import Mapping
from typing import Any

# Share of the memory without the weights for the activations of a batch; the rest is for the engine and its cache.
ACTIVATION_SHARE = 0.1
MAX_TOKENS = 65_536  # more gains nothing
MIN_TOKENS = 2_048
TOKENS_PER_SHORT_TEXT = 32  # a batch of short texts must be able to hold as many of them as fill it
BYTES_PER_NUMBER = 2  # bfloat16 or float16


def weight_bytes(config: Mapping[str, Any]) -> int:
    """Bytes of a transformer's weights in half precision, by its config.json; 0 when that does not say."""
    hidden, layers = (int(config.get(key) or 0) for key in ("hidden_size", "num_hidden_layers"))
    inner = int(config.get("intermediate_size") or 4 * hidden)
    return BYTES_PER_NUMBER * (
        layers * (4 * hidden * hidden + 3 * hidden * inner) + int(config.get("vocab_size") or 0) * hidden
    )


def max_batch_tokens(config: Mapping[str, Any], free: int, longest: int) -> int:
    """Tokens of a batch for `free` bytes before the weights: a power of two, or `longest` if that is more.

    For each token a layer holds about ten vectors of the hidden size (states, queries, keys, values, norms) and three
    of the inner size (gate, up, their product).
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
    """How many texts a batch of so many tokens may hold."""
    return max(256, tokens // TOKENS_PER_SHORT_TEXT)
