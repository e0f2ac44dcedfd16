"""Search with a real model: by meaning, and with the prompt that the model has for queries."""

import json
import shutil
from dataclasses import replace

import pytest

from launcher.output.dataset import write_dataset
from launcher.vectors.read_dataset import Dataset, open_dataset
from launcher.vectors.search import search
from tasks.engines.load import load_encoder
from tasks.errors import Problem
from tasks.models.fingerprint import ModelChanged
from tasks.protocol import manifest
from tasks.stores.folder import FolderStore
from tests.support.runs import header_of, receipts_of, shard_of, whole, write_jsonl
from tests.support.workers import make_worker

pytestmark = pytest.mark.slow

TEXTS = {
    "git": "Use git revert to undo the changes of a commit without rewriting history.",
    "bread": "Knead the dough for ten minutes and let it rise in a warm place.",
    "moon": "The moon causes the tides of the sea by its gravity.",
}


@pytest.fixture(scope="module")
def dataset(minilm: str, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("model")
    shutil.copytree(minilm, folder / "model")
    config = folder / "model" / "config_sentence_transformers.json"
    known: dict[str, object] = json.loads(config.read_text()) if config.exists() else {}
    config.write_text(json.dumps(known | {"prompts": {"query": "a question: ", "document": ""}}))
    (folder / "in").mkdir()
    write_jsonl(folder / "in" / "a.jsonl", ({"id": name, "text": text} for name, text in TEXTS.items()))
    store = FolderStore(folder / "out")
    shards = [shard_of([whole(folder / "in", "a.jsonl", "jsonl")])]
    header = header_of(folder / "in", 1, model=str(folder / "model"), engine="torch", dtype="float16")
    manifest.write(store, header, shards)
    encoder = load_encoder("torch", header.model, threads=1)
    make_worker(store, header, folder / "scratch", encoder).run()
    write_dataset(store, header, receipts_of(store, header))
    return open_dataset(str(folder / "out"))


def test_nearest_text_is_that_of_the_same_meaning(dataset: Dataset) -> None:
    found = search(dataset, "how can I take back what I committed?", 3)
    assert found.hits[0].id == "git"
    assert (found.prompt, found.prompt_from) == ("a question: ", "model")


def test_other_vectors_than_those_of_the_model_are_refused(dataset: Dataset) -> None:
    other = replace(dataset, header=replace(dataset.header, dimensions=64))
    with pytest.raises(Problem, match="gives 64 dimensions, and the vectors have 384"):
        search(other, "tides", 1)
    changed = replace(dataset, header=replace(dataset.header, model_fingerprint=f"sha256:{'1' * 64}"))
    with pytest.raises(ModelChanged):
        search(changed, "tides", 1)


def test_text_without_a_prompt_finds_itself(dataset: Dataset) -> None:
    found = search(dataset, TEXTS["moon"], 1, prompt="")
    assert (found.hits[0].id, found.hits[0].score > 0.9999) == ("moon", True)
