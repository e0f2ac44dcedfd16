"""Read the description of a model from its files: settings and headers, no weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from tasks.models.adapter_settings import adapter_findings
from tasks.models.description import Adapter, Finding, ModelDescription, OwnCode, Pooling
from tasks.models.files import DAMAGED, BadModel, ModelFiles
from tasks.models.length_limit import length_limit
from tasks.models.modules import read_modules
from tasks.models.position_scaling import is_scaled_by_longest, scaling_findings
from tasks.models.sparse_attention import sparse_attention_findings
from tasks.models.text_settings import (
    check_texts_are_plain,
    read_card,
    read_text_settings,
    tokenizer_settings,
)
from tasks.models.weights import read_weights

# Width of the tokens' states, by its names: of most, DistilBERT, T5 and BART, GPT-2.
WIDTHS = ("hidden_size", "dim", "d_model", "n_embd")
# Number of layers, by its names, and the most that is believed: each is built before weights are looked at.
LAYERS = ("num_hidden_layers", "n_layers", "num_layers", "n_layer")
MOST_LAYERS = 1_000
OTHER_SENSES = ("vision_config", "audio_config", "image_config", "video_config")
MAX_BASES = 4  # adapters on adapters


def describe(model: str, revision: str | None = None) -> ModelDescription:
    """The description of a model: a folder, or a hub id at a revision.

    Raises:
        BadModel: a file is damaged, or the model has no config.json.
    """
    files = ModelFiles(model, revision)
    modules = read_modules(files)
    before = f"{modules.folder}/" if modules.folder else ""
    adapter = _adapter_in(files, before)
    config = _config(files, before, adapter)
    if not config and not files.has(f"{before}config.json") and not modules.unsupported:
        raise BadModel(
            f"no {before}config.json in {model}", hint="name a model folder as sentence-transformers saves it"
        )
    card = read_card(files, modules.folder)
    settings = tokenizer_settings(files, modules.folder, card)
    architectures = _words(config.get("architectures"))
    whole = files.json("config_sentence_transformers.json")
    truncate, similarity = whole.get("truncate_dim"), whole.get("similarity_fn_name")
    model_type = config.get("model_type")
    hidden = next((config[key] for key in WIDTHS if type(config.get(key)) is int), None)
    limit = length_limit(config, card.found, settings, card.arguments("tokenizer"), card.name)
    return ModelDescription(
        model=model,
        revision=revision,
        folder=modules.folder,
        model_type=model_type if isinstance(model_type, str) else None,
        architectures=architectures,
        pooling=modules.pooling or _default_pooling(config, architectures),
        layers=modules.layers,
        modules=modules.types,
        text=read_text_settings(files, card),
        limit=limit,
        hidden=hidden,
        truncate_dim=truncate if type(truncate) is int and truncate > 0 else None,
        similarity=similarity if isinstance(similarity, str) else None,
        own_code=OwnCode(
            _own_code(config, "AutoModel") or _own_code(config, "AutoConfig"), _own_code(settings, "AutoTokenizer")
        ),
        adapter=adapter,
        weights=read_weights(files, modules.folder, config),
        causal=_switch(config, "is_causal"),
        bidirectional=_switch(config, "use_bidirectional_attention"),
        quantization=_quantization(config),
        vocabulary=_size(config, "vocab_size"),
        scaled_by_longest=is_scaled_by_longest(config, limit.tokens),
        unsupported=(
            *modules.unsupported,
            *adapter_findings(files.json(f"{before}adapter_config.json")),
            *_foreign_inputs(config),
            *_too_many_layers(config),
            *scaling_findings(config, limit.tokens),
            *sparse_attention_findings(config, limit.tokens),
            *_no_sizes("config_sentence_transformers.json", truncate_dim=truncate),
            *_no_sizes(card.name, max_seq_length=card.found.get("max_seq_length")),
            *check_texts_are_plain(files, modules.folder, card, settings),
        ),
    )  # fmt: skip


def _default_pooling(config: Mapping[str, Any], architectures: tuple[str, ...]) -> Pooling:
    """What sentence-transformers does with a bare transformers model: last token of a causal one, else the mean."""
    causal = architectures[:1] and architectures[0].endswith("ForCausalLM") and config.get("is_causal", True)
    return Pooling(("lasttoken",) if causal else ("mean",))


def config_of(described: ModelDescription) -> Mapping[str, Any]:
    """config.json of the transformer, of the base where the model is an adapter; {} without one.

    Raises:
        BadModel: it is damaged.
    """
    files = ModelFiles(described.model, described.revision)
    return _config(files, f"{described.folder}/" if described.folder else "", described.adapter)


def _config(files: ModelFiles, before: str, adapter: Adapter | None) -> dict[str, Any]:
    return files.json(f"{before}config.json") or (_base_config(adapter.base) if adapter else {})


def adapter_of(model: str) -> Adapter | None:
    """The adapter that a folder holds; None for a model without one.

    Raises:
        BadModel: a file is damaged.
    """
    files = ModelFiles(model)
    if not any(name.endswith("adapter_config.json") for name in files.names or ()):
        return None
    folder = read_modules(files).folder
    return _adapter_in(files, f"{folder}/" if folder else "")


def _adapter_in(files: ModelFiles, before: str) -> Adapter | None:
    found = files.json(f"{before}adapter_config.json")
    if not found:
        return None
    base = found.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise BadModel(f"adapter_config.json of {files.model} names no base model", hint=DAMAGED)
    return Adapter(base, str(found.get("peft_type", "LORA")))


def _base_config(base: str) -> dict[str, Any]:
    """config.json of the model that an adapter is on."""
    for _ in range(MAX_BASES):
        if base.startswith(("/", ".")) and not Path(base).is_dir():
            raise BadModel(
                f"the folder {base}, which the adapter names as its base, is not there",
                hint="name the base by its hub id, or by a folder, in adapter_config.json",
            )
        files = ModelFiles(base)
        config = files.json("config.json")
        adapter = None if config else _adapter_in(files, "")
        if adapter is None:
            return config
        base = adapter.base
    raise BadModel(f"{base} is an adapter on an adapter, and so on", hint="merge them into one model")


def _no_sizes(file: str, **values: Any) -> list[Finding]:
    """What is said as a size, and is none: sentence-transformers would slice by it, whatever it is."""
    return [
        Finding(
            f"{file} says {name}: {value!r}, which is no size",
            f"write a whole number above 0, or leave {name} out",
        )
        for name, value in values.items()
        if value is not None and not (type(value) is int and value > 0)
    ]


def _too_many_layers(config: Mapping[str, Any]) -> list[Finding]:
    return [
        Finding(
            f"its config.json says {key}: {value:,}, and no more than {MOST_LAYERS:,} layers are built",
            DAMAGED,
        )
        for key in LAYERS
        if type(value := config.get(key)) is int and value > MOST_LAYERS
    ]


def _foreign_inputs(config: Mapping[str, Any]) -> list[Finding]:
    senses = [key.removesuffix("_config") for key in OTHER_SENSES if isinstance(config.get(key), dict)]
    if not senses:
        return []
    return [
        Finding(
            f"it reads {' and '.join(senses)} as well as text (config.json of type {config.get('model_type')})",
            "name another model: no engine here embeds with a model of several inputs",
        )
    ]


def _own_code(found: Mapping[str, Any], key: str) -> str | None:
    """The class in the model's repository that auto_map names."""
    listed = found.get("auto_map")
    if isinstance(listed, list) and key == "AutoTokenizer":  # older tokenizers have the two classes alone
        value: Any = cast("list[Any]", listed)
    else:
        value = cast("dict[str, Any]", listed).get(key) if isinstance(listed, dict) else None
    if isinstance(value, list):
        value = next((one for one in cast("list[Any]", value) if one), None)
    return value if isinstance(value, str) else None


def _quantization(config: Mapping[str, Any]) -> str | None:
    found = config.get("quantization_config")
    if not isinstance(found, dict):
        return None
    return str(cast("dict[str, Any]", found).get("quant_method", "of an unknown method"))


def _size(config: Mapping[str, Any], key: str) -> int | None:
    value = config.get(key)
    return value if type(value) is int and value > 0 else None


def _switch(config: Mapping[str, Any], key: str) -> bool | None:
    value = config.get(key)
    return value if isinstance(value, bool) else None


def _words(found: Any) -> tuple[str, ...]:
    return tuple(str(one) for one in cast("list[Any]", found)) if isinstance(found, list) else ()
