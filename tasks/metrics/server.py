"""A small HTTP server that answers GET /metrics with a page of metrics, and nothing else.

It changes nothing. On a loopback address a foreign Host header is refused, so that no page of another site reads it by
DNS rebinding. On any other address everybody who reaches the port can read it: the caller says so.
"""

import ipaddress
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from tasks.errors import Problem
from tasks.limited_http_server import LimitedHTTPServer
from tasks.metrics.exposition import CONTENT_TYPE

PATH = "/metrics"
MAX_CONNECTIONS = 16  # at once; a scraper opens one
TIMEOUT_SECONDS = 10.0  # of a connection that says nothing
LOCALHOST = "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class MetricsServer(LimitedHTTPServer):
    """Serves `page()` in threads of its own until `close`. `scrapes` counts the pages that were sent."""

    def __init__(self, page: Callable[[], str], port: int, host: str = LOCALHOST) -> None:
        self.page = page
        self.host = host
        self.scrapes = 0
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler, MAX_CONNECTIONS)
        except (OSError, OverflowError) as error:
            raise Problem(
                f"metrics cannot be served at {host}:{port}: {error}",
                hint="name another port, or end what listens there",
            ) from error
        threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.2}, name="metrics", daemon=True
        ).start()

    @property
    def url(self) -> str:
        """The address to scrape."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{PATH}"

    def close(self) -> None:
        """End it."""
        self.shutdown()
        self.server_close()

    def server_bind(self) -> None:
        """Bind without asking DNS for this machine's name, as HTTPServer would."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.host, self.port

    def handle_error(self, request: object, client_address: object) -> None:
        """A scraper may go at any time: nothing is printed into the log of the work."""


class _Handler(BaseHTTPRequestHandler):
    server: MetricsServer  # pyright: ignore[reportIncompatibleVariableOverride] # made by no other
    server_version = "embedfleet"
    sys_version = ""
    timeout = TIMEOUT_SECONDS

    def do_GET(self) -> None:  # the name that http.server calls
        """Send the page."""
        host = self.headers.get("Host", "").rpartition(":")[0].strip("[]") or self.headers.get("Host", "")
        if is_loopback(self.server.host) and not is_loopback(host):
            self._send(HTTPStatus.FORBIDDEN, "ask for the address that embedfleet printed\n")
        elif self.path.partition("?")[0] != PATH:
            self._send(HTTPStatus.NOT_FOUND, f"metrics are at {PATH}\n")
        else:
            try:
                page = self.server.page()
            except Exception as error:  # noqa: BLE001 # the edge of a request; the work goes on
                self._send(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}\n")
                return
            self._send(HTTPStatus.OK, page)
            self.server.scrapes += 1

    do_HEAD = do_GET  # noqa: N815 # the name that http.server calls

    def _send(self, status: HTTPStatus, text: str) -> None:
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # its name in http.server
        """Print nothing: the terminal is of the work."""
