"""Compile a model's layers with `torch.compile`: the parts between their attentions become a few fused kernels.

Attention stays a call of its own, so a layer is compiled as what comes before and after it. All layers of a model share
that code, for any number of tokens: a batch of another size compiles nothing.
"""
# transformers is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from typing import Any

import torch
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from tasks.engines.packed.packed_attention import NAME, attend


def compile_layers(model: Any) -> None:
    """Compile each layer of the model at its next call.

    Raises:
        RuntimeError: the model has no list of layers.
    """
    layers = _layers(model)
    ALL_ATTENTION_FUNCTIONS.register(NAME, torch.compiler.disable(attend))
    for layer in layers:
        layer.compile(dynamic=True)


def run_uncompiled(model: Any) -> None:
    """Undo `compile_layers`."""
    for layer in _layers(model):
        layer._compiled_call_impl = None  # noqa: SLF001 - torch has no other way back


def _layers(model: Any) -> list[Any]:
    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    if not lists:
        raise RuntimeError("the model has no list of layers")
    return list(max(lists, key=len))
