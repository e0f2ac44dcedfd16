"""What answers at an address is no store of its kind: another server, or a page of a proxy. No traceback, no load."""

import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from launcher.errors import Problem
from launcher.loading.connect import STORES, connect
from launcher.loading.loader import load
from launcher.sinks.targets import parse_target
from tests.support.vector_datasets import dataset_of

ANSWERS = {
    "a page": (200, "text/html", b"<html>log in</html>"),
    "a document": (200, "application/json", b'{"a": 1}'),
    "a list": (200, "application/json", b"[1]"),
    "an error": (502, "text/plain", b"bad gateway"),
    "nothing": (204, "application/json", b""),
}
KINDS = ("qdrant", "chroma", "opensearch", "elasticsearch", "weaviate", "redis", "milvus")


@pytest.fixture(params=list(ANSWERS))
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    """Host and port of a server that answers one thing to all requests."""
    status, kind, body = ANSWERS[request.param]

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = answer  # noqa: N815 - names of http.server

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server has it
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_such_store_is_a_problem(kind: str, place: str, tmp_path: Path) -> None:
    pytest.importorskip(STORES[kind][2][0])  # pyright: ignore[reportArgumentType]
    target = parse_target(f"{kind}://{place}/docs" + ("?grpc=1" if kind == "weaviate" else ""))
    with pytest.raises(Problem) as refused, closing(connect(target)) as store:
        load(dataset_of(tmp_path, 1, 3), target, store)
    assert refused.value.hint
