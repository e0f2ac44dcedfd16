"""modules.json: the modules of sentence-transformers, known by their full type, and their settings.

A type of another package is another computation, whatever its last word: it is refused by its full name.
"""

import re
from dataclasses import dataclass
from typing import Any, cast

from tasks.models.description import (
    POOLING_MODES,
    Dense,
    Finding,
    Layer,
    LayerNorm,
    Normalize,
    Pooling,
    PoolingMode,
)
from tasks.models.files import DAMAGED, BadModel, ModelFiles

# The packages that sentence-transformers has kept these classes in, by version.
PACKAGES = (
    "sentence_transformers.models.",
    "sentence_transformers.base.modules.",
    "sentence_transformers.sentence_transformer.modules.",
)
COMPUTED = ("Transformer", "Pooling", "Dense", "LayerNorm", "Normalize", "Dropout")
ACTIVATIONS = (
    "ELU", "GELU", "Hardsigmoid", "Hardswish", "Hardtanh", "Identity", "LeakyReLU", "LogSigmoid",
    "Mish", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softplus", "Softsign", "Tanh",
)  # fmt: skip  # classes of torch.nn that work on each number alone, as they are made without arguments
# The switches of older folders, in the order in which sentence-transformers concatenates.
SWITCHES: dict[str, PoolingMode] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
OTHER_MODEL = "name another model: one that is a transformer, a pooling and dense layers"


@dataclass(frozen=True, slots=True)
class Modules:
    """The modules of a folder. `types` is empty without a modules.json; `pooling` is None where none is named."""

    types: tuple[str, ...] = ()
    folder: str = ""
    pooling: Pooling | None = None
    layers: tuple[Layer, ...] = ()
    unsupported: tuple[Finding, ...] = ()


def read_modules(files: ModelFiles) -> Modules:
    """The modules of a model, in order.

    Raises:
        BadModel: modules.json or a module's config.json is damaged.
    """
    found = files.json_of_any_kind("modules.json")
    if found is None:
        return Modules()
    listed = _listed(files, found)
    names = [_stock_name(kind) for kind, _ in listed]
    types = tuple(kind for kind, _ in listed)
    foreign = [kind for (kind, _), name in zip(listed, names, strict=True) if name not in COMPUTED]
    if foreign:
        return Modules(types, unsupported=(_foreign(foreign),))
    if names[:2] != ["Transformer", "Pooling"] or len({"Transformer", "Pooling"} & set(names[2:])):
        order = ", ".join(name or "" for name in names)
        what = f"its modules are {order}: not a transformer, a pooling, and layers after it"
        return Modules(types, unsupported=(Finding(what, OTHER_MODEL),))
    unsupported: list[Finding] = []
    pooling = _pooling(files, listed[1][1], unsupported)
    layers: list[Layer] = []
    for (_, path), name in zip(listed[2:], names[2:], strict=True):
        if name == "Dense":
            layers.append(_dense(files, path, unsupported))
        elif name == "LayerNorm":
            size = files.json(f"{path}/config.json").get("dimension")
            layers.append(LayerNorm(path, _size(files, path, "dimension", size), _weights(files, path)))
        elif name == "Normalize":
            layers.append(Normalize())  # Dropout does nothing when a model is used
    unsupported += [
        _no_weights(layer.path) for layer in layers if not isinstance(layer, Normalize) and layer.file is None
    ]
    return Modules(types, listed[0][1], pooling, tuple(layers), tuple(unsupported))


def _listed(files: ModelFiles, found: Any) -> list[tuple[str, str]]:
    """Type and path of each module."""
    if not isinstance(found, list) or not found:
        raise BadModel(f"modules.json of {files.model} is not a list of modules", hint=DAMAGED)
    out: list[tuple[str, str]] = []
    for entry in cast("list[Any]", found):
        module = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
        kind, path = module.get("type"), module.get("path")
        if not isinstance(kind, str) or not isinstance(path, str):
            raise BadModel(f"a module in modules.json of {files.model} has no type and path", hint=DAMAGED)
        if path.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", path):
            raise BadModel(
                f"modules.json of {files.model} names the folder {path!r}, which is outside the model",
                hint="do not use this model: it is damaged or hostile",
            )
        out.append((kind, path.strip("/").removeprefix("./") if path != "." else ""))
    return out


def _stock_name(kind: str) -> str | None:
    """The class of sentence-transformers that a type names; None for any other type."""
    for package in PACKAGES:
        if kind.startswith(package):
            *module, name = kind.removeprefix(package).split(".")
            snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
            return name if not module or module in ([name], [snake]) else None
    return None


def _foreign(kinds: list[str]) -> Finding:
    listed = ", ".join(sorted(set(kinds)))
    if any(_stock_name(kind) is None for kind in kinds):
        return Finding(
            f"it has modules that are not sentence-transformers' own: {listed}",
            "name a model without modules of its own: their code is not run",
        )
    return Finding(f"it has modules that no engine of embedfleet computes: {listed}", OTHER_MODEL)


def _pooling(files: ModelFiles, path: str, unsupported: list[Finding]) -> Pooling:
    name = f"{path}/config.json" if path else "config.json"
    found = files.json(name)
    if not found:
        unsupported.append(Finding(f"it has no {name}, which says how it pools", DAMAGED))
        return Pooling(("mean",))
    include = found.get("include_prompt", True) is not False
    named = found.get("pooling_mode")
    modes = [named] if isinstance(named, str) else cast("list[Any] | None", named)
    if modes is None:
        modes = [mode for switch, mode in SWITCHES.items() if found.get(switch) is True] or ["mean"]
    unknown = [mode for mode in modes if mode not in POOLING_MODES]
    unknown += [
        key for key in found if key.startswith("pooling_mode_") and key not in SWITCHES and found[key]
    ]
    if unknown or not modes:
        unsupported.append(Finding(f"it wants the pooling {', '.join(map(str, unknown))}", OTHER_MODEL))
        return Pooling(("mean",), include)
    return Pooling(tuple(cast("list[PoolingMode]", modes)), include)


def _dense(files: ModelFiles, path: str, unsupported: list[Finding]) -> Dense:
    found = files.json(f"{path}/config.json")
    kind = found.get("activation_function", "torch.nn.modules.activation.Tanh")  # what an older folder means
    name = str(kind).rpartition(".")[2]
    if not str(kind).startswith("torch.nn.") or name not in ACTIVATIONS:
        unsupported.append(Finding(f"its dense layer {path} has the activation {kind}", OTHER_MODEL))
    unsupported += [
        Finding(f"its dense layer {path} has {key}: {found[key]}", OTHER_MODEL)
        for key in ("module_input_name", "module_output_name")
        if found.get(key) not in (None, "sentence_embedding")
    ]
    return Dense(
        path=path,
        inputs=_size(files, path, "in_features", found.get("in_features")),
        outputs=_size(files, path, "out_features", found.get("out_features")),
        bias=found.get("bias", True) is not False,
        activation=name,
        file=_weights(files, path),
    )


def _size(files: ModelFiles, path: str, key: str, value: object) -> int:
    if type(value) is not int or value <= 0:
        raise BadModel(f"{path}/config.json of {files.model} says {key}: {value!r}", hint=DAMAGED)
    return value


def _weights(files: ModelFiles, path: str) -> str | None:
    return next((n for n in ("model.safetensors", "pytorch_model.bin") if files.has(f"{path}/{n}")), None)


def _no_weights(path: str) -> Finding:
    return Finding(f"it has no weights of its layer {path}", DAMAGED)
