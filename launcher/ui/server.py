"""A small HTTP server for one reader on this machine.

It listens on 127.0.0.1 alone. Every path begins with a random token, which other users of the machine and pages of
other sites do not know; without it, and for a foreign Host header (DNS rebinding), the answer is 403. It answers GET
and HEAD, and changes nothing.
"""

import hashlib
import hmac
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from secrets import token_urlsafe
from typing import Protocol
from urllib.parse import unquote

from launcher.errors import Problem
from tasks.limited_http_server import LimitedHTTPServer
from tasks.printable import plain

HOST = "127.0.0.1"
MAX_CONNECTIONS = 32  # at once; a browser opens about six
TIMEOUT_SECONDS = 15.0  # of a connection that says nothing
HTML, TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"

# Only what this server sends may run, load or be asked; no page may show this one in a frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent for a path."""

    body: bytes
    kind: str = HTML
    status: HTTPStatus = HTTPStatus.OK


class Site(Protocol):
    """What the server serves. `path` is without the token and the slash behind it; None: there is no such page."""

    def answer(self, path: str) -> Answer | None: ...


class UiServer(LimitedHTTPServer):
    """The server of one site. Its address, with the token, is `url`."""

    def __init__(self, site: Site, port: int = 0) -> None:
        self.site = site
        self.token = token_urlsafe(24)
        try:
            super().__init__((HOST, port), _Handler, MAX_CONNECTIONS)
        except (OSError, OverflowError) as error:
            raise Problem(
                f"port {port} of this machine cannot be used: {error}",
                hint="leave --port out to take a free one",
            ) from error

    @property
    def url(self) -> str:
        """The address of the first page; who knows it can read the pages."""
        return f"http://{HOST}:{self.port}/{self.token}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """A reader may go at any time, which is no error of ours; any other error is printed with its traceback."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # pyright: ignore[reportArgumentType] # as it is called


class _Handler(BaseHTTPRequestHandler):
    """Answers one request. HTTP/1.0: each has a connection of its own."""

    server: UiServer  # pyright: ignore[reportIncompatibleVariableOverride] # made by no other
    server_version = "embedfleet"
    sys_version = ""
    timeout = TIMEOUT_SECONDS

    def do_GET(self) -> None:  # the name that http.server calls
        """Send a page."""
        path = self._path()
        if path is None:
            self._send(_text(HTTPStatus.FORBIDDEN, "Open the whole address that embedfleet ui printed."))
            return
        try:
            found = self.server.site.answer(path)
        except Problem as problem:
            found = _text(HTTPStatus.SERVICE_UNAVAILABLE, f"{problem}. Try: {problem.hint}")
        except Exception:  # noqa: BLE001 # the edge of a request: the page says so, the traceback is kept
            traceback.print_exc()
            found = _text(HTTPStatus.INTERNAL_SERVER_ERROR, "embedfleet failed; its terminal says where")
        self._send(found or _text(HTTPStatus.NOT_FOUND, "There is no such page."))

    do_HEAD = do_GET  # noqa: N815 # the name that http.server calls

    def _refuse(self) -> None:
        self._send(
            _text(HTTPStatus.METHOD_NOT_ALLOWED, "These pages can only be read."), {"Allow": "GET, HEAD"}
        )

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse  # noqa: N815

    def _path(self) -> str | None:
        """The path behind the token; None where the token or the Host header is not ours."""
        hosts = (f"{HOST}:{self.server.port}", f"localhost:{self.server.port}")
        token, slash, path = self.path.partition("?")[0].removeprefix("/").partition("/")
        known = hmac.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode())
        return unquote(path) if known and slash and self.headers.get("Host", "") in hosts else None

    def _send(self, answer: Answer, more: Mapping[str, str] | None = None) -> None:
        tag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
        same = answer.status is HTTPStatus.OK and self.headers.get("If-None-Match") == tag
        self.send_response(HTTPStatus.NOT_MODIFIED if same else answer.status)
        for name, value in (HEADERS | {"ETag": tag} | dict(more or {})).items():
            self.send_header(name, value)
        if not same:
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if not same and self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # its name in http.server
        """Print nothing: the terminal is the user's, and a line would show the token."""


def _text(status: HTTPStatus, text: str) -> Answer:
    return Answer(plain(text).encode(), TEXT, status)
