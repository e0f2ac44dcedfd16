"""The server over HTTP: OpenAI's API, prompts, caches, limits, keys, and errors as OpenAI has them."""

import base64
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from launcher.serve.app import Gate
from launcher.serve.routing import Rule
from launcher.vectors.read_dataset import Dataset, open_dataset
from tasks.engines.base import Vectors
from tests.support.serving import embeddings, error, service_of, serving
from tests.support.vector_runs import run_of_dtype


def text_of(name: str) -> str:
    return " ".join(f"{name}w{w}" for w in range(12))  # as `tests.support.runs.corpus` writes it


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("served")
    return open_dataset(run_of_dtype(folder, "float32", prompt="passage ", query_prompt="query ", tokens=9))


@pytest.fixture
def client(dataset: Dataset) -> Iterator[httpx.Client]:
    with serving(service_of(dataset)) as found:
        yield found


def stored(dataset: Dataset) -> dict[str, list[float]]:
    table = dataset.reader().read_all().to_pylist()
    return {str(row["id"]): list(row["vector"]) for row in table}


def test_served_vectors_are_those_of_the_run(client: httpx.Client, dataset: Dataset) -> None:
    known = stored(dataset)
    found = embeddings(client, [text_of(name) for name in known], model="run-1", input_type="document")
    assert np.allclose(found, list(known.values()), atol=1e-7)
    as_query = embeddings(client, text_of("0-1"))  # a query unless it is said otherwise
    assert not np.allclose(as_query[0], known["0-1"])
    assert as_query == embeddings(client, text_of("0-1"), input_type="search_query")


def test_answer_has_the_form_of_openai(client: httpx.Client) -> None:
    answer = client.post(
        "/v1/embeddings", json={"input": "one two", "model": "run-1", "input_type": "document"}
    )
    body = answer.json()
    assert list(body) == ["object", "data", "model", "usage"]
    assert (body["object"], body["model"], body["data"][0]["object"], body["data"][0]["index"]) == (
        "list", "run-1", "embedding", 0,
    )  # fmt: skip
    assert body["usage"] == {
        "prompt_tokens": 5,
        "total_tokens": 5,
    }  # two words, the prompt, two special tokens
    assert answer.headers["x-embedfleet-input-type"] == "document"
    assert answer.headers["cache-control"] == "no-store"
    models = client.get("/v1/models").json()["data"]
    assert [(one["id"], one["dimensions"], one["max_tokens"]) for one in models] == [("run-1", 32, 9)]
    assert models[0]["prompts"] == {"query": "query ", "document": "passage "}
    assert client.get("/v1/models/run-1").json() == client.get("/v1/models/auto").json() == models[0]
    assert client.get("/health").json() == {"status": "ok"}


def test_base64_holds_the_same_numbers(client: httpx.Client) -> None:
    plain = embeddings(client, ["one", "two"])
    answer = client.post("/v1/embeddings", json={"input": ["one", "two"], "encoding_format": "base64"}).json()
    decoded = [np.frombuffer(base64.b64decode(row["embedding"]), "<f4").tolist() for row in answer["data"]]
    assert decoded == plain


def test_long_texts_are_cut_and_token_ids_are_taken_as_they_are(client: httpx.Client) -> None:
    answer = client.post("/v1/embeddings", json={"input": "w " * 50, "input_type": "document"})
    assert (answer.headers["x-embedfleet-truncated"], answer.json()["usage"]["prompt_tokens"]) == ("1", 9)
    assert embeddings(client, [1, 5, 6, 2]) == embeddings(client, [[1, 5, 6, 2]])
    long = client.post("/v1/embeddings", json={"input": [1] * 10})
    assert (error(long), "at most 9" in long.text) == ((400, "invalid_value"), True)


def test_cache_gives_the_same_bytes_and_counts(dataset: Dataset) -> None:
    service = service_of(dataset)
    with serving(service) as client:
        first = client.post("/v1/embeddings", json={"input": ["a b", "c"]})
        again = client.post("/v1/embeddings", json={"input": ["c", "a b", "d"]})
        assert again.headers["x-embedfleet-cached"] == "2"
        rows = [row["embedding"] for row in again.json()["data"]]
        assert rows[:2] == [row["embedding"] for row in first.json()["data"]][::-1]
        document = client.post("/v1/embeddings", json={"input": "c", "input_type": "document"})
        assert document.headers["x-embedfleet-cached"] == "0"  # another prompt is another vector
        page = client.get("/metrics").text
    assert 'embedfleet_serve_cache_hits_total{cache="memory"} 2' in page
    assert 'embedfleet_serve_cache_misses_total{cache="memory"} 4' in page
    assert 'embedfleet_serve_request_seconds_count{path="/v1/embeddings",status="200"} 3' in page
    assert 'embedfleet_serve_batch_size_count{run="run-1"} 3' in page


def test_one_text_twice_in_a_request_is_embedded_once(dataset: Dataset) -> None:
    service = service_of(dataset)
    with serving(service) as client:
        found = embeddings(client, ["same", "other", "same"])
        assert found[0] == found[2] != found[1]
        assert 'embedfleet_serve_batch_size_sum{run="run-1"} 2' in client.get("/metrics").text


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("no json", (400, "invalid_json")),
        ("[]", (400, "invalid_json")),
        ("{}", (400, "invalid_value")),
        ('{"input": ""}', (400, "invalid_value")),
        ('{"input": []}', (400, "invalid_value")),
        ('{"input": ["a", 1]}', (400, "invalid_value")),
        ('{"input": [[1], []]}', (400, "invalid_value")),
        ('{"input": [1, -2]}', (400, "invalid_value")),
        ('{"input": "a", "dimensions": 0}', (400, "invalid_value")),
        ('{"input": "a", "dimensions": 64}', (400, "invalid_value")),
        ('{"input": "a", "dimensions": 16}', (400, "invalid_value")),
        ('{"input": "a", "encoding_format": "hex"}', (400, "invalid_value")),
        ('{"input": "a", "encoding_format": {}}', (400, "invalid_value")),
        ('{"input": "a", "encoding_format": ""}', (400, "invalid_value")),
        ('{"input": "a", "input_type": "poem"}', (400, "invalid_value")),
        ('{"input": "a", "input_type": []}', (400, "invalid_value")),
        ('{"input": "a", "model": 1}', (400, "invalid_value")),
        ('{"input": "a", "model": "gpt"}', (404, "model_not_found")),
        (json.dumps({"input": ["a"] * 2_049}), (400, "invalid_value")),
    ],
)
def test_wrong_requests_get_errors_of_openai(
    body: str, expected: tuple[int, str], client: httpx.Client
) -> None:
    answer = client.post("/v1/embeddings", content=body, headers={"content-type": "application/json"})
    assert error(answer) == expected
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_other_paths_methods_and_kinds_are_refused(client: httpx.Client) -> None:
    assert error(client.get("/v1/nothing")) == (404, "not_found")
    assert error(client.get("/v1/models/nothing")) == (404, "model_not_found")
    assert error(client.delete("/v1/models/run-1")) == (405, "method_not_allowed")
    refused = client.get("/v1/embeddings")
    assert (error(refused), "send POST" in refused.text) == ((405, "method_not_allowed"), True)
    for method in ("OPTIONS", "TRACE", "BREW"):
        assert error(client.request(method, "/v1/embeddings")) == (405, "method_not_allowed")
    assert client.request("BREW", "/search", headers={"host": "evil.example"}).status_code == 403
    form = client.post("/v1/embeddings", content="{}", headers={"content-type": "text/plain"})
    assert error(form) == (415, "unsupported_media_type")


def test_body_that_is_too_large_is_refused(dataset: Dataset) -> None:
    def parts() -> Iterator[bytes]:
        yield from (b" " * 1_000 for _ in range(4))

    with serving(service_of(dataset), Gate(None, most_body_bytes=2_000)) as client:
        assert error(client.post("/v1/embeddings", json={"input": "x" * 3_000})) == (413, "too_large")
        chunked = client.post("/v1/embeddings", content=parts(), headers={"content-type": "application/json"})
        assert error(chunked) == (413, "too_large")
        assert embeddings(client, "x")


def test_key_is_asked_for_and_foreign_hosts_are_refused_without_one(dataset: Dataset) -> None:
    with serving(service_of(dataset), Gate("a key of some letters")) as client:
        assert error(client.post("/v1/embeddings", json={"input": "x"})) == (401, "invalid_api_key")
        wrong = client.get("/metrics", headers={"authorization": "Bearer other"})
        assert error(wrong) == (401, "invalid_api_key")
        right = {"authorization": "Bearer a key of some letters"}
        assert client.post("/v1/embeddings", json={"input": "x"}, headers=right).status_code == 200
        assert client.get("/health").status_code == 200
    with serving(service_of(dataset)) as client:
        assert error(client.get("/v1/models", headers={"host": "evil.example"})) == (403, "foreign_host")
        assert client.get("/v1/models", headers={"host": "localhost:1"}).status_code == 200


def slow(service: Any, seconds: float) -> None:
    """Make the engine of a service take its time."""
    for endpoint in service.endpoints.values():
        plain = endpoint.batcher.encode

        def encode(ids: Sequence[Sequence[int]], prompt: str, plain: Any = plain) -> Vectors:
            time.sleep(seconds)
            return plain(ids, prompt)

        endpoint.batcher.encode = encode


def test_clients_at_once_share_batches(dataset: Dataset) -> None:
    service = service_of(dataset)
    slow(service, 0.2)
    with serving(service) as client, ThreadPoolExecutor(16) as pool:

        def ask(text: str) -> list[list[float]]:
            return embeddings(client, text)

        start = time.monotonic()
        found = list(pool.map(ask, [f"text {n}" for n in range(16)]))
        took = time.monotonic() - start
        page = client.get("/metrics").text
    assert len({tuple(row[0]) for row in found}) == 16
    assert took < 16 * 0.2 / 2
    batches = next(line for line in page.splitlines() if line.startswith("embedfleet_serve_batch_size_count"))
    assert int(batches.rpartition(" ")[2]) < 8


def test_full_queue_and_slow_engine_are_said(dataset: Dataset) -> None:
    service = service_of(dataset, most_waiting=2)
    slow(service, 0.5)
    with serving(service) as client, ThreadPoolExecutor(8) as pool:

        def ask(text: str) -> httpx.Response:
            return client.post("/v1/embeddings", json={"input": text})

        answers = list(pool.map(ask, [f"t {n}" for n in range(8)]))
    refused = [one for one in answers if one.status_code != 200]
    assert 0 < len(refused) < 8
    assert {error(one) for one in refused} == {(429, "queue_full")}
    assert {one.headers["retry-after"] for one in refused} == {"1"}
    service = service_of(dataset, timeout=0.1)
    slow(service, 0.5)
    with serving(service) as client:
        assert error(client.post("/v1/embeddings", json={"input": "t"})) == (504, "timeout")


def test_engine_that_fails_is_an_error_of_one_request(
    dataset: Dataset, capfd: pytest.CaptureFixture[str]
) -> None:
    service = service_of(dataset)
    batcher = service.endpoints["run-1"].batcher
    plain = batcher.encode
    calls = iter(range(10))

    def encode(ids: Sequence[Sequence[int]], prompt: str) -> Vectors:
        if next(calls) == 0:
            raise RuntimeError("of the engine")
        return plain(ids, prompt)

    batcher.encode = encode
    with serving(service) as client:
        assert error(client.post("/v1/embeddings", json={"input": "t"})) == (500, "server_error")
        assert embeddings(client, "t")
    assert "of the engine" in capfd.readouterr().err


def test_several_runs_by_model_and_by_rules(dataset: Dataset, tmp_path: Path) -> None:
    other = open_dataset(run_of_dtype(tmp_path, "float16", "law-1", query_prompt="ask "))
    with serving(service_of(dataset, other, rules=(Rule("domain", "law", "law-1"),))) as client:
        assert {one["id"] for one in client.get("/v1/models").json()["data"]} == {"run-1", "law-1"}

        def answered(**fields: object) -> str:
            return client.post("/v1/embeddings", json={"input": "x", **fields}).json()["model"]

        assert [answered(), answered(model="law-1"), answered(model="auto", domain="law")] == [
            "run-1",
            "law-1",
            "law-1",
        ]
        assert answered(model="auto", domain="sport") == "run-1"
        assert embeddings(client, "x", model="run-1") != embeddings(client, "x", model="law-1")


def test_search_is_that_of_the_command(client: httpx.Client, dataset: Dataset) -> None:
    from launcher.vectors.search import search

    body = client.post("/search", json={"query": text_of("1-4"), "k": 4}).json()
    expected = search(dataset, text_of("1-4"), 4)
    assert [(hit["id"], hit["chunk"]) for hit in body["hits"]] == [
        (hit.id, hit.chunk) for hit in expected.hits
    ]
    assert [hit["score"] for hit in body["hits"]] == pytest.approx(
        [hit.score for hit in expected.hits], abs=1e-5
    )
    assert (body["prompt"], body["prompt_from"], body["vectors"]) == ("query ", "manifest", 30)
    assert error(client.post("/search", json={"query": " "})) == (400, "invalid_value")
    assert error(client.post("/search", json={"query": "x", "k": 0})) == (400, "invalid_value")


def test_hits_have_the_texts_that_the_run_keeps_and_no_hashes(tmp_path: Path) -> None:
    output = run_of_dtype(
        tmp_path, "float32", text_hash=True, hash_as_text=True, keep=("text", "n"), query_prompt=""
    )
    with serving(service_of(open_dataset(output))) as client:
        (hit,) = client.post("/search", json={"query": text_of("1-4"), "k": 1}).json()["hits"]
    assert (hit["id"], hit["text"], hit["text_missing"]) == ("1-4", text_of("1-4"), None)
    assert hit["kept"].keys() == {"text", "n"}


def test_similar_queries_share_results_where_that_is_asked_for(dataset: Dataset) -> None:
    with serving(service_of(dataset, semantic=-1.0)) as client:  # every query is like every other
        first = client.post("/search", json={"query": "one", "k": 3}).json()["hits"]
        second = client.post("/search", json={"query": "two", "k": 3}).json()["hits"]
        assert first == second
        more = client.post("/search", json={"query": "two", "k": 5}).json()["hits"]
        assert len(more) == 5
        assert 'embedfleet_serve_cache_hits_total{cache="semantic"}' in client.get("/metrics").text


def test_dimensions_are_honoured_where_the_model_was_trained_for_them(dataset: Dataset) -> None:
    from launcher.throughput.matryoshka import TrainedDimensions

    service = service_of(dataset)
    endpoint = service.endpoints["run-1"]
    trained = replace(endpoint.run, trained=TrainedDimensions((16,)))
    service.endpoints = {"run-1": replace(endpoint, run=trained)}
    with serving(service) as client:
        whole = np.array(embeddings(client, "a b c")[0])
        short = np.array(embeddings(client, "a b c", dimensions=16)[0])
        assert np.allclose(short, whole[:16] / np.linalg.norm(whole[:16]), atol=1e-6)
        assert error(client.post("/v1/embeddings", json={"input": "a", "dimensions": 8})) == (
            400,
            "invalid_value",
        )
