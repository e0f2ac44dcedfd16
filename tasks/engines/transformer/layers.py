"""The layers after the pooling: sentence-transformers' Dense, LayerNorm and Normalize, in float32.

Weights are read from safetensors alone, and every one of them must be there with its shape.
"""
# safetensors is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Mapping, Sequence

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from tasks.models.description import Dense, Layer, LayerNorm, ModelDescription
from tasks.models.files import BadModel, model_file

CONVERT = (
    "save it again as safetensors: `SentenceTransformer(MODEL).save_pretrained(FOLDER)`, then name the folder"
)


class Normalized(torch.nn.Module):
    """Scales vectors to length 1."""

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(vectors, dim=-1)


def load_layers(model: ModelDescription, width: int) -> torch.nn.Sequential:
    """The model's layers after the pooling, which gives vectors of this width.

    Raises:
        BadModel: a layer wants another width, its activation is unknown, or weights are missing.
    """
    layers: list[torch.nn.Module] = []
    for layer in model.layers:
        if isinstance(layer, Dense):
            _check_width(model, layer.path, layer.inputs, width)
            linear = torch.nn.Linear(layer.inputs, layer.outputs, bias=layer.bias, device="meta")
            _fill(model, layer, linear, "linear.")
            layers += [linear, _activation(model, layer)]
            width = layer.outputs
        elif isinstance(layer, LayerNorm):
            _check_width(model, layer.path, layer.dimensions, width)
            norm = torch.nn.LayerNorm(layer.dimensions, device="meta")
            _fill(model, layer, norm, "norm.")
            layers.append(norm)
        else:
            layers.append(Normalized())
    return torch.nn.Sequential(*layers).eval()


def output_width(layers: Sequence[Layer], width: int) -> int:
    """The width of the vectors after the layers."""
    for layer in layers:
        if isinstance(layer, Dense):
            width = layer.outputs
    return width


def _check_width(model: ModelDescription, path: str, wanted: int, width: int) -> None:
    if wanted != width:
        raise BadModel(
            f"{path} of {model.model} takes vectors of {wanted} numbers, and those before it have {width}",
            hint="the files of this model do not belong together: download or save it again",
        )


def _activation(model: ModelDescription, layer: Dense) -> torch.nn.Module:
    """An activation function of torch.nn by its name: nothing else is ever called by a name in a model's files."""
    kind = getattr(torch.nn, layer.activation, None)
    home = str(getattr(kind, "__module__", ""))
    known = home == "torch.nn.modules.activation" or layer.activation == "Identity"
    refusal = BadModel(
        f"{layer.path} of {model.model} has the activation function {layer.activation!r}",
        hint="activation functions of torch.nn without arguments and weights work, such as Tanh, GELU and Identity",
    )
    if not known or not isinstance(kind, type):
        raise refusal
    try:
        function: torch.nn.Module = kind()
        same = function(torch.zeros(1, 2)).shape == (1, 2) and not list(function.parameters())
    except (TypeError, RuntimeError) as error:  # it wants arguments, or several inputs
        raise refusal from error
    if not same:  # GLU halves the width; PReLU has weights
        raise refusal
    return function


def _fill(model: ModelDescription, layer: Dense | LayerNorm, module: torch.nn.Module, prefix: str) -> None:
    """Give a module of no weights those of the layer's file."""
    where = f"{layer.path}/{layer.file or 'model.safetensors'} of {model.model}"
    if layer.file is None or not layer.file.endswith(".safetensors"):
        what = (
            "has no weights"
            if layer.file is None
            else "is not safetensors: it could run code when it is read"
        )
        raise BadModel(f"{where} {what}", hint=CONVERT)
    try:
        found = load_file(model_file(model.model, f"{layer.path}/{layer.file}", model.revision))
    except (SafetensorError, OSError, ValueError) as error:
        raise BadModel(f"cannot read {where}: {error}", hint="download or copy the model again") from error
    wanted = {prefix + name: tuple(weight.shape) for name, weight in module.state_dict().items()}
    shapes = {name: tuple(weight.shape) for name, weight in found.items()}
    if shapes != wanted:
        raise BadModel(
            f"{where} holds {_shapes(shapes)}, and its config.json says {_shapes(wanted)}",
            hint="the files of this model do not belong together: download or save it again",
        )
    module.load_state_dict(
        {name.removeprefix(prefix): weight.float() for name, weight in found.items()}, assign=True
    )


def _shapes(shapes: Mapping[str, tuple[int, ...]]) -> str:
    shown = [f"{name} {list(shape)}" for name, shape in sorted(shapes.items())]
    return ", ".join(shown[:6]) or "nothing"
