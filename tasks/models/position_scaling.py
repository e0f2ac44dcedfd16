"""Rotary positions whose scale depends on the texts: what a vector then depends on beside its own text. Pure.

`longrope` takes other frequencies for all texts of a batch where one of them is longer than the model was trained on.
`dynamic` takes those of the longest text so far, also for later ones.
"""

from collections.abc import Mapping
from typing import Any, cast

from tasks.models.description import Finding

BY_LONGEST = ("longrope", "su")  # the older name of it
BY_HISTORY = ("dynamic",)
KEYS = ("rope_parameters", "rope_scaling")  # of transformers 5 and 4


def is_scaled_by_longest(config: Mapping[str, Any], limit: int | None) -> bool:
    """Whether the vector of a text depends on how long the others of its batch are; texts have at most `limit` tokens."""
    return any(_is_reached(scaling, config, limit) for scaling in _scalings(config, BY_LONGEST))


def scaling_findings(config: Mapping[str, Any], limit: int | None) -> list[Finding]:
    """Why texts of at most `limit` tokens have no vector of their own; [] where they do."""
    if not any(_is_reached(scaling, config, limit) for scaling in _scalings(config, BY_HISTORY)):
        return []
    return [
        Finding(
            "its positions are scaled by the longest text so far (rope_type dynamic in config.json), so a vector would "
            "depend on the texts before it",
            "write max_seq_length with at most max_position_embeddings of config.json into sentence_bert_config.json, "
            "and name that folder: shorter texts are not scaled",
        )
    ]


def _scalings(config: Mapping[str, Any], kinds: tuple[str, ...]) -> list[Mapping[str, Any]]:
    """The settings of these kinds, of the whole model or of a type of its layers."""
    found = [cast("dict[str, Any]", config[key]) for key in KEYS if isinstance(config.get(key), dict)]
    found += [
        cast("dict[str, Any]", inner) for one in found for inner in one.values() if isinstance(inner, dict)
    ]
    return [one for one in found if one.get("rope_type", one.get("type")) in kinds]


def _is_reached(scaling: Mapping[str, Any], config: Mapping[str, Any], limit: int | None) -> bool:
    """Whether a text may be longer than what is not scaled."""
    trained = scaling.get("original_max_position_embeddings", config.get("original_max_position_embeddings"))
    trained = config.get("max_position_embeddings") if trained is None else trained
    return limit is None or type(trained) is not int or limit > trained
