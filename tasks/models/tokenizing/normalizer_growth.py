"""How much longer the normalizer of a tokenizer may make a text. Pure.

A tokenizer.json may replace a character by several, and each step works on what the one before it made: thirty steps that
double a letter make a gigabyte of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

MOST_GROWTH = 1_000.0  # of a text by all steps; those of known models make it a few times as long
UNICODE_GROWTH = 18.0  # characters that NFKD makes of one, at most
UNICODE_FORMS = ("NFD", "NFKD", "NFKC")


def growth(normalizer: Any) -> float:
    """How many times as long a text can be behind a normalizer, as tokenizer.json describes it."""
    if not isinstance(normalizer, Mapping):
        return 1.0
    step = cast("Mapping[str, Any]", normalizer)
    if step.get("type") == "Sequence":
        product = 1.0
        for one in cast("Sequence[Any]", step.get("normalizers") or ()):
            product *= growth(one)
        return product
    if step.get("type") == "Replace":
        return _of_replacement(step)
    return UNICODE_GROWTH if step.get("type") in UNICODE_FORMS else 1.0


def _of_replacement(step: Mapping[str, Any]) -> float:
    """A pattern that may be empty is found between all characters, and then these stay, too."""
    content = len(str(step.get("content", "")))
    pattern = step.get("pattern")
    replaced = (
        len(str(cast("Mapping[str, Any]", pattern).get("String", ""))) if isinstance(pattern, Mapping) else 0
    )
    return max(1.0, content / replaced) if replaced else content + 1.0
