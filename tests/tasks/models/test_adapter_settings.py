"""Adapters are refused by their settings, before any weight is read."""

import pytest

from tasks.models.adapter_settings import adapter_findings


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"peft_type": "VERA"}, "of the kind VERA, and sentence-transformers cannot load it"),
        ({"peft_type": "PREFIX_TUNING"}, "of the kind PREFIX_TUNING, which cannot be merged"),
        ({"peft_type": "LORA", "use_dora": True}, "with use_dora"),
    ],
)
def test_adapter_whose_vectors_are_not_those_of_the_reference_is_refused(
    settings: dict[str, object], said: str
) -> None:
    (finding,) = adapter_findings(settings)
    assert said in str(finding)


def test_compared_adapter_is_not_refused() -> None:
    assert adapter_findings({"peft_type": "LORA", "r": 4, "use_dora": False}) == []
