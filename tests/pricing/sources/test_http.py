import gzip
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request

import pytest

from pricing.sources.http import HttpClient, HttpRefused, SafeRedirects
from pricing.sources.result import SourceUnavailable

PRICES = b'{"usd": "0.8048000000"}' * 100


class Shop(BaseHTTPRequestHandler):
    """A price server with one kind of fault per path."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, dict[str, str]]]
    failures: int

    def do_GET(self) -> None:
        self.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        getattr(self, "_" + self.path.split("?")[0].strip("/").replace("-", "_"))()

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _prices(self) -> None:
        self.reply(200, PRICES)

    def _gzip(self) -> None:
        self.reply(200, gzip.compress(PRICES), Content_Encoding="gzip")

    def _half_gzip(self) -> None:
        self.reply(200, gzip.compress(PRICES)[:-8], Content_Encoding="gzip")

    def _bomb(self) -> None:
        self.reply(200, gzip.compress(b"0" * 4_000_000), Content_Encoding="gzip")

    def _not_gzip(self) -> None:
        self.reply(200, PRICES, Content_Encoding="gzip")

    def _truncated(self) -> None:
        self.reply(200, PRICES[:100], Content_Length=str(len(PRICES)))
        self.close_connection = True

    def _silent(self) -> None:
        self.rfile.read(1)  # until the client goes away

    def _trickle(self) -> None:
        self.reply(200, b"0", Content_Length=str(len(PRICES)))
        self.rfile.read(1)

    def _busy(self) -> None:
        type(self).failures -= 1
        if self.failures >= 0:
            self.reply(429, b"", Retry_After="7")
        else:
            self.reply(200, PRICES)

    def _down(self) -> None:
        self.reply(503, b"")

    def _missing(self) -> None:
        self.reply(404, b"")

    def _forbidden(self) -> None:
        self.reply(403, b"")

    def _moved(self) -> None:
        self.reply(302, b"", Location="/prices")

    def _away(self) -> None:
        self.reply(302, b"", Location="file:///etc/passwd")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
        pass


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Shop.seen, Shop.failures = [], 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def net(**changes: Any) -> HttpClient:
    quick: dict[str, Any] = {"sleep": _no_sleep, "chance": float}
    return HttpClient(**quick | changes)


def _no_sleep(_: float) -> None:
    pass


def test_body_is_returned_unchanged(shop: str) -> None:
    assert net().get(f"{shop}/prices") == PRICES


def test_parameters_are_encoded_as_azure_documents(shop: str) -> None:
    net().get(f"{shop}/prices", {"$filter": "serviceName eq 'Virtual Machines'"})
    assert Shop.seen[0][0] == "/prices?$filter=serviceName%20eq%20%27Virtual%20Machines%27"


def test_gzip_body_is_decompressed(shop: str) -> None:
    assert net().get(f"{shop}/gzip") == PRICES


@pytest.mark.parametrize("path", ["truncated", "half-gzip", "not-gzip"])
def test_truncated_body_is_unavailable(shop: str, path: str) -> None:
    with pytest.raises(SourceUnavailable, match=r"4 times"):
        net().get(f"{shop}/{path}")
    assert len(Shop.seen) == 4


def test_decompression_bomb_is_refused_without_retry(shop: str) -> None:
    with pytest.raises(SourceUnavailable, match="more than 1000000 bytes"):
        net(max_bytes=1_000_000).get(f"{shop}/bomb")
    assert len(Shop.seen) == 1


def test_body_over_the_limit_is_refused(shop: str) -> None:
    with pytest.raises(SourceUnavailable, match="more than 1000 bytes"):
        net(max_bytes=1000).get(f"{shop}/prices")


@pytest.mark.parametrize("path", ["silent", "trickle"])
def test_silent_server_times_out(shop: str, path: str) -> None:
    with pytest.raises(SourceUnavailable, match="timed out"):
        net(idle_timeout=0.1, attempts=2).get(f"{shop}/{path}")
    assert len(Shop.seen) == 2


def test_slow_server_times_out(shop: str) -> None:
    with pytest.raises(SourceUnavailable, match="was not done"):
        net(total_timeout=-1.0, attempts=1).get(f"{shop}/prices")


def test_retry_waits_as_the_server_asks(shop: str) -> None:
    Shop.failures = 2
    waits: list[float] = []
    assert net(sleep=waits.append).get(f"{shop}/busy") == PRICES
    assert waits == [7.0, 7.0]


def test_backoff_is_exponential_with_jitter(shop: str) -> None:
    waits: list[float] = []
    with pytest.raises(HttpRefused) as refused:
        net(sleep=waits.append, chance=lambda: 0.5).get(f"{shop}/down")
    assert refused.value.status == 503
    assert waits == [1.5, 3.0, 6.0]


def test_wait_is_capped(shop: str) -> None:
    Shop.failures = 1
    waits: list[float] = []
    net(sleep=waits.append, max_wait=2.0).get(f"{shop}/busy")
    assert waits == [2.0]


@pytest.mark.parametrize(("path", "status"), [("missing", 404), ("forbidden", 403)])
def test_refusal_is_not_retried(shop: str, path: str, status: int) -> None:
    with pytest.raises(HttpRefused) as refused:
        net().get(f"{shop}/{path}")
    assert refused.value.status == status
    assert len(Shop.seen) == 1


def test_redirect_drops_headers(shop: str) -> None:
    assert net().get(f"{shop}/moved", headers={"X-Goog-Api-Key": "secret"}) == PRICES
    (first, sent), (second, forwarded) = Shop.seen
    assert (first, second) == ("/moved", "/prices")
    assert sent["x-goog-api-key"] == "secret"
    assert "x-goog-api-key" not in forwarded


def test_redirect_to_another_scheme_is_not_followed(shop: str) -> None:
    with pytest.raises(HttpRefused, match="not allowed"):
        net().get(f"{shop}/away")


def test_redirect_from_https_to_http_is_not_followed() -> None:
    asked, to = Request("https://prices.example"), "http://prices.example"
    with pytest.raises(HTTPError, match="not followed") as refused:
        SafeRedirects().redirect_request(asked, BytesIO(), 302, "Found", HTTPMessage(), to)
    refused.value.close()


def test_no_connection_is_unavailable_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(SourceUnavailable, match=r"no connection to http://127\.0\.0\.1/prices") as unanswered:
        net().get(f"http://127.0.0.1:{port}/prices")
    assert "HTTPS_PROXY" in unanswered.value.hint


def test_query_is_not_in_messages(shop: str) -> None:
    with pytest.raises(HttpRefused) as refused:
        net().get(f"{shop}/missing", {"key": "secret"})
    assert "secret" not in refused.value.reason


def test_url_of_another_scheme_is_refused() -> None:
    with pytest.raises(SourceUnavailable, match="not a web address"):
        net().get("file:///etc/passwd")
