"""What sentence-transformers writes beside a model, and changes to a folder's files."""
# safetensors is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

STOCK = "sentence_transformers.models."
LIMIT = {"max_seq_length": 64, "do_lower_case": False}
Weights = dict[str, torch.Tensor]


def write_json(path: Path, value: Any, *, indent: int | None = None) -> None:
    """Write a JSON file, and the folder that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")


def edit_json(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file; None deletes a key."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    write_json(path, {key: value for key, value in (found | changes).items() if value is not None})


def modules(folder: Path, *types: str, paths: Mapping[int, str] | None = None) -> None:
    """modules.json with these types; a type without a package is sentence-transformers' own."""
    listed = [
        {
            "idx": place,
            "name": str(place),
            "path": (paths or {}).get(place, f"{place}_{kind.rpartition('.')[2]}" if place else ""),
            "type": kind if "." in kind else STOCK + kind,
        }
        for place, kind in enumerate(types)
    ]
    write_json(folder / "modules.json", listed)


def pooling(folder: Path, *switches: str, width: int = 64, **more: Any) -> None:
    """1_Pooling with these switches on: `mean_tokens`, `cls_token`, ..."""
    said = {f"pooling_mode_{switch}": True for switch in switches}
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": width} | said | more)


def sentence_transformer(
    folder: Path,
    *switches: str,
    after: Sequence[str] = ("Normalize",),
    limit: Mapping[str, Any] = LIMIT,
    **more: Any,
) -> None:
    """The usual files: a transformer, a pooling with these switches, and the modules after it."""
    modules(folder, "Transformer", "Pooling", *after)
    pooling(folder, *(switches or ("mean_tokens",)), **more)
    write_json(folder / "sentence_bert_config.json", dict(limit))


def dense(
    folder: Path,
    place: int,
    inputs: int,
    outputs: int,
    *,
    bias: bool = True,
    activation: str = "linear.Identity",
) -> None:
    """A Dense module with random weights; `activation` is a class below torch.nn.modules."""
    path = folder / f"{place}_Dense"
    settings = {
        "in_features": inputs,
        "out_features": outputs,
        "bias": bias,
        "activation_function": f"torch.nn.modules.{activation}",
    }
    write_json(path / "config.json", settings)
    made = torch.Generator().manual_seed(place)
    weights = {"linear.weight": torch.randn(outputs, inputs, generator=made) * 0.2}
    if bias:
        weights["linear.bias"] = torch.randn(outputs, generator=made) * 0.2
    save_file(weights, path / "model.safetensors")


def change_weights(
    folder: Path, change: Callable[[Weights], Weights], file: str = "model.safetensors"
) -> None:
    """Rewrite the weights of a folder."""
    found = {name: weight.clone() for name, weight in load_file(folder / file).items()}
    save_file(change(found), folder / file, metadata={"format": "pt"})


def config_sentence_transformers(folder: Path, **settings: Any) -> None:
    """config_sentence_transformers.json: prompts, similarity and more."""
    write_json(folder / "config_sentence_transformers.json", {"__version__": {}} | settings)
