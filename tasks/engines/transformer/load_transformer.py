"""Load a transformer's weights through transformers, and refuse one of which some weights did not load.

transformers fills weights that it does not find with random numbers and says so in a log at most, so every worker would
compute other vectors. Here a missing weight is a refusal, whatever the cause: half a checkpoint, names with another
prefix, an architecture of another name. Safetensors only; code from the model's own folder only with `remote_code`.
"""
# transformers and peft are typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import re
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from safetensors import SafetensorError, safe_open

from tasks.engines.transformer.adapter import base_of, merge_adapter, without_adapter
from tasks.models.description import ModelDescription
from tasks.models.files import BadModel, model_file
from tasks.models.own_code import trust_hint

# The class of transformers that is the encoder of an encoder and decoder, by model type: as sentence-transformers does.
ENCODERS = {
    "t5": "T5EncoderModel",
    "mt5": "MT5EncoderModel",
    "umt5": "UMT5EncoderModel",
    "longt5": "LongT5EncoderModel",
}
WITH_DECODER = (
    "bart",
)  # of which sentence-transformers takes the states of the decoder: AutoModel gives them
# Buffers that older versions saved beside the weights, and that are computed when a model is built.
BUFFERS = re.compile(r"(^|\.)(position_ids|token_type_ids|inv_freq|masked_bias)$")
POOLER = re.compile(r"(^|\.)pooler\.")  # a layer for classification; vectors are made of the states before it
SHOWN_NAMES = 3


@dataclass(frozen=True, slots=True)
class LoadingInfo:
    """What transformers says about a loading: names of weights."""

    missing: frozenset[str] = frozenset()  # in the model, not in the files
    unexpected: frozenset[str] = frozenset()  # in the files, not in the model
    mismatched: frozenset[str] = frozenset()  # in both, with other shapes

    @classmethod
    def of(cls, found: Mapping[str, Iterable[Any]]) -> "LoadingInfo":
        """Read the dictionary of `from_pretrained(output_loading_info=True)`."""
        keys = ("missing_keys", "unexpected_keys", "mismatched_keys")
        return cls(*(frozenset(map(_name, found.get(key) or ())) for key in keys))


def load_transformer(model: ModelDescription, dtype: torch.dtype, *, remote_code: bool) -> Any:
    """The transformer with all of its weights, on the CPU, in this dtype, adapter merged.

    Raises:
        BadModel: weights are missing or do not fit, or the library cannot load the model; the message says what.
    """
    transformer = _load_checked(model, remote_code=remote_code, dtype=dtype)
    if model.adapter is not None:
        transformer = merge_adapter(model, transformer)
    return transformer.eval()


def check_weights(model: ModelDescription) -> None:
    """Refuse a model as `load_transformer` does, without memory for its weights.

    Raises:
        BadModel: weights are missing or do not fit.
    """
    _load_checked(model, remote_code=False, device_map="meta")


def _load_checked(model: ModelDescription, *, remote_code: bool, **options: Any) -> Any:
    """The transformer as the library loads it; refused when a part of it was not in the files."""
    base = base_of(model)
    place: dict[str, Any] = {"trust_remote_code": remote_code}
    if model.adapter is None:
        place |= {"revision": model.revision} if model.revision else {}
        place |= {"subfolder": model.folder} if model.folder else {}
    with without_adapter(base) as view, _refusals(model, view, base):
        config = transformers.AutoConfig.from_pretrained(view, **place)
        kind = _class_for(base, config)

        def load(**more: Any) -> Any:
            return kind.from_pretrained(view, config=config, use_safetensors=True, **place, **options, **more)

        try:
            loaded = load(output_loading_info=True)
        except RuntimeError:  # of shapes that differ transformers logs the names, and does not raise them
            check_loaded(model.model, LoadingInfo(mismatched=_other_shapes(model, kind, config)), set(), "")
            raise
        if isinstance(loaded, tuple):
            transformer, found = loaded
            info = LoadingInfo.of(found)
        else:  # code of the model's own, which does not say what it loaded
            transformer = loaded
            info = LoadingInfo(missing=_unstable_weights(transformer, load))
    parts = {name for name, _ in transformer.named_children()}
    check_loaded(model.model, info, parts, str(getattr(transformer, "base_model_prefix", "")))
    return transformer


def check_loaded(model: str, info: LoadingInfo, parts: set[str], prefix: str) -> None:
    """Refuse a model of which weights are missing, do not fit, or belong to layers that the class does not have.

    `parts` are the names of the model's direct children, `prefix` is what names in the files may begin with. Layers
    beside them, such as the head of a language model, are not needed.
    """
    missing = sorted(name for name in info.missing if not POOLER.search(name) and not BUFFERS.search(name))
    foreign = sorted(
        name
        for name in info.unexpected
        if name.removeprefix(f"{prefix}.").partition(".")[0] in parts and not BUFFERS.search(name)
        and not POOLER.search(name)
    )  # fmt: skip
    faults = [
        f"{what}: {len(names):,} ({', '.join(names[:SHOWN_NAMES])}{', ...' if len(names) > SHOWN_NAMES else ''})"
        for what, names in (
            ("weights that are not in its files", missing),
            ("weights of another shape than its config.json says", sorted(info.mismatched)),
            ("weights that have no place in its architecture", foreign),
        )
        if names
    ]
    if faults:
        raise BadModel(
            f"{model} cannot be computed as it was trained; {'; '.join(faults)}",
            hint="download the model again; if it comes with code of its own (auto_map in config.json), it needs"
            " `trust_remote_code: true`; else save it with the class that it was trained with",
        )


def _name(key: Any) -> str:
    return (
        str(key[0]) if isinstance(key, tuple | list) else str(key)
    )  # mismatched keys come with their shapes


def _class_for(model: str, config: Any) -> Any:
    """The class that loads a model: the encoder alone where sentence-transformers takes the encoder alone."""
    kind = str(config.model_type)
    if kind in ENCODERS:
        return getattr(transformers, ENCODERS[kind])
    if getattr(config, "is_encoder_decoder", False) and kind not in WITH_DECODER:
        raise BadModel(
            f"{model} has an encoder and a decoder, and is of the type {kind}",
            hint=f"of such models these work: {', '.join((*ENCODERS, *WITH_DECODER))}",
        )
    return transformers.AutoModel


def _unstable_weights(first: Any, load: Callable[[], Any]) -> frozenset[str]:
    """The weights that are not the same when the model is loaded again: they came from no file."""
    torch.manual_seed(torch.initial_seed() + 1)
    again = load().state_dict()
    return frozenset(
        name for name, weight in first.state_dict().items() if not _equal(weight, again.get(name))
    )


def _equal(one: torch.Tensor, other: torch.Tensor | None) -> bool:
    return other is not None and torch.equal(one.nan_to_num(), other.nan_to_num())


def _other_shapes(model: ModelDescription, kind: Any, config: Any) -> frozenset[str]:
    """The weights whose shape in the files is not that of the architecture, with both shapes."""
    with torch.device("meta"):
        made = kind.from_config(config) if hasattr(kind, "from_config") else kind(config)
    wanted = {name: list(weight.shape) for name, weight in made.state_dict().items()}
    found: set[str] = set()
    for file in model.weights.files:
        with safe_open(model_file(model.model, file, model.revision), "pt") as opened:
            for key in opened.keys():  # noqa: SIM118 - it is no mapping
                name = key.removeprefix(f"{made.base_model_prefix}.")
                shape = list(opened.get_slice(key).get_shape())
                if name in wanted and wanted[name] != shape:
                    found.add(f"{name} is {shape} and should be {wanted[name]}")
    return frozenset(found)


@contextmanager
def _refusals(model: ModelDescription, view: str, base: str) -> Generator[None]:
    """Turn what libraries and a model's own code raise into a refusal that names the model, and not the view of it."""
    try:
        yield
    except (
        OSError, ValueError, LookupError, ArithmeticError, RuntimeError, ImportError, AttributeError, TypeError,
        SafetensorError,
    ) as error:  # fmt: skip
        raise _load_failure(model, error, str(error).replace(view, base)) from error


def _load_failure(model: ModelDescription, error: Exception, text: str) -> BadModel:
    """The refusal for what a library says when it cannot load a model."""
    said = text.strip() or type(error).__name__
    if "trust_remote_code" in said:
        return BadModel(
            f"{model.model} comes with code of its own, which is not run unless you say so",
            hint=trust_hint(model.model),
        )
    if isinstance(error, ImportError):
        return BadModel(
            f"{model.model} needs packages that are not installed here: {' '.join(said.split())[:300]}",
            hint="install them where the worker runs, or name a model that needs none",
        )
    if model.adapter is not None and model.adapter.base in said:
        return BadModel(
            f"cannot load {model.adapter.base}, the base of the adapter {model.model}: {said.splitlines()[0][:300]}",
            hint="name the base by a folder or a hub id in base_model_name_or_path of adapter_config.json",
        )
    return BadModel(
        f"cannot load {model.model}: {said.splitlines()[0][:300]}",
        hint="name a model whose weights are safetensors and whose architecture the engine knows",
    )
