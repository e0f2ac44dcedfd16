"""Fuse the query, key and value of each attention layer: one matrix product instead of three.

The attention layers of transformers call their three linear layers one after another with the same states. Each is
replaced by a part of one fused layer, which computes all three at the first call and hands out the others when they are
asked for. States that are not the same tensor get a product of their own, so the results are always those of the
layers as they were, whatever a model does with them.
"""
# torch is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Sequence

import torch
from torch.nn.functional import linear

# What families call the three: BERT and RoBERTa; Qwen, Llama, Mistral, nomic-bert and GTE; DistilBERT; MPNet.
NAMES = (
    ("query", "key", "value"),
    ("q_proj", "k_proj", "v_proj"),
    ("q_lin", "k_lin", "v_lin"),
    ("q", "k", "v"),
)


class FusedLinear(torch.nn.Module):
    """Linear layers of the same input width as one. Each result is handed out once."""

    def __init__(self, layers: Sequence[torch.nn.Linear]) -> None:
        super().__init__()
        self.sizes = [layer.out_features for layer in layers]
        self.weight = _joined([layer.weight for layer in layers])
        self.bias = _joined([layer.bias for layer in layers]) if _has_bias(layers[0]) else None
        self._states: torch.Tensor | None = None  # of which results are kept
        self._kept: dict[int, torch.Tensor] = {}

    def part(self, states: torch.Tensor, place: int) -> torch.Tensor:
        """The result of one of the layers."""
        if states is not self._states or place not in self._kept:
            self._kept = dict(enumerate(linear(states, self.weight, self.bias).split(self.sizes, -1)))
            self._states = states
        found = self._kept.pop(place)
        if not self._kept:
            self._states = None
        return found


class LinearPart(torch.nn.Module):
    """One of the layers of a `FusedLinear`, in the place where the model calls it."""

    def __init__(self, fused: FusedLinear, place: int) -> None:
        super().__init__()
        self.fused, self.place = fused, place

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.fused.part(states, self.place)


def fuse_qkv(model: torch.nn.Module) -> int:
    """Fuse them in place, layer by layer, so that no more than one layer's weights exist twice; how many were fused."""
    count = 0
    for module in list(model.modules()):
        for names in NAMES:
            layers = [getattr(module, name, None) for name in names]
            linears = [layer for layer in layers if type(layer) is torch.nn.Linear]
            if len(linears) == len(names) and _fit(linears):
                fused = FusedLinear(linears)
                for place, name in enumerate(names):
                    setattr(module, name, LinearPart(fused, place))
                count += 1
    return count


def _fit(layers: Sequence[torch.nn.Linear]) -> bool:
    """Whether the layers take the same states, and all or none of them have a bias."""
    forms = {(layer.in_features, _has_bias(layer), layer.weight.dtype) for layer in layers}
    return len(forms) == 1


def _has_bias(layer: torch.nn.Linear) -> bool:
    return getattr(layer, "bias", None) is not None


def _joined(parts: Sequence[torch.Tensor]) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.cat([part.detach() for part in parts]), requires_grad=False)
