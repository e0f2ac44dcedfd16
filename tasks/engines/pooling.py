"""Pooling: how a vector is made of the tokens' states, by the model's sentence-transformers files, for every engine."""

import json
from typing import Literal

from tasks.engines.tokenizer import BadModel, ModelFileMissing, model_config, model_file

Pooling = Literal["mean", "cls", "last"]
POOLINGS: dict[str, Pooling] = {
    "mean": "mean",
    "cls": "cls",
    "lasttoken": "last",
}  # by their names in model folders


def pooling(model: str) -> Pooling:
    """The pooling of a model.

    Raises:
        BadModel: its pooling is not supported, or it has modules other than a transformer and a pooling.
    """
    try:
        listing = model_file(model, "modules.json")
    except ModelFileMissing:
        return "mean"  # what sentence-transformers does with a bare transformers model
    modules = {str(m["type"]).rpartition(".")[2]: m["path"] for m in json.loads(listing.read_bytes())}
    foreign = sorted(modules.keys() - {"Transformer", "Pooling", "Normalize"})
    if foreign:
        raise BadModel(
            f"{model} has modules that no engine of embedfleet computes: {', '.join(foreign)}",
            hint="choose a model that is a transformer and a pooling",
        )
    found = model_config(model, f"{modules.get('Pooling', '1_Pooling')}/config.json")
    mode = found.get("pooling_mode")  # a name or several; older folders have one switch for each mode
    asked = {mode} if isinstance(mode, str) else set(mode or ())
    asked |= {_bare(name) for name, on in found.items() if name.startswith("pooling_mode_") and on is True}
    if len(asked) != 1 or not asked <= POOLINGS.keys():
        raise BadModel(
            f"{model} wants the pooling {sorted(asked)}",
            hint="models with cls, mean or last-token pooling work",
        )
    return POOLINGS[asked.pop()]


def _bare(switch: str) -> str:
    return switch.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
