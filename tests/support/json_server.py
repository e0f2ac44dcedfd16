"""A server of JSON over HTTP on loopback for wire fakes of services, with faults on its writes.

A service is a module with `Service`: `answer(method, path, query, body)` returns the document and headers of an answer.
"""

import json
import os
import socket
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

from tests.support.faults import Fault, Faults
from tests.support.server_process import server_process

Json = dict[str, Any]
Headers = dict[str, str]


REFUSED_BEFORE: Mapping[Fault, tuple[int, str]] = {
    "busy": (429, "too many requests"),
    "unavailable": (503, "unavailable"),
}
REFUSED_BEHIND: Mapping[Fault, tuple[int, str]] = {"partial": (500, "half of it is done")}


class RefusedError(Exception):
    """A status other than 200."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


class Service(Protocol):
    """What a fake knows of its service."""

    def is_write(self, method: str, path: list[str]) -> bool:
        """Whether a request changes rows, so that a fault may meet it."""
        ...

    def half(self, body: Json) -> Json:
        """A write of half of its rows."""
        ...

    def answer(
        self, method: str, path: list[str], query: dict[str, list[str]], body: Json
    ) -> tuple[Any, Headers]:
        """The document of a request, and headers."""
        ...

    def refusal(self, status: int, said: str) -> Json:
        """The document of an error."""
        ...


@contextmanager
def running(module: str, *words: str) -> Generator[str, None, None]:
    """The address of an empty server, which ends with this process."""
    # not by -m: this module would be there twice, and its errors be of two classes
    start = "from tests.support.json_server import main; main()"
    command = [sys.executable, "-c", start, module, *words]
    with server_process(command) as ports:
        yield f"http://127.0.0.1:{ports[0]}"


def order(address: str, *faults: Fault) -> None:
    """Faults that the next writes are to meet."""
    _ask(f"{address}/faults", json.dumps(faults).encode())


def orders_left(address: str) -> int:
    """How many of them no write has met yet."""
    return int(_ask(f"{address}/faults", b"[]")["left"])


def _ask(url: str, body: bytes) -> Json:
    with urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=30) as found:
        return json.loads(found.read())


class Handler(BaseHTTPRequestHandler):
    """Requests of one connection."""

    protocol_version = "HTTP/1.1"
    service: Service
    faults = Faults()

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body: Any = json.loads(self.rfile.read(length) or b"{}")
        parts = urlsplit(self.path)
        path = [part for part in parts.path.split("/") if part]
        if path == ["faults"]:
            self.faults.add(*body)
            self.say(200, {"left": self.faults.left()}, {})
            return
        fault = self.faults.take() if self.service.is_write(self.command, path) else None
        try:
            _refuse(fault, REFUSED_BEFORE)
            if fault == "partial":
                body = self.service.half(body)
            document, headers = self.service.answer(self.command, path, parse_qs(parts.query), body)
            _refuse(fault, REFUSED_BEHIND)
        except RefusedError as refused:
            self.say(refused.status, self.service.refusal(refused.status, str(refused)), {})
            return
        if fault == "lost":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.say(200, document, headers)

    def say(self, status: int, document: Any, headers: Headers) -> None:
        text = json.dumps(document).encode()
        self.send_response(status)
        more = {"Content-Type": "application/json", "Content-Length": str(len(text))}
        for name, value in (more | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - as http.server calls them

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
        """Say nothing."""


def _refuse(fault: Fault | None, refused: Mapping[Fault, tuple[int, str]]) -> None:
    if fault is not None and fault in refused:
        raise RefusedError(*refused[fault])


def main() -> None:
    """Serve a service until standard input ends."""
    Handler.service = import_module(sys.argv[1]).Service(*sys.argv[2:])
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        os.environ["SERVED_PORT"] = str(server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"port {server.server_port}", flush=True)
        sys.stdin.read()
        server.shutdown()
