"""The shape of a model by its files: sizes of its config.json, and what its description says of limit and vectors.

Opens no weights, so the parameter count is that of the matrices, without biases and norms (under 2 %).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any, cast

from launcher.errors import Problem
from launcher.throughput.predict import HALF_DTYPES, ModelShape, linear_params
from tasks.models.describe import config_of, describe
from tasks.models.description import ModelDescription
from tasks.models.files import DAMAGED
from tasks.models.length_limit import has_table


@dataclass(frozen=True, slots=True)
class Architecture:
    """What follows from a model type and is not in config.json."""

    glu: bool  # the feed-forward block has three matrices, not two
    causal: bool


BERT = Architecture(glu=False, causal=False)
GATED_ENCODER = Architecture(glu=True, causal=False)
DECODER = Architecture(glu=True, causal=True)

ARCHITECTURES: dict[str, Architecture] = {
    **dict.fromkeys(
        (
            "albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "jina_embeddings_v3",
            "longt5", "mpnet", "mt5", "roberta", "t5", "umt5", "xlm-roberta",
        ),
        BERT,
    ),
    **dict.fromkeys(("eurobert", "modernbert", "nomic_bert"), GATED_ENCODER),
    **dict.fromkeys(("gemma3_text", "llama", "mistral", "qwen2", "qwen3"), DECODER),
    "gpt2": Architecture(glu=False, causal=True),
}  # fmt: skip

# Keys of config.json, in the words of most, DistilBERT, T5 and GPT-2.
LAYERS = ("num_hidden_layers", "n_layers", "num_layers", "n_layer")
HIDDEN = ("hidden_size", "dim", "d_model", "n_embd")
HEADS = ("num_attention_heads", "n_heads", "num_heads", "n_head")
INTERMEDIATE = ("intermediate_size", "hidden_dim", "d_ff", "n_inner")
HEAD_DIM = ("head_dim", "d_kv")
POSITIONS = ("max_position_embeddings", "n_positions")


def folder_shape(folder: Path) -> ModelShape:
    """The shape of the model in a folder.

    Raises:
        Problem: the folder has no config.json, one that is damaged, or one of a type that is not known here.
    """
    return _shape_of(describe(str(folder)), folder.resolve().name)


@cache
def hub_shape(model: str) -> ModelShape:
    """The shape of a model of the hub. Downloads its small files, unless they are in the hub's cache.

    Raises:
        Problem: as `folder_shape`; or the hub does not have the model or does not answer.
    """
    return _shape_of(describe(model), model)


def _shape_of(described: ModelDescription, name: str) -> ModelShape:
    config = config_of(described)
    architecture = ARCHITECTURES.get(described.model_type or "")
    where = f"config.json of {described.adapter.base if described.adapter else Path(described.model) / described.folder}"
    if architecture is None:
        raise Problem(
            f"{where} has an unknown model_type: {config.get('model_type')!r}",
            hint=f"use a model of type {', '.join(ARCHITECTURES)}",
        )

    def whole(keys: tuple[str, ...], otherwise: int | None = None) -> int:
        value = next((config[key] for key in keys if config.get(key) is not None), otherwise)
        if type(value) is not int or value <= 0:
            raise Problem(f"{where} says {keys[0]}: {value!r}, which is not a size", hint=DAMAGED)
        return value

    layers, hidden, heads = whole(LAYERS), whole(HIDDEN), whole(HEADS)
    intermediate = whole(INTERMEDIATE, 4 * hidden if described.model_type == "gpt2" else None)
    kv_heads = whole(("num_key_value_heads",), heads)
    head_dim = whole(HEAD_DIM, hidden // heads)
    glu = architecture.glu or str(config.get("feed_forward_proj")).startswith("gated")  # T5 1.1 and mT5
    window, local_layers = _window(config, layers)
    linear = linear_params(layers, hidden, heads * head_dim, kv_heads * head_dim, intermediate, glu=glu)
    # ALBERT's layers share their weights: every token passes through all of them, and memory holds them once.
    stored_layers = whole(("num_hidden_groups",), 1) if described.model_type == "albert" else layers
    rows = whole(("vocab_size",)) + int(config.get("type_vocab_size") or 0)
    rows += whole(POSITIONS) if has_table(config) else 0
    width = whole(("embedding_size",), hidden)
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
        params_total=linear // layers * stored_layers
        + rows * width
        + (width * hidden if width != hidden else 0),
        max_tokens=_max_tokens(described),
        dimensions=described.dimensions or hidden,
        pooling="+".join({"lasttoken": "last"}.get(mode, mode) for mode in described.pooling.modes),
        # Decoders that were made bidirectional say so: gte-Qwen2 has is_causal: false.
        causal=architecture.causal and described.causal is not False and described.bidirectional is not True,
        source=f"config.json of {name}",
        window=window,
        local_layers=local_layers,
        stored=described.weights.dtype if described.weights.dtype in ("float32", *HALF_DTYPES) else None,
        model_type=described.model_type,
    )


def _max_tokens(described: ModelDescription) -> int:
    if described.limit.tokens is None:
        raise Problem(
            f"nothing in {described.model} says how long a text may be",
            hint="write max_seq_length into its sentence_bert_config.json",
        )
    return described.limit.tokens


def _window(config: Mapping[str, Any], layers: int) -> tuple[int, int]:
    """The window of local attention, and the number of layers that have one, from the keys of ModernBERT or Gemma."""
    step, window = config.get("global_attn_every_n_layers"), config.get("local_attention")
    if isinstance(step, int) and isinstance(window, int) and step > 0:
        return window, layers - ceil(layers / step)  # the first layer is global, then every step-th
    types, window = config.get("layer_types"), config.get("sliding_window")
    if isinstance(types, list) and isinstance(window, int):
        return window, min(layers, cast("list[Any]", types).count("sliding_attention"))
    return 0, 0
