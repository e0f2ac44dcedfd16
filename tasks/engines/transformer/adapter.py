"""Merge a PEFT adapter into its base model, so that an engine computes one plain model.

Safetensors only. An adapter of which a weight has no place, or that lacks one, belongs to another base: it is refused.
"""
# peft is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import importlib.util
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors import SafetensorError, safe_open

from tasks.models.description import ModelDescription
from tasks.models.files import BadModel, ModelFileMissing, model_file

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def base_of(model: ModelDescription) -> str:
    """The model that holds the weights: the base of an adapter, else the model itself.

    Raises:
        BadModel: the folder of the adapter holds weights as well, and the adapter names another base; or its base is an
            adapter.
    """
    if model.adapter is None:
        return model.model
    folder = Path(model.model) / model.folder
    beside = bool(model.weights.files) and (folder / "config.json").is_file()
    if not beside:
        base = Path(model.adapter.base)
        if (base / CONFIG).is_file() and not (base / "config.json").is_file():
            raise BadModel(
                f"{base}, the base of the adapter {model.model}, is an adapter itself",
                hint="merge them into one model: `model.merge_and_unload()`, then `save_pretrained`",
            )
        return model.adapter.base
    if not _same(folder, model.adapter.base):
        raise BadModel(
            f"{model.model} holds weights, and beside them an adapter on {model.adapter.base}: one of them is wrong",
            hint="delete adapter_config.json if the weights are merged already, or the weights if they are not the base",
        )
    return str(folder)


@contextmanager
def without_adapter(base: str) -> Generator[str]:
    """A view of a folder without its adapter, which transformers would apply, but only where peft is installed."""
    folder = Path(base)
    if not (folder / CONFIG).is_file():
        yield base
        return
    with TemporaryDirectory(prefix="embedfleet-base-") as view:
        for entry in folder.iterdir():
            if not entry.name.startswith("adapter_"):
                Path(view, entry.name).symlink_to(entry.resolve())
        yield view


def merge_adapter(model: ModelDescription, transformer: Any) -> Any:
    """The transformer with the model's adapter in its weights.

    Raises:
        BadModel: peft is not installed, or the adapter does not fit the base.
    """
    adapter = model.adapter
    assert adapter is not None
    if importlib.util.find_spec("peft") is None:
        raise BadModel(
            f"{model.model} is an adapter on {adapter.base}, and peft is not installed here",
            hint="pip install 'embedfleet[worker]', or merge it: `model.merge_and_unload()`, then `save_pretrained`",
        )
    from peft import PeftConfig, PeftModel, get_peft_model_state_dict  # noqa: PLC0415 - seconds to import, rarely needed

    saved = _names(model)
    folder = os.fspath(_file(model, CONFIG).parent)
    try:
        config: Any = PeftConfig.from_pretrained(folder)
        config.task_type = None  # the states of tokens are wanted, whatever head it was trained with
        merged: Any = PeftModel.from_pretrained(transformer, folder, config=config, is_trainable=False)
        placed: set[str] = set(get_peft_model_state_dict(merged))
        strange = sorted(saved ^ placed)
        if strange:
            raise _misfit(model, f"{len(strange):,} weights have no counterpart, such as {strange[0]}")
        return merged.merge_and_unload(safe_merge=True)
    except (ValueError, KeyError, RuntimeError, TypeError, AttributeError) as error:  # of peft and torch
        raise _misfit(model, " ".join(str(error).split())[:300] or type(error).__name__) from error


def _file(model: ModelDescription, name: str) -> Path:
    """A file of the adapter, which lies where the transformer would."""
    return model_file(model.model, f"{model.folder}/{name}" if model.folder else name, model.revision)


def _names(model: ModelDescription) -> set[str]:
    """The names of the adapter's weights in its file."""
    try:
        with safe_open(_file(model, WEIGHTS), "pt") as file:
            return set(file.keys())
    except ModelFileMissing as error:
        raise BadModel(
            f"the adapter {model.model} has no {WEIGHTS}",
            hint="load it with peft and save it again: `save_pretrained(FOLDER)` writes safetensors",
        ) from error
    except (SafetensorError, OSError) as error:
        raise BadModel(
            f"cannot read {WEIGHTS} of {model.model}: {error}", hint="download or copy the model again"
        ) from error


def _misfit(model: ModelDescription, why: str) -> BadModel:
    assert model.adapter is not None
    return BadModel(
        f"the adapter {model.model} does not fit its base {model.adapter.base}: {why}",
        hint="name the base that it was trained on as base_model_name_or_path in adapter_config.json",
    )


def _same(folder: Path, base: str) -> bool:
    other = Path(base)
    return other.is_dir() and other.resolve() == folder.resolve()
