"""Clients that hang up, or that do not send what they announce: what they still cost, and what others notice of it."""

import json
import socket
import threading
import time
from collections.abc import Callable, Sequence

import httpx
import pytest

from launcher.serve.app import Gate
from launcher.serve.connection_limits import ConnectionLimits
from launcher.vectors.read_dataset import Dataset, open_dataset
from tasks.engines.base import Vectors
from tests.support.serving import embeddings, service_of, serving
from tests.support.vector_runs import run_of_dtype


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(run_of_dtype(tmp_path_factory.mktemp("served"), "float32", tokens=9))


def connected(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=30)


def request(path: str, body: bytes, length: int | None = None) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body


def until(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not there():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_nothing_more_is_embedded_for_a_client_that_has_hung_up(dataset: Dataset) -> None:
    service = service_of(dataset, most_tokens=40)
    batcher = service.endpoints["run-1"].batcher
    plain, embedded, begun, go_on = batcher.encode, list[int](), threading.Event(), threading.Event()

    def encode(ids: Sequence[Sequence[int]], prompt: str) -> Vectors:
        embedded.append(len(ids))
        begun.set()
        assert go_on.wait(30)
        return plain(ids, prompt)

    batcher.encode = encode
    with serving(service) as client:
        body = json.dumps({"input": [f"text {n}" for n in range(200)]}).encode()
        with connected(client) as gone:
            gone.sendall(request("/v1/embeddings", body))
            assert begun.wait(30)
        counted = 'embedfleet_serve_request_seconds_count{path="/v1/embeddings",status="499"} 1'
        until(lambda: counted in client.get("/metrics").text)
        go_on.set()
        assert len(embeddings(client, "another text")) == 1
    first, last = embedded
    assert 0 < first < 200
    assert last == 1


def test_body_that_does_not_come_is_given_up(dataset: Dataset) -> None:
    with (
        serving(
            service_of(dataset), Gate(None, body_seconds=0.2), ConnectionLimits(linger_seconds=0.1)
        ) as client,
        connected(client) as slow,
    ):
        slow.sendall(request("/v1/embeddings", b'{"input":', length=1_000))
        with slow.makefile("rb") as answer:  # which ends, because the server closes the connection
            said = answer.read().decode()
        assert said.startswith("HTTP/1.1 408 ")
        assert "the body did not come within 0.2 seconds" in said
        assert embeddings(client, "x")


def test_search_of_a_client_that_has_hung_up_ends(dataset: Dataset) -> None:
    service = service_of(dataset)
    batcher = service.endpoints["run-1"].batcher
    plain, begun, go_on = batcher.encode, threading.Event(), threading.Event()

    def encode(ids: Sequence[Sequence[int]], prompt: str) -> Vectors:
        begun.set()
        assert go_on.wait(30)
        return plain(ids, prompt)

    batcher.encode = encode
    with serving(service) as client:
        with connected(client) as gone:
            gone.sendall(request("/search", b'{"query": "a text"}'))
            assert begun.wait(30)
        counted = 'embedfleet_serve_request_seconds_count{path="/search",status="499"} 1'
        until(lambda: counted in client.get("/metrics").text)
        go_on.set()
        assert client.post("/search", json={"query": "a text"}).status_code == 200
