"""A request that comes a byte at a time ends its connection, and the place is free for others."""

import http.client
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from tasks.limited_http_server import LimitedHTTPServer
from tasks.metrics.server import MetricsServer

PATIENCE = 30.0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MetricsServer]:
    monkeypatch.setattr(LimitedHTTPServer, "request_seconds", 0.4)
    found = MetricsServer(lambda: "a 1\n", 0)
    yield found
    found.close()


def ends(one: socket.socket) -> bool:
    """Send a byte now and then until the server closes; whether it did in time."""
    one.settimeout(0.02)
    one.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            one.sendall(b"a")
            if not one.recv(2**12):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def test_headers_that_come_a_byte_at_a_time_end_the_connection(server: MetricsServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        assert ends(slow)


class SlowPage(BaseHTTPRequestHandler):
    """Takes longer to answer than a request may take to come."""

    def do_GET(self) -> None:
        time.sleep(0.8)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"here")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def test_page_that_takes_longer_than_a_request_may_is_answered(server: MetricsServer) -> None:
    server.RequestHandlerClass = SlowPage
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.request("GET", "/metrics")
    assert connection.getresponse().read() == b"here"
