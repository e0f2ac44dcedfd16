"""A worker as a published showcase builds it, to be measured against: an engine behind HTTP, and a client that waits.

    python -m benchmarks.naive MODEL TEXTS.json TOKENS OUT

Texts go in batches of 32 as they come, as JSON; vectors come back as JSON numbers; every 100 texts are a checkpoint
in Parquet. The model, its precision and its threads are those of the engine that we use, so the difference is the way
the work is done. Prints one JSON object.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import json
import sys
import threading
import time
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from tasks.embed import load
from tasks.tokens import Cut, pieces

BATCH = 32
CHECKPOINT = 100


def handler(encoder: Any) -> type[BaseHTTPRequestHandler]:
    """Answers POST {"input": [texts]} with {"data": [{"embedding": [...]}]}, one padded batch a request."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = pieces(encoder.words, order["input"], Cut(256))
            with torch.inference_mode():
                vectors = encoder._batch([p.ids[0] for p in found]).float().numpy()  # noqa: SLF001 - as they come
            body = json.dumps({"data": [{"embedding": vector.tolist()} for vector in vectors]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    return Handler


def main() -> None:
    model, texts_file, tokens, out = sys.argv[1:]
    texts: list[str] = json.loads(Path(texts_file).read_text(encoding="utf-8"))
    encoder: Any = load("torch", model, 2)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(encoder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = HTTPConnection("127.0.0.1", server.server_port)
    start = time.perf_counter()
    rows: list[list[float]] = []
    for first in range(0, len(texts), BATCH):
        client.request("POST", "/v1/embeddings", json.dumps({"input": texts[first : first + BATCH]}))
        answer = json.loads(client.getresponse().read())
        rows += [entry["embedding"] for entry in answer["data"]]
        while len(rows) >= CHECKPOINT:
            checkpoint(Path(out), rows[:CHECKPOINT], first)
            rows = rows[CHECKPOINT:]
    checkpoint(Path(out), rows, len(texts))
    wall = time.perf_counter() - start
    server.shutdown()
    print(json.dumps({"tokens_per_second": int(tokens) / wall}))


def checkpoint(out: Path, rows: list[list[float]], number: int) -> None:
    """One file of Parquet."""
    out.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"vector": pa.array(rows)}), out / f"{number}.parquet")


if __name__ == "__main__":
    main()
