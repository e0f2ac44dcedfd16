"""Pieces by which two engines are compared when a model is loaded, and how alike their vectors must be."""

import numpy as np
import torch

PROBE_LENGTHS = (1, 2, 3, 7, 20, 61, 150, 310)  # beyond the windows of ModernBERT (128) and the like
# Least cosine of a probe with the other engine's vector: two orders of summing differ by less in these types, another
# attention by far more.
MIN_COSINE = {torch.float32: 0.99999, torch.float16: 0.998, torch.bfloat16: 0.995}


def probe_pieces(vocabulary: int, positions: int | None) -> list[list[int]]:
    """Pieces of several lengths, of tokens that differ; none has more than `positions` tokens."""
    longest = positions or max(PROBE_LENGTHS)
    draw = np.random.default_rng(0)
    lengths = sorted({min(length, longest) for length in PROBE_LENGTHS})
    return [draw.integers(0, vocabulary, length).tolist() for length in lengths]
