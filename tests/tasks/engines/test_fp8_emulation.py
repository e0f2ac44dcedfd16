"""Emulated fp8: the rounding of e4m3, one scale for what vLLM merges, one scale a token, and a loss that is real."""

# torch is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from typing import Any

import pytest
import torch
from torch import nn

from tasks.engines.fp8_emulation import Fp8Linear, emulate_fp8
from tasks.engines.load import load_encoder
from tasks.models.tokenizing.pieces import ChunkSpec, split_texts


def linear(weights: list[list[float]], bias: list[float] | None = None) -> nn.Linear:
    layer = nn.Linear(len(weights[0]), len(weights), bias=bias is not None)
    layer.weight = nn.Parameter(torch.tensor(weights), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(torch.tensor(bias), requires_grad=False)
    return layer


@torch.inference_mode()
def test_weights_have_three_bits_behind_the_leading_one() -> None:
    # The largest weight becomes 448; 17 / 448 of it is 17 steps of 1, and near 17 e4m3 has 16 and 18: to the even one.
    layer = Fp8Linear(linear([[448.0, 17.0, 19.0, 21.0]]), 448.0)
    assert layer.get_buffer("weight").tolist() == [[448.0, 16.0, 20.0, 20.0]]
    assert layer(torch.eye(4)).flatten().tolist() == pytest.approx([448.0, 16.0, 20.0, 20.0])


@torch.inference_mode()
def test_each_token_has_its_own_scale() -> None:
    layer = Fp8Linear(linear([[1.0, 1.0]]), 1.0)
    large, small = layer(torch.tensor([[1_000.0, 0.0], [0.01, 0.0]])).flatten().tolist()
    assert (large, small) == (pytest.approx(1_000.0), pytest.approx(0.01))


@torch.inference_mode()
def test_token_of_zeros_gives_the_bias() -> None:
    layer = Fp8Linear(linear([[1.0]], [0.5]), 1.0)
    assert layer(torch.zeros(2, 1)).tolist() == [[0.5], [0.5]]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = linear([[1.0]]), linear([[4.0]]), linear([[2.0]])
        self.dense = linear([[0.5]])
        self.pooler = nn.Sequential(linear([[1.0]]))


def test_queries_keys_and_values_share_a_scale_and_the_pooler_stays_as_it_is() -> None:
    model: Any = Attention()
    assert emulate_fp8(model) == 4
    assert {model.query.scale, model.key.scale, model.value.scale} == {4.0 / 448.0}
    assert model.dense.scale == 0.5 / 448.0
    assert type(model.pooler[0]) is nn.Linear


def test_model_without_linear_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="no linear layers"):
        emulate_fp8(nn.LayerNorm(3))


def test_vectors_of_minilm_lose_a_little_and_not_nothing(minilm: str) -> None:
    encoder: Any = load_encoder("torch", minilm, dtype="float32")
    texts = ["a", "Shards are leased, not owned.", "The price moves, and a preempted machine is replaced."]
    pieces = [one.ids[0] for one in split_texts(encoder.tokenizer, texts, ChunkSpec(64))]
    before = encoder.encode(pieces)
    assert emulate_fp8(encoder.model) == 6 * 6
    cosines = (before * encoder.encode(pieces)).sum(1)
    assert cosines.min() > 0.98
    assert cosines.max() < 0.9999
