"""A job's model: a folder, or a hub id."""

from pathlib import Path

import pytest

from launcher.errors import Usage
from launcher.jobs.model_reference import resolve


@pytest.mark.parametrize("model", ["models/nope", "./nope", "/no/such/model", "a/b/c"])
def test_path_of_a_missing_folder_is_not_taken_for_a_hub_id(model: str, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with pytest.raises(Usage, match="no model folder at"):
        resolve(model, tmp_path)


def test_file_is_not_taken_for_a_hub_id(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(Usage, match="is a file"):
        resolve("model.safetensors", tmp_path)


def test_hub_id_stays_a_hub_id(tmp_path: Path) -> None:
    assert resolve("BAAI/bge-small-en-v1.5", tmp_path) == "BAAI/bge-small-en-v1.5"


def test_folder_beside_the_job_file_becomes_its_full_path(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert resolve("mine", tmp_path) == str(tmp_path / "mine")


def test_folder_named_hash_is_still_the_hash_engine(tmp_path: Path) -> None:
    (tmp_path / "hash").mkdir()
    assert resolve("hash", tmp_path) == "hash"


@pytest.mark.parametrize(
    "model",
    ["a/b/c", "nope/", "C:\\models\\nope", "my model/nope", "org/model@main", "-x/y", "n" * 300, "a\0b"],
)
def test_name_that_the_hub_cannot_have_is_refused_without_asking_it(model: str, tmp_path: Path) -> None:
    with pytest.raises(Usage, match="no model folder at"):
        resolve(model, tmp_path)


@pytest.mark.parametrize(
    "model", ["./models/all-minilm-l6-v2", "models/all-MiniLM-L6", "./model/all-MiniLM-L6-v2"]
)
def test_refusal_names_the_folder_that_is_like_it(model: str, tmp_path: Path) -> None:
    (tmp_path / "models" / "all-MiniLM-L6-v2").mkdir(parents=True)
    with pytest.raises(Usage) as caught:
        resolve(model, tmp_path)
    assert str(tmp_path / "models") in caught.value.hint
