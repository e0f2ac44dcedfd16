"""Pooling: one vector of the states of a text's tokens, as sentence-transformers' `Pooling` computes it.

Texts begin at column 0 of the batch and padding follows. Computes in float32, whatever the model computes in.
"""

import torch

from tasks.models.description import Pooling, PoolingMode


def pool(states: torch.Tensor, lengths: torch.Tensor, pooling: Pooling, prompt_tokens: int) -> torch.Tensor:
    """Vectors [texts, modes * width] of states [texts, tokens, width]; `lengths` counts the tokens of each text.

    `prompt_tokens` is how many tokens before the text are the prompt's, special tokens included: they are left out where
    the model wants that. A text of which nothing is left then has no finite vector.
    """
    states = states.float()
    columns = torch.arange(states.shape[1], device=states.device)
    lengths = lengths.to(states.device)
    first = 0 if pooling.include_prompt else prompt_tokens
    mask = (columns < lengths[:, None]) & (columns >= first)
    pooled = [_pool_one(states, mask, first, lengths, mode) for mode in pooling.modes]
    vectors = torch.cat(pooled, dim=-1)
    return vectors.masked_fill(~mask.any(1, keepdim=True), float("nan"))


def _pool_one(
    states: torch.Tensor, mask: torch.Tensor, first: int, lengths: torch.Tensor, mode: PoolingMode
) -> torch.Tensor:
    rows = torch.arange(states.shape[0], device=states.device)
    if mode == "cls":
        return states[:, min(first, states.shape[1] - 1)]
    if mode == "lasttoken":
        return states[rows, lengths - 1]
    if mode == "max":
        return states.masked_fill(~mask[:, :, None], float("-inf")).amax(1)
    weights = mask.float()
    if mode == "weightedmean":  # by the place in the text, the prompt's tokens counted
        weights = weights * torch.arange(1, states.shape[1] + 1, device=states.device)
    # A padded state may be anything, also NaN, which a product with 0 would keep.
    total = (states.masked_fill(~mask[:, :, None], 0.0) * weights[:, :, None]).sum(1)
    count = weights.sum(1, keepdim=True)
    return total / (count.sqrt() if mode == "mean_sqrt_len_tokens" else count)
