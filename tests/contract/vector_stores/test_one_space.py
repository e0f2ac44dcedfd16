"""The rows of a collection are of one model and have the same columns."""

from pathlib import Path
from typing import Any

import pytest

from launcher.errors import Problem
from launcher.loading.loader import LoadOptions, load
from launcher.loading.vector_store import VectorStore
from launcher.sinks.targets import Target
from tests.support.loaded_rows import OTHER_WEIGHTS
from tests.support.vector_datasets import dataset_of


@pytest.mark.parametrize(
    "other",
    [
        {"model_fingerprint": OTHER_WEIGHTS},
        {"model_fingerprint": None},
        {"prompt": "passage: "},
        {"precision": "fp8"},
    ],
    ids=["weights", "unknown", "prompt", "precision"],
)
def test_vectors_of_another_model_do_not_come_in(
    other: dict[str, Any], store: VectorStore, target: Target, tmp_path: Path
) -> None:
    load(dataset_of(tmp_path / "one", 1, 10), target, store)
    second = dataset_of(tmp_path / "two", 1, 10, run="run-2", **other)
    for options in (LoadOptions(), LoadOptions(since="run-2")):
        with pytest.raises(Problem, match=r"holds (another model|vectors of another)"):
            load(second, target, store, options)
    assert store.count() == 10
