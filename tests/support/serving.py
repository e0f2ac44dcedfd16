"""A server of `embedfleet serve` in this process, on a free port of loopback."""

import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from launcher.serve.app import Gate, make_app
from launcher.serve.batching import MicroBatcher
from launcher.serve.caches.semantic_cache import SemanticCache
from launcher.serve.caches.vector_cache import SharedCache, VectorCache
from launcher.serve.connection_limits import ConnectionLimits
from launcher.serve.routing import Rule, router
from launcher.serve.search_index import SearchIndex
from launcher.serve.serve_metrics import ServeMetrics
from launcher.serve.served_run import load_served_run
from launcher.serve.server import bind, make_server
from launcher.serve.service import Endpoint, Service
from launcher.vectors.query_encoder import InputType
from launcher.vectors.read_dataset import Dataset
from launcher.vectors.search import Hit


def service_of(
    *datasets: Dataset,
    cache_bytes: int = 2**20,
    shared: SharedCache | None = None,
    rules: tuple[Rule, ...] = (),
    default_type: InputType = "query",
    semantic: float | None = None,
    **batching: Any,
) -> Service:
    """The service of some datasets, as the command makes it."""
    metrics = ServeMetrics()

    def endpoint(dataset: Dataset) -> Endpoint:
        run = load_served_run(dataset, threads=1)
        batcher = MicroBatcher(
            run.encoder.encode, observe=lambda pieces: metrics.batch(dataset.run, pieces), **batching
        )
        similar = None if semantic is None else SemanticCache[tuple[Hit, ...]](semantic, run.dimensions)
        return Endpoint(run, batcher, SearchIndex(dataset), similar)

    endpoints = {one.run: endpoint(one) for one in datasets}
    return Service(
        endpoints, router(list(endpoints), rules), VectorCache(cache_bytes, shared), metrics, default_type
    )


@contextmanager
def running(app: Any, limits: ConnectionLimits | None = None) -> Generator[httpx.Client, None, None]:
    """A client of an application that is served meanwhile."""
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = make_server(app, limits)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    end = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < end
        time.sleep(0.01)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


@contextmanager
def serving(
    service: Service, gate: Gate | None = None, limits: ConnectionLimits | None = None
) -> Generator[httpx.Client, None, None]:
    """A client of a service."""
    with running(make_app(service, gate or Gate(None)), limits) as client:
        yield client


def embeddings(client: httpx.Client, given: object, **fields: object) -> list[list[float]]:
    """The vectors that the server gives."""
    answer = client.post("/v1/embeddings", json={"input": given, **fields})
    assert answer.status_code == 200, answer.text
    body: Mapping[str, Any] = answer.json()
    return [row["embedding"] for row in body["data"]]


def error(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of an OpenAI error."""
    return answer.status_code, answer.json()["error"]["code"]
