"""A worker as a published showcase builds it, to be measured against: an engine behind HTTP, and a client that waits.

    python -m benchmarks.naive torch|sentence-transformers MODEL TEXTS.json TOKENS OUT

Texts go in batches of 32 as they come, as JSON; vectors come back as JSON numbers; every 100 texts are a checkpoint
in Parquet. With `torch`, the engine, its precision and its threads are those that we use, so the difference is the way
the work is done; with `sentence-transformers` it is what somebody writes who has none of ours, in float32. Prints one
JSON object.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from tasks.engines.load import load_encoder
from tasks.models.tokenizing.pieces import ChunkSpec, split_texts

BATCH = 32
CHECKPOINT = 100


Encode = Callable[[list[str]], "np.ndarray[Any, Any]"]  # texts to float32 vectors, one padded batch


def ours(model: str, threads: int) -> Encode:
    """Our engine, without its sorting by length."""
    encoder: Any = load_encoder("torch", model, threads)

    def encode(texts: list[str]) -> "np.ndarray[Any, Any]":
        found = split_texts(encoder.tokenizer, texts, ChunkSpec(256))
        with torch.inference_mode():
            return encoder._batch([p.ids[0] for p in found]).float().numpy()  # noqa: SLF001 - as they come

    return encode


def usual(model: str, threads: int) -> Encode:
    """sentence-transformers, with its defaults but for the batch."""
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    encoder: Any = SentenceTransformer(model, device="cpu")
    return lambda texts: encoder.encode(texts, batch_size=BATCH, show_progress_bar=False)


def handler(encode: Encode) -> type[BaseHTTPRequestHandler]:
    """Answers POST {"input": [texts]} with {"data": [{"embedding": [...]}]}."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            vectors = encode(order["input"])
            body = json.dumps({"data": [{"embedding": vector.tolist()} for vector in vectors]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    return Handler


def main() -> None:
    engine, model, texts_file, tokens, out = sys.argv[1:]
    texts: list[str] = json.loads(Path(texts_file).read_text(encoding="utf-8"))
    encode = {"torch": ours, "sentence-transformers": usual}[engine](model, len(os.sched_getaffinity(0)))
    encode(texts[:BATCH])
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(encode))
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
