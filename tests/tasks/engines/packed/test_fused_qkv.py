"""A fused product of query, key and value changes no states, and leaves the weights in memory once."""
# torch is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import weakref

import pytest
import torch

from tasks.engines.packed.fused_qkv import FusedLinear, LinearPart, fuse_qkv
from tasks.engines.packed.packed_attention import NAME
from tasks.engines.packed.packed_mpnet import PackedMPNetEncoder
from tasks.engines.packed.packing import pack
from tests.tasks.engines.packed.test_packed_attention import CLOSE, MODELS, model, pieces, together

FUSED_ALREADY = "ModernBert"


def bytes_of(module: torch.nn.Module) -> int:
    return sum(weight.nbytes for weight in module.parameters())


@pytest.mark.parametrize("name", MODELS)
@torch.inference_mode()
def test_states_stay_what_they_were(name: str) -> None:
    transformer = model(name, MODELS[name])
    transformer.set_attn_implementation(NAME)
    expected, size = together(transformer, pack(pieces())), bytes_of(transformer)
    assert fuse_qkv(transformer) == (0 if name == FUSED_ALREADY else 3)
    assert (together(transformer, pack(pieces())) - expected).abs().max() < CLOSE
    assert bytes_of(transformer) == size


@torch.inference_mode()
def test_mpnet_is_fused_too() -> None:
    transformer = model("MPNet", {"pad_token_id": 1})
    transformer.encoder = PackedMPNetEncoder(transformer.encoder)
    expected = together(transformer, pack(pieces()), first=2)
    assert fuse_qkv(transformer) == 3
    assert (together(transformer, pack(pieces()), first=2) - expected).abs().max() < CLOSE


@torch.inference_mode()
def test_other_states_get_their_own_product() -> None:
    layers = [torch.nn.Linear(8, size) for size in (8, 4, 4)]
    fused = FusedLinear(layers)
    parts = [LinearPart(fused, place) for place in range(3)]
    one, other = torch.randn(2, 5, 8)
    order = [(0, one), (1, other), (2, other), (0, other), (0, other), (2, one), (1, one), (0, one)]
    for place, states in order:
        assert torch.allclose(parts[place](states), layers[place](states), atol=1e-6)


@torch.inference_mode()
def test_nothing_is_kept_when_all_results_are_taken() -> None:
    fused = FusedLinear([torch.nn.Linear(8, 8) for _ in range(3)])
    states = torch.ones(2, 8)
    seen = weakref.ref(states)
    for place in range(3):
        fused.part(states, place)
    del states
    assert seen() is None


def test_layers_that_do_not_fit_together_stay() -> None:
    class Attention(torch.nn.Module):
        def __init__(self, width: int, *, bias: bool) -> None:
            super().__init__()
            self.query, self.key = torch.nn.Linear(8, 8), torch.nn.Linear(width, 8)
            self.value = torch.nn.Linear(8, 8, bias=bias)

    assert fuse_qkv(torch.nn.ModuleList([Attention(4, bias=True), Attention(8, bias=False)])) == 0
