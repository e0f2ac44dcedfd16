"""Find the shape of a model: by its name, from its folder, or as a job gives it.

`data/models.csv` has the usual embedding models, each row with its source. Downloads nothing.
"""

import csv
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from io import StringIO
from pathlib import Path

from launcher.errors import Problem
from launcher.throughput.folder_shape import folder_shape
from launcher.throughput.predict import ModelShape, linear_params


def shape(name: str | Path) -> ModelShape:
    """The shape of a known model, or of the model in a folder. A folder takes precedence, as in transformers.

    Raises:
        Problem: no model of this name is known, or the folder's files cannot be used.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder_shape(folder)
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
