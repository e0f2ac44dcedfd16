"""Emulate vLLM's online fp8 in a torch model: the loss of quality, without the GPU and without the speed.

As vLLM 0.32 does it (`fp8_per_tensor` on Ada and Hopper): of every linear layer of the transformer the weights have one
scale, which queries, keys and values share because they are one matrix there, and so do gate and up; the activations
have one scale a token, found anew in every layer. Both are rounded to e4m3. Embeddings, norms and attention stay as they
are. Products of two e4m3 numbers are summed in the model's dtype here, in float32 there.
"""

# torch is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Iterable, Iterator

import torch
from torch import nn

FP8 = torch.float8_e4m3fn
FP8_MAX = 448.0
LEAST_SCALE = 1 / (FP8_MAX * 512)  # of a token, as in vLLM's kernel: a token of zeros must not divide by zero
# What vLLM merges into one matrix, which then has one scale.
MERGED = (
    frozenset({"query", "key", "value"}),
    frozenset({"q_proj", "k_proj", "v_proj"}),
    frozenset({"q_lin", "k_lin", "v_lin"}),
    frozenset({"gate_proj", "up_proj"}),
)


class Fp8Linear(nn.Module):
    """A linear layer [inputs] -> [outputs] whose weights and activations are rounded to e4m3."""

    def __init__(self, linear: nn.Linear, largest: float) -> None:
        """`largest` is the largest absolute weight of the matrix that this one is a part of."""
        super().__init__()
        scale = max(largest, torch.finfo(torch.float32).tiny) / FP8_MAX
        rounded = (linear.weight.detach().float() / scale).clamp(-FP8_MAX, FP8_MAX).to(FP8)
        self.register_buffer("weight", rounded.to(linear.weight.dtype))
        self.bias: torch.Tensor | None = linear.bias
        self.scale = scale

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        wide = states.float()
        scale = (wide.abs().amax(-1, keepdim=True) / FP8_MAX).clamp(min=LEAST_SCALE)
        rounded = (wide / scale).clamp(-FP8_MAX, FP8_MAX).to(FP8).to(states.dtype)
        found = nn.functional.linear(rounded, self.get_buffer("weight")).float() * (scale * self.scale)
        return (found if self.bias is None else found + self.bias.float()).to(states.dtype)


def emulate_fp8(model: nn.Module) -> int:
    """Replace the linear layers of a transformer, in place; how many they were.

    Raises:
        ValueError: it has none, so nothing would be emulated.
    """
    count = 0
    for where, parent in list(model.named_modules()):
        if "pooler" in where.split("."):  # of a classification: vectors are made of the states before it
            continue
        linears = {name: child for name, child in parent.named_children() if type(child) is nn.Linear}
        for group in _merged(linears):
            largest = max(float(linears[name].weight.detach().abs().max()) for name in group)
            for name in group:
                setattr(parent, name, Fp8Linear(linears[name], largest))
                count += 1
    if not count:
        raise ValueError("the model has no linear layers whose precision could be reduced")
    return count


def _merged(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """The names in groups that share a matrix."""
    left = dict.fromkeys(names)
    for group in MERGED:
        found = tuple(name for name in left if name in group)
        if len(found) > 1:
            for name in found:
                del left[name]
            yield found
    yield from ((name,) for name in left)
