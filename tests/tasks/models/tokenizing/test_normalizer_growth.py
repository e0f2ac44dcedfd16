"""A tokenizer whose normalizer makes a text longer without end is refused before it reads one."""

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.models.files import BadModel
from tasks.models.tokenizing.normalizer_growth import MOST_GROWTH, growth
from tasks.models.tokenizing.tokenizer import load_tokenizer
from tests.support.model_layouts.base_models import bert


def replace(old: str, new: str, kind: str = "String") -> dict[str, Any]:
    return {"type": "Replace", "pattern": {kind: old}, "content": new}


def sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": list(steps)}


DOUBLED = sequence(*[replace("e", "ee")] * 30)
KNOWN: list[Any] = [
    None,
    {"type": "BertNormalizer", "lowercase": True},
    replace(" ", "▁"),
    sequence({"type": "NFKC"}, replace(r"\s+", " ", "Regex"), {"type": "Lowercase"}),
    sequence(replace("``", '"'), replace("''", '"'), {"type": "NFKD"}, {"type": "StripAccents"}),
    sequence({"type": "Precompiled", "precompiled_charsmap": "x"}, replace(" {2,}", "▁", "Regex")),
]


@pytest.mark.parametrize("normalizer", KNOWN)
def test_normalizers_of_known_models_make_a_text_little_longer(normalizer: Any) -> None:
    assert growth(normalizer) <= 40


@pytest.mark.parametrize(
    "normalizer",
    [
        DOUBLED,
        sequence(DOUBLED, replace("x", "y")),
        replace("a", "b" * 10_000),
        replace("", "ab" * 1_000),
        sequence(*[replace("(?=a)", "aa", "Regex")] * 12),
    ],
)
def test_normalizers_that_grow_without_end_do_so_here(normalizer: Any) -> None:
    assert growth(normalizer) > MOST_GROWTH


def test_a_tokenizer_that_doubles_a_letter_thirty_times_is_refused(tmp_path: Path) -> None:
    bert(tmp_path)
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | {"normalizer": DOUBLED}))
    with pytest.raises(BadModel, match="makes a text 1,073,741,824 times as long"):
        load_tokenizer(str(tmp_path))
