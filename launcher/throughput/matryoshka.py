"""The fewer dimensions that a model was trained for (Matryoshka): by its own config.json, else by data/models.csv."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from launcher.throughput.model_shapes import known
from tasks.models.files import HASH_MODEL, BadModel, ModelFiles


@dataclass(frozen=True, slots=True)
class TrainedDimensions:
    """`exactly` these, or all between `least` and `most`."""

    exactly: tuple[int, ...] = ()
    least: int = 1
    most: int | None = None

    def allows(self, dimensions: int) -> bool:
        """Whether vectors may be shortened to so many dimensions."""
        if self.exactly:
            return dimensions in self.exactly
        return self.least <= dimensions and (self.most is None or dimensions <= self.most)


def trained_dimensions(model: str) -> TrainedDimensions | None:
    """What is known of a model; None: nothing says that its vectors may be shortened."""
    if model == HASH_MODEL:
        return None
    try:
        found = trained_by_config(ModelFiles(model).json("config.json"))
    except BadModel:  # the hub is not reachable
        found = None
    if found is not None:
        return found
    said = next((shape.matryoshka for shape in known() if shape.name == model), None)
    return None if said is None else parse_trained(said)


def trained_by_config(config: Mapping[str, Any]) -> TrainedDimensions | None:
    """The trained dimensions by the keys that vLLM reads."""
    listed = config.get("matryoshka_dimensions")
    if isinstance(listed, list):
        numbers = tuple(n for n in cast("list[Any]", listed) if type(n) is int and n > 0)
        if numbers:
            return TrainedDimensions(numbers)
    return TrainedDimensions() if config.get("is_matryoshka") is True else None


def parse_trained(text: str) -> TrainedDimensions | None:
    """The trained dimensions by the words of the table: `64,128`, `32-1024`, or `up to 512`."""
    if found := re.fullmatch(r"(\d+)-(\d+)", text):
        return TrainedDimensions(least=int(found[1]), most=int(found[2]))
    if found := re.fullmatch(r"up to (\d+)", text):
        return TrainedDimensions(most=int(found[1]))
    numbers = tuple(int(word) for word in text.split(",") if word.strip().isdecimal())
    return TrainedDimensions(numbers) if numbers else None
