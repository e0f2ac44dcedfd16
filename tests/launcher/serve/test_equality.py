"""Served vectors are the stored ones, for every row of a real run with a real model, cut texts included."""

import numpy as np
import pytest

from launcher.output.dataset import write_dataset
from launcher.vectors.read_dataset import Dataset, open_dataset
from tasks.engines.load import load_encoder
from tasks.protocol import manifest
from tasks.stores.folder import FolderStore
from tests.support.runs import header_of, receipts_of, shard_of, whole, write_jsonl
from tests.support.serving import embeddings, error, service_of, serving
from tests.support.workers import make_worker

pytestmark = pytest.mark.slow
TEXTS = [
    *(f"Document {n} is about {word}, and says it {n} times. " * (n % 9 + 1)
      for n, word in enumerate(["leases", "tides", "bread", "receipts", "night trains"] * 8)),
    "Ünïcödé — 日本語 text, 50 % of it", "x", "a-b_c/d.e", "word " * 600,
]  # fmt: skip


@pytest.fixture(scope="module")
def dataset(minilm: str, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("real")
    (folder / "in").mkdir()
    write_jsonl(folder / "in" / "a.jsonl", ({"id": str(n), "text": text} for n, text in enumerate(TEXTS)))
    store = FolderStore(folder / "out")
    shards = [shard_of([whole(folder / "in", "a.jsonl", "jsonl")])]
    header = header_of(folder / "in", 1, model=minilm, engine="torch", tokens=48, prompt="passage: ")
    manifest.write(store, header, shards)
    make_worker(store, header, folder / "scratch", load_encoder("torch", minilm, threads=1)).run()
    write_dataset(store, header, receipts_of(store, header))
    return open_dataset(str(folder / "out"))


def test_every_row_has_the_same_vector_alone_and_in_batches(dataset: Dataset) -> None:
    rows = dataset.reader().read_all().to_pylist()
    known = np.array([row["vector"] for row in rows], np.float32)
    texts = [TEXTS[int(str(row["id"]))] for row in rows]
    assert len(texts) == len(TEXTS)
    with serving(service_of(dataset, cache_bytes=0)) as client:
        together = np.array(embeddings(client, texts, input_type="document"), np.float32)
        alone = np.array([embeddings(client, text, input_type="document")[0] for text in texts], np.float32)
        answer = client.post("/v1/embeddings", json={"input": texts, "input_type": "document"})
    assert int(answer.headers["x-embedfleet-truncated"]) > 10
    assert float((together * known).sum(1).min()) >= 0.9999
    assert float((alone * known).sum(1).min()) >= 0.9999


def test_wrong_prompt_is_far_from_rounding(dataset: Dataset) -> None:
    rows = dataset.reader().read_all().to_pylist()
    known = np.array([row["vector"] for row in rows], np.float32)
    texts = ["passage: " + TEXTS[int(str(row["id"]))] for row in rows]
    with serving(service_of(dataset)) as client:
        found = np.array(embeddings(client, texts, input_type="document"), np.float32)
    assert float((found * known).sum(1).min()) < 0.99


def test_token_that_the_model_does_not_know_is_refused(dataset: Dataset) -> None:
    with serving(service_of(dataset)) as client:
        answer = client.post("/v1/embeddings", json={"input": [[5], [40_000]]})
    assert error(answer) == (400, "invalid_value")
    assert "the token 40,000, and the model knows 30,522" in answer.text
