"""Packed pieces get the states that each piece gets alone, whatever the architecture."""
# transformers is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import importlib
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from tasks.engines.packed.packed_attention import (
    KERNEL,
    KERNEL_MODULE,
    KERNEL_NEEDS,
    NAME,
    PRODUCTS_LONGEST,
    PRODUCTS_SCORES,
    Packing,
    Unsupported,
    attend,
    by_products,
    has_fast_products,
    has_kernel,
    takes,
)
from tasks.engines.packed.packed_mpnet import PackedMPNetEncoder
from tasks.engines.packed.packing import PackedTokens, pack

SHAPE: dict[str, Any] = {
    "vocab_size": 300, "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 96,
    "initializer_range": 0.2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
GROUPED = {"num_key_value_heads": 2, "head_dim": 16, "use_cache": False}
MODELS: dict[str, dict[str, Any]] = {
    "Bert": {},
    "Electra": {"embedding_size": 64},
    "DistilBert": {"dim": 64, "n_layers": 3, "n_heads": 4, "hidden_dim": 96},
    "ModernBert": {"local_attention": 16, "cls_token_id": 1, "sep_token_id": 2},
    "NomicBert": {},
    "Gte": {},
    "EuroBert": GROUPED,
    "Qwen2": GROUPED,
    "Qwen3": GROUPED,
    "Llama": GROUPED,
    "Mistral": GROUPED | {"sliding_window": 20},
}
LENGTHS = (5, 40, 1, 17, 100)
CLOSE = 1e-4  # of states, whose size is about 1


def model(name: str, more: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    settings = getattr(transformers, f"{name}Config")(**(SHAPE | more))
    return getattr(transformers, f"{name}Model")(settings).eval()


def pieces() -> list[list[int]]:
    draw = np.random.default_rng(1)
    return [draw.integers(3, 300, length).tolist() for length in LENGTHS]


def packing(packed: PackedTokens) -> Packing:
    starts, numbers, places = (
        torch.from_numpy(array) for array in (packed.starts, packed.pieces, packed.positions)
    )
    return Packing(starts, numbers, places, packed.longest, kernel=False)


def alone(transformer: Any, piece: list[int]) -> torch.Tensor:
    mask = torch.ones(1, len(piece), dtype=torch.long)
    return transformer(input_ids=torch.tensor([piece]), attention_mask=mask).last_hidden_state[0]


def together(transformer: Any, packed: PackedTokens, first: int = 0) -> torch.Tensor:
    rows = torch.from_numpy(packed.positions + first)
    if isinstance(getattr(transformer, "encoder", None), PackedMPNetEncoder):
        transformer.encoder.packing = packing(packed)
        return transformer(input_ids=torch.from_numpy(packed.ids)[None], position_ids=rows[None])[0][0]
    return transformer(
        input_ids=torch.from_numpy(packed.ids)[None], position_ids=rows[None], packing=packing(packed)
    ).last_hidden_state[0]


@pytest.mark.parametrize("name", MODELS)
@torch.inference_mode()
def test_packed_states_are_those_of_each_piece_alone(name: str) -> None:
    transformer = model(name, MODELS[name])
    expected = torch.cat([alone(transformer, piece) for piece in pieces()])
    transformer.set_attn_implementation(NAME)
    assert (together(transformer, pack(pieces())) - expected).abs().max() < CLOSE


@torch.inference_mode()
def test_packed_mpnet_has_the_bias_by_distance() -> None:
    transformer = model("MPNet", {"pad_token_id": 1})
    expected = torch.cat([alone(transformer, piece) for piece in pieces()])
    transformer.encoder = PackedMPNetEncoder(transformer.encoder)
    assert (together(transformer, pack(pieces()), first=2) - expected).abs().max() < CLOSE
    transformer.encoder.encoder.relative_attention_bias.weight.zero_()
    assert (together(transformer, pack(pieces()), first=2) - expected).abs().max() > CLOSE


@torch.inference_mode()
def test_a_bias_that_a_model_asks_for_is_refused() -> None:
    query = torch.zeros(1, 2, 3, 8)
    with pytest.raises(Unsupported, match="position_bias"):
        attend(
            torch.nn.Identity(),
            query,
            query,
            query,
            None,
            packing=packing(pack([[1, 2, 3]])),
            position_bias=query,
        )


def test_there_is_no_kernel_on_a_cpu() -> None:
    assert not has_kernel("cpu", torch.bfloat16, 64)


def test_the_kernel_of_this_torch_takes_what_it_is_given() -> None:
    """That of 2.10 has no scale and no window, and that of 2.11 no `enable_gqa`: packed then does without."""

    def of_torch_2_10(query: Any, *, is_causal: bool = False) -> None: ...

    def of_torch_2_11(query: Any, *, scale: Any = None, window_size: Any = (-1, -1)) -> None: ...

    assert takes(getattr(importlib.import_module(KERNEL_MODULE), KERNEL), KERNEL_NEEDS | {"enable_gqa"})
    assert takes(of_torch_2_11, KERNEL_NEEDS)
    assert not takes(of_torch_2_11, KERNEL_NEEDS | {"enable_gqa"})
    assert not takes(of_torch_2_10, KERNEL_NEEDS)


@pytest.mark.parametrize(("pieces_count", "longest"), [(1, 1), (7, 33), (3, 512), (60, 128)])
@pytest.mark.parametrize("masked", [False, True])
@torch.inference_mode()
def test_batched_products_are_attention(pieces_count: int, longest: int, *, masked: bool) -> None:
    """With few pieces at once, and with more than one product takes."""
    heads = 4
    assert (pieces_count * heads * longest**2 > PRODUCTS_SCORES) == (longest >= 128)
    query, key, value = torch.randn(3, pieces_count, heads, longest, 16)
    lengths = torch.randint(1, longest + 1, (pieces_count, 1))
    mask = (torch.arange(longest) < lengths)[:, None, None, :] if masked else None
    for scale in (None, 0.3):
        expected = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, scale=scale
        )
        assert (by_products(query, key, value, mask, scale) - expected).abs().max() < CLOSE


def test_batched_products_are_for_bfloat16_on_a_cpu() -> None:
    query = torch.zeros(1, 2, 3, 8, dtype=torch.bfloat16)
    assert has_fast_products(query, PRODUCTS_LONGEST)
    assert not has_fast_products(query, PRODUCTS_LONGEST + 1)
    assert not has_fast_products(query.float(), 3)
    assert not has_fast_products(query.to("meta"), 3)


def test_a_padded_piece_has_no_token_of_another() -> None:
    """Where one piece overflows, zero times its values would spoil its neighbour."""
    packed = packing(pack(pieces()))
    rows = packed.rows().view(packed.count, packed.longest)
    assert (packed.pieces[rows] == torch.arange(packed.count)[:, None]).all()
    assert [row[:length].tolist() for row, length in zip(rows, LENGTHS, strict=True)] == [
        list(range(first, first + length))
        for first, length in zip(packed.starts.tolist(), LENGTHS, strict=False)
    ]
