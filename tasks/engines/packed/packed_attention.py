"""Attention over packed pieces, for any transformer whose layers ask transformers for their attention function.

Each token sees the tokens of its own piece. On a GPU with FlashAttention this is one kernel over the packed tokens
(`torch.nn.attention.varlen`); elsewhere queries, keys and values are padded for the time of the attention alone.
"""
# transformers is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from dataclasses import dataclass
from typing import Any

import torch
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME = "embedfleet_packed"  # of the function, in the settings of a model
FLASH_CAPABILITY = 8  # FlashAttention's kernels in torch begin with Ampere
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


def has_kernel(device: torch.device | str, dtype: torch.dtype, head: int) -> bool:
    """Whether FlashAttention's kernel over packed pieces runs here."""
    return (
        torch.device(device).type == "cuda"
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
    from torch.nn.attention.varlen import varlen_attn  # noqa: PLC0415 - torch 2.10 and newer

    # transformers counts the token itself into a window, the kernel counts those on each side.
    side = -1 if window is None else window - 1
    found = varlen_attn(
        query.transpose(0, 1).contiguous(),
        key.transpose(0, 1).contiguous(),
        value.transpose(0, 1).contiguous(),
        packing.starts,
        packing.starts,
        packing.longest,
        packing.longest,
        scale=scaling,
        window_size=(side, 0 if causal else side),
        enable_gqa=key.shape[0] != query.shape[0],
    )
    assert isinstance(found, torch.Tensor)
    return found


def _by_padding(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    packing: Packing,
    scaling: float | None,
    causal: bool,
    window: int | None,
) -> torch.Tensor:
    wide = [packing.padded(each.transpose(0, 1)).transpose(1, 2) for each in (query, key, value)]
    found = torch.nn.functional.scaled_dot_product_attention(
        *wide,
        attn_mask=_mask(packing, causal, window),
        scale=scaling,
        enable_gqa=key.shape[0] != query.shape[0],
    )
    return found.transpose(1, 2)[packing.pieces, packing.positions]


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
