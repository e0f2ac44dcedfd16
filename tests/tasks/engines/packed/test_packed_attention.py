"""Packed pieces get the states that each piece gets alone, whatever the architecture."""
# transformers is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from typing import Any

import numpy as np
import pytest
import torch
import transformers

from tasks.engines.packed.packed_attention import NAME, Packing, Unsupported, attend, has_kernel
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
