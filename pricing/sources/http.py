"""HTTP downloads for price sources: get the bytes at a URL, or raise the reason why not.

Price sources use the protocol `Http`. The real implementation, `HttpClient`, limits what a server can cost us: time
without a byte, total time, bytes (also after decompression), and attempts. Headers are not sent on a redirect, so that
a key in them goes only to the server it was meant for. Does not interpret the bytes.
"""

import random
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pricing.sources.result import SourceUnavailable

MIB = 2**20
RETRYABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504})  # statuses after which a retry may succeed
AGENT = "embedfleet"
NO_NETWORK = "check the network, a proxy (HTTPS_PROXY) or a firewall; without one, plan with --offline"
GZIP = 16 + zlib.MAX_WBITS  # tells zlib to expect a gzip header


class HttpRefused(SourceUnavailable):
    """The server answered with an HTTP error status."""

    def __init__(self, status: int, reason: str, hint: str) -> None:
        super().__init__(reason, hint)
        self.status = status


class Http(Protocol):
    """Downloads a URL: a price source needs nothing else of the network."""

    def get(
        self, url: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes: ...


@dataclass(frozen=True, slots=True)
class HttpClient:
    """HTTP through the standard library, with its proxies and certificates."""

    idle_timeout: float = 20.0  # seconds without a byte until an attempt fails
    total_timeout: float = 120.0  # seconds for one attempt, so that a very slow server fails too
    max_bytes: int = 64 * MIB  # SkyPilot's largest catalog is 4 MiB
    attempts: int = 4
    max_wait: float = 30.0  # seconds between attempts, also if the server asks for more
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def get(
        self, url: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """Download the body at `url`, with retries and exponential backoff.

        Raises:
            HttpRefused: the server answered with an error status.
            SourceUnavailable: no connection, or no complete response.
        """
        target = f"{url}{'&' if urlsplit(url).query else '?'}{_query(params)}" if params else url
        if urlsplit(target).scheme not in {"http", "https"}:
            raise SourceUnavailable(f"{_without_query(target)} is not a web address", "check the address")
        for attempt in range(1, self.attempts + 1):
            try:
                return self._once(target, headers or {})
            except _RetryableError as later:
                if attempt == self.attempts:
                    times = f" ({attempt} times)" if attempt > 1 else ""
                    if later.status is not None:
                        raise HttpRefused(later.status, f"{later}{times}", "try again later") from later
                    raise SourceUnavailable(f"{later}{times}", NO_NETWORK) from later
                wait = later.after if later.after is not None else 2**attempt * (0.5 + self.chance() / 2)
                self.sleep(min(wait, self.max_wait))
        raise AssertionError("at least one attempt is made")

    def _once(self, url: str, headers: Mapping[str, str]) -> bytes:
        request = Request(url)  # noqa: S310 - `get` lets through http and https alone
        for name, value in {"User-Agent": AGENT, "Accept-Encoding": "gzip", **headers}.items():
            request.add_unredirected_header(name, value)
        host = _without_query(url)
        try:
            with build_opener(SafeRedirects()).open(request, timeout=self.idle_timeout) as reply:
                return self._body(reply, host)
        except HTTPError as error:
            with error:
                raise _status_error(
                    error.code, f"{host} answered {error.code} {error.reason}", error.headers
                ) from error
        except ssl.SSLCertVerificationError as error:
            raise _certificate_error(host, error) from error
        except URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise _certificate_error(host, error.reason) from error
            raise _RetryableError(f"no connection to {host}: {error.reason}") from error
        except (OSError, HTTPException) as error:
            said = str(error) or type(error).__name__
            raise _RetryableError(f"the connection to {host} broke: {said}") from error

    def _body(self, reply: HTTPResponse, host: str) -> bytes:
        """Read the complete body; a truncated one would be a price list with missing prices."""
        end = time.monotonic() + self.total_timeout
        packed = reply.headers.get("Content-Encoding", "").lower() == "gzip"
        unpack = zlib.decompressobj(GZIP)
        parts: list[bytes] = []
        size = received = 0
        for block in _chunks(reply):
            received += len(block)
            try:
                part = unpack.decompress(block, self.max_bytes - size + 1) if packed else block
            except zlib.error as error:
                raise _RetryableError(f"{host} sent a body that cannot be unpacked: {error}") from error
            size += len(part)
            parts.append(part)
            if size > self.max_bytes:
                raise SourceUnavailable(f"{host} sent more than {self.max_bytes} bytes", "check the address")
            if time.monotonic() > end:
                raise _RetryableError(
                    f"{host} sent {received} bytes in {self.total_timeout:g} s and was not done"
                )
        promised = reply.headers.get("Content-Length")
        if (promised is not None and received < int(promised)) or (packed and not unpack.eof):
            raise _RetryableError(f"{host} sent {received} bytes of {promised or 'more'}")
        return b"".join(parts)


class _RetryableError(Exception):
    """An attempt failed in a way that a retry may fix. `after`: seconds to wait that the server asked for."""

    def __init__(self, what: str, status: int | None = None, after: float | None = None) -> None:
        super().__init__(what)
        self.status = status
        self.after = after


class SafeRedirects(HTTPRedirectHandler):
    """Follow redirects, but never from https to http."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        allowed = {"https"} if req.type == "https" else {"http", "https"}
        if urlsplit(newurl).scheme not in allowed:
            raise HTTPError(
                req.full_url, code, f"to {_without_query(newurl)}, which is not followed", headers, fp
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _chunks(reply: HTTPResponse) -> Iterator[bytes]:
    """Yield bytes as they arrive; `read` would wait for a full block, however slowly it fills."""
    while block := reply.read1(64 * 1024):
        yield block


def _status_error(status: int, what: str, headers: Message) -> Exception:
    if status in RETRYABLE_STATUSES:
        after = headers.get("Retry-After", "")
        return _RetryableError(what, status, float(after) if after.isdecimal() else None)
    if status in {401, 403}:
        return HttpRefused(status, what, "check the credentials and what they may read")
    return HttpRefused(status, what, "check the address; the source may have moved")


def _certificate_error(host: str, error: ssl.SSLCertVerificationError) -> SourceUnavailable:
    return SourceUnavailable(
        f"{host} shows a certificate that is not trusted: {error.verify_message}",
        "set SSL_CERT_FILE to the certificates of your network",
    )


def _without_query(url: str) -> str:
    """The URL without its query, which may contain a key."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def _query(params: Mapping[str, str]) -> str:
    """Encode a query as Azure documents it: `$filter` keeps its `$`, and spaces become %20."""
    return urlencode(params, safe="$", quote_via=quote)


HTTP_CLIENT = HttpClient()
