"""Find the shape of a model: by its name, from its folder, or as a job gives it.

`data/models.csv` has the usual embedding models, each row with its source. Of a folder, config.json and the
sentence-transformers files are read. Downloads nothing and opens no weights, so the parameter count of a folder is that
of its matrices, without biases and norms (under 2 %).
"""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from io import StringIO
from math import ceil
from pathlib import Path
from typing import Any, cast

from launcher.errors import Problem
from launcher.throughput.predict import HALF_DTYPES, ModelShape


@dataclass(frozen=True, slots=True)
class Architecture:
    """What follows from a model type and is not in config.json."""

    glu: bool
    causal: bool
    positions: bool  # it has a table of position embeddings
    reserved: int = 0  # rows of the position table that no token can use


BERT = Architecture(glu=False, causal=False, positions=True)
ROBERTA = Architecture(
    glu=False, causal=False, positions=True, reserved=2
)  # positions start after the padding index
DECODER = Architecture(glu=True, causal=True, positions=False)

ARCHITECTURES: dict[str, Architecture] = {
    "bert": BERT,
    "distilbert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "camembert": ROBERTA,
    "mpnet": ROBERTA,
    "modernbert": Architecture(glu=True, causal=False, positions=False),
    "gemma3_text": DECODER,
    "qwen2": DECODER,
    "qwen3": DECODER,
    "llama": DECODER,
    "mistral": DECODER,
}

# Keys of config.json; DistilBERT has its own.
LAYERS = ("num_hidden_layers", "n_layers")
HIDDEN = ("hidden_size", "dim")
HEADS = ("num_attention_heads", "n_heads")
INTERMEDIATE = ("intermediate_size", "hidden_dim")

POOLINGS: dict[str, str] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "last",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
}

NO_LIMIT = 10**9  # tokenizers write 1e30 for "no limit"


def shape(name: str | Path) -> ModelShape:
    """The shape of a known model, or of the model in a folder. A folder takes precedence, as in transformers.

    Raises:
        Problem: no model of this name is known, or the folder's config.json cannot be used.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _from_folder(folder)
    known = _known()
    if str(name) in known:
        return known[str(name)]
    near = nearest(str(name))
    raise Problem(
        f"unknown model {str(name)!r}: not one of the {len(known)} known models, and no folder",
        hint=f"write model: {near[0]}" + (f" (or {', '.join(near[1:])})" if near[1:] else "")
        if near
        else "name a folder that holds the model's config.json",
    )


def from_mapping(name: str, given: Mapping[str, int | bool | str]) -> ModelShape:
    """A shape as a job file gives it. Missing values follow from the others as in most models.

    Raises:
        Problem: `layers` or `hidden` is missing, or a size is not a positive whole number.
    """
    for key in ("layers", "hidden"):
        if key not in given:
            raise Problem(f"the shape of {name} lacks {key}", hint="give at least layers and hidden")

    def whole(key: str, otherwise: int, least: int = 1) -> int:
        value = given.get(key, otherwise)
        if type(value) is not int or value < least:
            raise Problem(
                f"the shape of {name} says {key}: {value!r}, which is not a size",
                hint=f"give {key} as a whole number of {least} or more",
            )
        return value

    layers, hidden = whole("layers", 0), whole("hidden", 0)
    heads = whole("heads", max(1, hidden // 64))
    head_dim = whole("head_dim", max(1, hidden // heads))
    kv_heads = whole("kv_heads", heads)
    intermediate = whole("intermediate", 4 * hidden)
    glu = given.get("glu") is True
    pooling = given.get("pooling")
    linear = linear_params(layers, hidden, heads * head_dim, kv_heads * head_dim, intermediate, glu=glu)
    return ModelShape(
        name=name,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        intermediate=intermediate,
        glu=glu,
        linear_params=linear,
        params_total=linear + hidden * whole("vocabulary", 0, least=0),
        max_tokens=whole("max_tokens", 512),
        dimensions=whole("dimensions", hidden),
        pooling=pooling if isinstance(pooling, str) else None,
        causal=given.get("causal") is True,
        source="the shape given",
    )


def known() -> tuple[ModelShape, ...]:
    """Every model whose shape is in data/models.csv."""
    return tuple(_known().values())


def nearest(name: str) -> tuple[str, ...]:
    """Up to three known names that are similar, with or without the part before the slash."""
    spellings: dict[str, str] = {}
    for full in _known():
        spellings[full.casefold()] = full
        spellings[full.casefold().partition("/")[2]] = full
    close = get_close_matches(name.casefold(), spellings, n=6, cutoff=0.6)
    return tuple(dict.fromkeys(spellings[c] for c in close))[:3]


def linear_params(
    layers: int, hidden: int, width: int, kv_width: int, intermediate: int, *, glu: bool
) -> int:
    """Weights of the matrices in all layers: queries and output, keys and values, feed-forward."""
    return layers * hidden * (2 * width + 2 * kv_width + (3 if glu else 2) * intermediate)


@cache
def _known() -> dict[str, ModelShape]:
    text = files("launcher").joinpath("data", "models.csv").read_text(encoding="utf-8")
    return {row["name"]: _from_row(row) for row in csv.DictReader(StringIO(text))}


def _from_row(row: Mapping[str, str]) -> ModelShape:
    return ModelShape(
        name=row["name"],
        layers=int(row["layers"]),
        hidden=int(row["hidden"]),
        heads=int(row["heads"]),
        kv_heads=int(row["kv_heads"]),
        head_dim=int(row["head_dim"]),
        intermediate=int(row["intermediate"]),
        glu=row["glu"] == "true",
        linear_params=int(row["linear_params"]),
        params_total=int(row["params_total"]),
        max_tokens=int(row["max_tokens"]),
        dimensions=int(row["dimensions"]),
        pooling=row["pooling"] or None,
        causal=row["causal"] == "true",
        source=row["source"],
        window=int(row["window"] or 0),
        local_layers=int(row["local_layers"] or 0),
        stored=row["stored"] or None,
        matryoshka=row["matryoshka"] or None,
        model_type=row["model_type"] or None,
        traits=row["traits"],
    )


def _from_folder(folder: Path) -> ModelShape:
    config = _json(folder / "config.json")
    if config is None:
        raise Problem(
            f"{folder} holds no config.json", hint="name the folder that holds the model's config.json"
        )
    architecture = ARCHITECTURES.get(str(config.get("model_type")))
    if architecture is None:
        raise Problem(
            f"{folder / 'config.json'} has an unknown model_type: {config.get('model_type')!r}",
            hint=f"use a model of type {', '.join(ARCHITECTURES)}",
        )

    def whole(*keys: str) -> int:
        value = next((config[k] for k in keys if config.get(k) is not None), None)
        if type(value) is not int or value <= 0:
            raise Problem(
                f"{folder / 'config.json'} says {keys[0]}: {value!r}, which is not a size",
                hint="copy the whole model again: its config.json is damaged",
            )
        return value

    layers, hidden, heads, intermediate = whole(*LAYERS), whole(*HIDDEN), whole(*HEADS), whole(*INTERMEDIATE)
    kv_heads = whole("num_key_value_heads") if config.get("num_key_value_heads") else heads
    head_dim = whole("head_dim") if config.get("head_dim") else hidden // heads
    positions = whole("max_position_embeddings")
    stored = str(config.get("torch_dtype") or config.get("dtype") or "").removeprefix("torch.")
    window, local_layers = _window(config, layers)
    linear = linear_params(
        layers, hidden, heads * head_dim, kv_heads * head_dim, intermediate, glu=architecture.glu
    )
    rows = (
        whole("vocab_size")
        + (positions if architecture.positions else 0)
        + int(config.get("type_vocab_size") or 0)
    )
    return ModelShape(
        name=folder.resolve().name,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        intermediate=intermediate,
        glu=architecture.glu,
        linear_params=linear,
        params_total=linear + rows * hidden,
        max_tokens=_max_tokens(folder, positions - architecture.reserved),
        dimensions=_dimensions(folder, hidden),
        pooling=_pooling(folder),
        # Decoders that were made bidirectional say so: gte-Qwen2 has is_causal: false.
        causal=architecture.causal
        and config.get("is_causal") is not False
        and config.get("use_bidirectional_attention") is not True,
        source=f"config.json of {folder.resolve().name}",
        window=window,
        local_layers=local_layers,
        stored=stored if stored in ("float32", *HALF_DTYPES) else None,
    )


def _window(config: Mapping[str, Any], layers: int) -> tuple[int, int]:
    """The window of local attention, and the number of layers that have one, from the keys of ModernBERT or Gemma."""
    step, window = config.get("global_attn_every_n_layers"), config.get("local_attention")
    if isinstance(step, int) and isinstance(window, int) and step > 0:
        return window, layers - ceil(layers / step)  # the first layer is global, then every step-th
    types, window = config.get("layer_types"), config.get("sliding_window")
    if isinstance(types, list) and isinstance(window, int):
        return window, min(layers, cast("list[Any]", types).count("sliding_attention"))
    return 0, 0


def _max_tokens(folder: Path, positions: int) -> int:
    """The maximum of sentence_bert_config.json, else the smaller of the tokenizer's and the position table's."""
    card = (_json(folder / "sentence_bert_config.json") or {}).get("max_seq_length")
    if isinstance(card, int) and card > 0:
        return card
    tokenizer = (_json(folder / "tokenizer_config.json") or {}).get("model_max_length")
    if isinstance(tokenizer, int) and 0 < tokenizer < NO_LIMIT:
        return min(tokenizer, positions)
    return positions


def _dimensions(folder: Path, hidden: int) -> int:
    """The width of the vector: of the last dense module, else of the hidden state."""
    dense = [_json(path) or {} for path in sorted(folder.glob("*_Dense/config.json"))]
    width = dense[-1].get("out_features") if dense else None
    return width if isinstance(width, int) else hidden


def _pooling(folder: Path) -> str | None:
    config = _json(folder / "1_Pooling" / "config.json") or {}
    named = config.get("pooling_mode")
    if isinstance(named, str):
        return {"lasttoken": "last"}.get(named, named)
    chosen = [name for key, name in POOLINGS.items() if config.get(key) is True]
    return "+".join(chosen) or None  # two modes at once are concatenated


def _json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None when there is no such file."""
    if not path.is_file():
        return None
    try:
        value: object = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Problem(
            f"{path} is not JSON: {error}", hint="copy the whole model again: it is damaged"
        ) from error
    if not isinstance(value, dict):
        raise Problem(f"{path} is not a JSON object", hint="copy the whole model again: it is damaged")
    return cast("dict[str, Any]", value)
