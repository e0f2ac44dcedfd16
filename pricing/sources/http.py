"""One small seam to the network: get the bytes behind an address, or say why not.

Price sources see only `Http`. The real one, `Net`, bounds what a stranger's server can cost us: time without a byte,
time in all, bytes (also after unpacking), and attempts. Headers are never sent on to where a redirect leads, so a key
in one stays with whom it was meant for. It does not know what the bytes mean.
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

from pricing.sources.result import Unanswered

MIB = 2**20
AGAIN = frozenset({408, 429, 500, 502, 503, 504})  # the server means "later", not "no"
AGENT = "embedfleet"
NO_NETWORK = "check the network, a proxy (HTTPS_PROXY) or a firewall; without one, plan with --offline"
GZIP = 16 + zlib.MAX_WBITS  # tells zlib to expect a gzip header


class Refused(Unanswered):
    """The server answered, and its answer was no."""

    def __init__(self, status: int, reason: str, hint: str) -> None:
        super().__init__(reason, hint)
        self.status = status


class Http(Protocol):
    def get(
        self, url: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Net:
    """The network through the standard library, with its proxies and certificates."""

    silence: float = 20.0  # seconds without a byte before an attempt is given up
    patience: float = 120.0  # seconds for one attempt in all: a trickle is no answer either
    limit: int = 64 * MIB  # SkyPilot's largest catalog is 4 MiB
    attempts: int = 4
    longest_wait: float = 30.0  # seconds between attempts, whatever the server asks for
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def get(
        self, url: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The body at `url`. Raises Refused where the server says no, Unanswered where nothing came of it."""
        target = f"{url}{'&' if urlsplit(url).query else '?'}{_query(params)}" if params else url
        if urlsplit(target).scheme not in {"http", "https"}:
            raise Unanswered(f"{_shown(target)} is no web address", "check the address")
        for attempt in range(1, self.attempts + 1):
            try:
                return self._once(target, headers or {})
            except _LaterError as later:
                if attempt == self.attempts:
                    times = f" ({attempt} times)" if attempt > 1 else ""
                    if later.status is not None:
                        raise Refused(later.status, f"{later}{times}", "try again later") from later
                    raise Unanswered(f"{later}{times}", NO_NETWORK) from later
                wait = later.after if later.after is not None else 2**attempt * (0.5 + self.chance() / 2)
                self.sleep(min(wait, self.longest_wait))
        raise AssertionError("at least one attempt is made")

    def _once(self, url: str, headers: Mapping[str, str]) -> bytes:
        request = Request(url)  # noqa: S310 - `get` lets through http and https alone
        for name, value in {"User-Agent": AGENT, "Accept-Encoding": "gzip", **headers}.items():
            request.add_unredirected_header(name, value)
        host = _shown(url)
        try:
            with build_opener(Redirects()).open(request, timeout=self.silence) as reply:
                return self._body(reply, host)
        except HTTPError as error:
            with error:
                raise _no(
                    error.code, f"{host} answered {error.code} {error.reason}", error.headers
                ) from error
        except ssl.SSLCertVerificationError as error:
            raise _untrusted(host, error) from error
        except URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise _untrusted(host, error.reason) from error
            raise _LaterError(f"no connection to {host}: {error.reason}") from error
        except (OSError, HTTPException) as error:
            said = str(error) or type(error).__name__
            raise _LaterError(f"the connection to {host} broke: {said}") from error

    def _body(self, reply: HTTPResponse, host: str) -> bytes:
        """The whole body and nothing but the whole: a truncated one would be a price list with holes."""
        end = time.monotonic() + self.patience
        packed = reply.headers.get("Content-Encoding", "").lower() == "gzip"
        unpack = zlib.decompressobj(GZIP)
        parts: list[bytes] = []
        size = received = 0
        for block in _blocks(reply):
            received += len(block)
            try:
                part = unpack.decompress(block, self.limit - size + 1) if packed else block
            except zlib.error as error:
                raise _LaterError(f"{host} sent a body that cannot be unpacked: {error}") from error
            size += len(part)
            parts.append(part)
            if size > self.limit:
                raise Unanswered(f"{host} sent more than {self.limit} bytes", "check the address")
            if time.monotonic() > end:
                raise _LaterError(f"{host} sent {received} bytes in {self.patience:g} s and was not done")
        promised = reply.headers.get("Content-Length")
        if (promised is not None and received < int(promised)) or (packed and not unpack.eof):
            raise _LaterError(f"{host} sent {received} bytes of {promised or 'more'}")
        return b"".join(parts)


class _LaterError(Exception):
    """This attempt failed, the next may not. `after`: seconds the server asked us to wait."""

    def __init__(self, what: str, status: int | None = None, after: float | None = None) -> None:
        super().__init__(what)
        self.status = status
        self.after = after


class Redirects(HTTPRedirectHandler):
    """Follows where a server points, but never from https to anything less."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        allowed = {"https"} if req.type == "https" else {"http", "https"}
        if urlsplit(newurl).scheme not in allowed:
            raise HTTPError(req.full_url, code, f"to {_shown(newurl)}, which is not followed", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _blocks(reply: HTTPResponse) -> Iterator[bytes]:
    """What has arrived, as it arrives: `read` would wait for a full block, however slowly it fills."""
    while block := reply.read1(64 * 1024):
        yield block


def _no(status: int, what: str, headers: Message) -> Exception:
    if status in AGAIN:
        after = headers.get("Retry-After", "")
        return _LaterError(what, status, float(after) if after.isdecimal() else None)
    if status in {401, 403}:
        return Refused(status, what, "check the credentials and what they may read")
    return Refused(status, what, "check the address; the source may have moved")


def _untrusted(host: str, error: ssl.SSLCertVerificationError) -> Unanswered:
    return Unanswered(
        f"{host} shows a certificate that is not trusted: {error.verify_message}",
        "set SSL_CERT_FILE to the certificates of your network",
    )


def _shown(url: str) -> str:
    """The address without its query, where a key may stand."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def _query(params: Mapping[str, str]) -> str:
    """Azure's `$filter` keeps its `$`, and spaces become %20, as its documentation writes them."""
    return urlencode(params, safe="$", quote_via=quote)


NET = Net()
