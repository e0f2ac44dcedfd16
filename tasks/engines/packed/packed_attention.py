"""Attention over packed pieces, for any transformer whose layers ask transformers for their attention function.

Each token sees the tokens of its own piece. On a GPU with FlashAttention this is one kernel over the packed tokens
(`torch.nn.attention.varlen`); elsewhere queries, keys and values are padded for the time of the attention alone. On a CPU
in bfloat16 that is then two batched products and a softmax, which take half the time of torch's own attention.
"""
# transformers is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME = "embedfleet_packed"  # of the function, in the settings of a model
FLASH_CAPABILITY = 8  # FlashAttention's kernels in torch begin with Ampere
KERNEL, KERNEL_MODULE = "varlen_attn", "torch.nn.attention.varlen"
# What the kernel's function must take: that of torch 2.10 takes neither.
KERNEL_NEEDS = frozenset({"scale", "window_size"})
# Batched products on a CPU: beyond these, torch's own attention, and the next pieces, are faster.
PRODUCTS_LONGEST = 512  # tokens of a piece
PRODUCTS_SCORES = 2**21  # numbers of one softmax, 4 MB
MAX_HEAD = 256  # of FlashAttention, dimensions of a head
# What a model may ask of its attention that this one computes, or that changes nothing where it is not set.
IGNORED = frozenset(
    {"dropout", "position_ids", "position_embeddings", "output_attentions", "use_cache", "deterministic"}
)


class Unsupported(Exception):  # noqa: N818 - not a fault
    """The model wants something of its attention that is not computed here."""


@dataclass(frozen=True, slots=True)
class Packing:
    """Where the pieces of a batch are, on the device of the model."""

    starts: torch.Tensor  # int32 [pieces + 1]
    pieces: torch.Tensor  # int64 [tokens], the number of the piece
    positions: torch.Tensor  # int64 [tokens], in the piece
    longest: int
    kernel: bool  # by FlashAttention's kernel, else padded

    @property
    def count(self) -> int:
        return len(self.starts) - 1

    def padded(self, packed: torch.Tensor) -> torch.Tensor:
        """[tokens, ...] as [pieces, longest, ...], with zeros behind each piece."""
        out = packed.new_zeros(self.count, self.longest, *packed.shape[1:])
        out[self.pieces, self.positions] = packed
        return out

    def rows(self) -> torch.Tensor:
        """The token in each place of a padded batch [pieces * longest]; behind a piece its own last one, to be masked.

        Taking rows by this is many times faster on a CPU than writing them into zeros, and no piece meets another.
        """
        starts = self.starts.long()
        places = starts[:-1, None] + torch.arange(self.longest, device=starts.device)
        return torch.minimum(places, starts[1:, None] - 1).flatten()


def takes(function: Callable[..., Any], names: frozenset[str]) -> bool:
    """Whether a function has parameters of these names."""
    return names <= inspect.signature(function).parameters.keys()


@cache
def _kernel() -> Callable[..., Any] | None:
    """Torch's function for FlashAttention over packed pieces; None: this torch has none that takes what is needed."""
    try:
        found = getattr(importlib.import_module(KERNEL_MODULE), KERNEL)
    except ImportError:
        return None
    return found if takes(found, KERNEL_NEEDS) else None


@cache
def _grouped_by_name(kernel: Callable[..., Any]) -> bool:
    """Whether grouped heads must be asked for: torch 2.11 takes them as they are."""
    return takes(kernel, frozenset({"enable_gqa"}))


def has_kernel(device: torch.device | str, dtype: torch.dtype, head: int) -> bool:
    """Whether FlashAttention's kernel over packed pieces runs here."""
    return (
        torch.device(device).type == "cuda"
        and _kernel() is not None
        and torch.cuda.get_device_capability()[0] >= FLASH_CAPABILITY
        and dtype in (torch.bfloat16, torch.float16)
        and head <= MAX_HEAD
        and head % 8 == 0
    )


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    packing: Packing,
    scaling: float | None = None,
    is_causal: bool | None = None,
    sliding_window: int | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """The function that transformers calls: query, key and value are [1, heads, tokens, head].

    Raises:
        Unsupported: the model wants a mask, a bias or the like.
    """
    wanted = sorted(name for name, given in more.items() if name not in IGNORED and given is not None)
    if attention_mask is not None or wanted:
        raise Unsupported(", ".join(wanted) or "a mask of its own")
    # The same rule as in transformers' own functions: a module that does not say is causal.
    causal = bool(getattr(module, "is_causal", True)) if is_causal is None else is_causal
    run = _by_kernel if packing.kernel else _by_padding
    return run(query[0], key[0], value[0], packing, scaling, causal, sliding_window)[None], None


def _by_kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    packing: Packing,
    scaling: float | None,
    causal: bool,
    window: int | None,
) -> torch.Tensor:
    kernel = _kernel()
    assert kernel is not None
    # transformers counts the token itself into a window, the kernel counts those on each side.
    side = -1 if window is None else window - 1
    grouped = key.shape[0] != query.shape[0]
    found = kernel(
        *(_rows(each) for each in (query, key, value)),
        packing.starts,
        packing.starts,
        packing.longest,
        packing.longest,
        scale=scaling,
        window_size=(side, 0 if causal else side),
        **({"enable_gqa": grouped} if _grouped_by_name(kernel) else {}),
    )
    assert isinstance(found, torch.Tensor)
    return found


def _rows(heads: torch.Tensor) -> torch.Tensor:
    """[heads, tokens, head] as [tokens, heads, head], copied only where the numbers of a head do not lie together.

    The kernel takes any distance between tokens, so parts of a fused product are not copied.
    """
    rows = heads.transpose(0, 1)
    return rows if rows.stride(-1) == 1 else rows.contiguous()


def _by_padding(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    packing: Packing,
    scaling: float | None,
    causal: bool,
    window: int | None,
) -> torch.Tensor:
    rows = packing.rows()
    wide = [
        each.transpose(0, 1).index_select(0, rows).view(packing.count, packing.longest, *each.shape[::2])
        for each in (query, key, value)
    ]
    query, key, value = (each.transpose(1, 2) for each in wide)
    mask, grouped = _mask(packing, causal, window), key.shape[1] != query.shape[1]
    if has_fast_products(query, packing.longest) and not grouped:
        found = by_products(query, key, value, mask, scaling)
    else:
        found = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, scale=scaling, enable_gqa=grouped
        )
    padded = found.transpose(1, 2).flatten(0, 1)
    return padded.index_select(0, packing.pieces * packing.longest + packing.positions)


def has_fast_products(query: torch.Tensor, longest: int) -> bool:
    """Whether batched products are faster here than torch's own attention."""
    return query.device.type == "cpu" and query.dtype == torch.bfloat16 and longest <= PRODUCTS_LONGEST


def by_products(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float | None,
) -> torch.Tensor:
    """Attention [pieces, heads, longest, head] by batched products, of as many pieces at once as the cache holds.

    Rows behind the end of a piece may be NaN.
    """
    count, heads, longest, head = query.shape
    scale = head**-0.5 if scaling is None else scaling
    bias = None if mask is None else torch.zeros_like(mask, dtype=query.dtype).masked_fill_(~mask, -torch.inf)
    step = max(1, PRODUCTS_SCORES // (heads * longest**2))
    parts: list[torch.Tensor] = []
    for first in range(0, count, step):
        one, other, third = (each[first : first + step].flatten(0, 1) for each in (query, key, value))
        scores = (one @ other.transpose(1, 2)).view(-1, heads, longest, longest)
        scores = (
            scores.mul_(scale) if bias is None else torch.add(bias[first : first + step], scores, alpha=scale)
        )
        parts.append((scores.softmax(-1).flatten(0, 1) @ third).view(-1, heads, longest, head))
    return torch.cat(parts)


def _mask(packing: Packing, causal: bool, window: int | None) -> torch.Tensor | None:
    """Which tokens see which, [pieces, 1, longest, longest]; None where all do."""
    places = torch.arange(packing.longest, device=packing.starts.device)
    full = packing.count * packing.longest == len(packing.pieces)
    if full and not causal and (window is None or window >= packing.longest):
        return None
    mask = (places < packing.starts.diff()[:, None])[:, None, None, :]
    if causal:
        mask = mask & (places[:, None] >= places)
    if window is not None:
        mask = mask & ((places[:, None] - places).abs() < window)
    return mask


ALL_ATTENTION_FUNCTIONS.register(NAME, attend)
