"""Which fewer dimensions a model was trained for: by its files, by the table, or unknown."""

import json
from pathlib import Path

from launcher.throughput.matryoshka import (
    TrainedDimensions,
    parse_trained,
    trained_by_config,
    trained_dimensions,
)
from launcher.throughput.model_shapes import known


def test_every_entry_of_the_table_is_understood() -> None:
    said = [shape.matryoshka for shape in known() if shape.matryoshka]
    assert len(said) > 5
    assert all(parse_trained(text) for text in said)


def test_words_of_the_table() -> None:
    assert parse_trained("64,128") == TrainedDimensions((64, 128))
    assert parse_trained("32-1024") == TrainedDimensions(least=32, most=1024)
    assert parse_trained("up to 512") == TrainedDimensions(most=512)
    assert parse_trained("some") is None


def test_dimensions_that_are_allowed() -> None:
    assert [TrainedDimensions((64, 128)).allows(n) for n in (64, 96, 128)] == [True, False, True]
    assert [TrainedDimensions(least=32, most=512).allows(n) for n in (31, 32, 512, 513)] == [
        False,
        True,
        True,
        False,
    ]


def test_keys_of_config_json(tmp_path: Path) -> None:
    assert trained_by_config({"matryoshka_dimensions": [64, 256]}) == TrainedDimensions((64, 256))
    assert trained_by_config({"is_matryoshka": True}) == TrainedDimensions()
    assert trained_by_config({"is_matryoshka": False}) is None
    (tmp_path / "config.json").write_text(json.dumps({"is_matryoshka": True}))
    assert trained_dimensions(str(tmp_path)) == TrainedDimensions()
    assert trained_dimensions("hash") is None
    assert trained_dimensions("nomic-ai/nomic-embed-text-v1.5") == TrainedDimensions((64, 128, 256, 512, 768))
    assert trained_dimensions("sentence-transformers/all-MiniLM-L6-v2") is None
