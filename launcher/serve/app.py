"""The routes of the server: OpenAI's /v1/embeddings and /v1/models, /search, /health and /metrics.

Without a key it answers to names of loopback alone (DNS rebinding). It reads application/json alone, which pages of other
sites cannot send without asking first. No answer is cached by a browser.
"""
# starlette is optional
# pyright: reportMissingImports=false

import asyncio
import hmac
import time
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from launcher.documents.encode import to_json
from launcher.serve.requests import (
    RequestRefused,
    encoded,
    read_embedding_request,
    read_search_request,
)
from launcher.serve.service import Service
from tasks.errors import Problem
from tasks.metrics.exposition import CONTENT_TYPE
from tasks.metrics.server import is_loopback

JSON = "application/json"
MOST_BODY_BYTES = 8 * 2**20
BODY_SECONDS = 30.0  # in which a body has to come
GONE = 499  # of a client that hung up, as proxies count it: OpenAI's statuses have none
ONE_MODEL = "/v1/models/{model}"
METHODS = {
    "/v1/embeddings": "POST",
    "/search": "POST",
    "/v1/models": "GET",
    ONE_MODEL: "GET",
    "/metrics": "GET",
    "/health": "GET",
}
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
Handler = Callable[[Request], Awaitable[Response]]
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Gate:
    """Who may ask. Without a `key`: every client that reaches a loopback address under a name of loopback."""

    key: str | None
    most_body_bytes: int = MOST_BODY_BYTES
    body_seconds: float = BODY_SECONDS

    def check(self, request: Request) -> None:
        """Refuse a request that may not be asked.

        Raises:
            RequestRefused: 401 without the key, 403 for a foreign Host header.
        """
        if self.key is not None:
            given = request.headers.get("authorization", "")
            if not hmac.compare_digest(given.encode("utf-8", "replace"), f"Bearer {self.key}".encode()):
                raise RequestRefused(401, "the key is missing or wrong", code="invalid_api_key")
        elif not is_loopback(_host_of(request.headers.get("host", ""))):
            raise RequestRefused(403, "ask for the address that embedfleet printed", code="foreign_host")

    async def body(self, request: Request) -> bytes:
        """The body of a request.

        Raises:
            RequestRefused: it is too large (413), not declared as JSON (415), or does not come (408).
        """
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
            raise RequestRefused(415, "send the body as application/json", code="unsupported_media_type")
        said = request.headers.get("content-length", "")
        if said.isdecimal() and int(said) > self.most_body_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self.body_seconds):
                async for part in request.stream():
                    body += part
                    if len(body) > self.most_body_bytes:
                        raise self._too_large()
        except TimeoutError as error:
            raise RequestRefused(
                408, f"the body did not come within {self.body_seconds:g} seconds", code="timeout"
            ) from error
        return bytes(body)

    def _too_large(self) -> RequestRefused:
        return RequestRefused(
            413, f"the body has more than {self.most_body_bytes:,} bytes: send fewer texts", code="too_large"
        )


def make_app(service: Service, gate: Gate) -> Starlette:
    """The application of a service."""

    async def embeddings(request: Request) -> Response:
        asked = read_embedding_request(await gate.body(request))
        found = await _while_connected(request, service.embed(asked))
        data = [
            {"object": "embedding", "index": place, "embedding": encoded(vector, asked.encoding)}
            for place, vector in enumerate(found.vectors)
        ]
        usage = {"prompt_tokens": found.tokens, "total_tokens": found.tokens}
        headers = {
            "x-embedfleet-input-type": found.input_type,
            "x-embedfleet-truncated": str(found.truncated),
            "x-embedfleet-cached": str(found.cached),
        }
        return _json({"object": "list", "data": data, "model": found.run, "usage": usage}, headers=headers)

    async def search(request: Request) -> Response:
        asked = read_search_request(await gate.body(request))
        return _json(to_json(await _while_connected(request, service.search(asked))))

    async def health(_request: Request) -> Response:
        return _json({"status": "ok"})

    async def metrics(_request: Request) -> Response:
        return Response(service.page(), media_type=CONTENT_TYPE, headers=HEADERS)

    async def unknown(request: Request) -> Response:
        path = request.url.path
        if method := METHODS.get(ONE_MODEL if path.startswith("/v1/models/") else path):
            raise RequestRefused(405, f"send {method} to {path}", code="method_not_allowed")
        raise RequestRefused(404, "there is no such path here", code="not_found")

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        yield
        await service.close()

    def route(path: str, handler: Handler, *, guarded: bool = True) -> Route:
        return Route(
            path, _answered(service, gate if guarded else None, path, handler), methods=[METHODS[path]]
        )

    others = _answered(service, gate, "other", unknown)
    return Starlette(
        routes=[
            route("/v1/embeddings", embeddings),
            route("/search", search),
            *(route(path, _models(service)) for path in ("/v1/models", ONE_MODEL)),
            route("/metrics", metrics),
            route("/health", health, guarded=False),
            Route("/{path:path}", others, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ],
        exception_handlers={405: _of_error(others)},
        lifespan=lifespan,
    )


def _answered(service: Service, gate: Gate | None, path: str, handler: Handler) -> Handler:
    """The handler with its checks, its errors as OpenAI has them, and its time counted."""

    async def handle(request: Request) -> Response:
        start = time.perf_counter()
        try:
            if gate is not None:
                gate.check(request)
            answer = await handler(request)
        except RequestRefused as refused:
            retry = {"Retry-After": "1"} if refused.status in (429, 503) else {}
            answer = Response(refused.body(), refused.status, HEADERS | retry, JSON)
        except Problem as problem:
            refused = RequestRefused(500, f"{problem}; {problem.hint}", code="server_error")
            answer = Response(refused.body(), refused.status, HEADERS, JSON)
        except ClientDisconnect:
            answer = Response(b"", GONE, HEADERS, JSON)
        except Exception as error:  # noqa: BLE001 # the edge of a request: the client is told, the traceback is kept
            traceback.print_exc()
            refused = RequestRefused(500, f"a bug: {type(error).__name__}", code="server_error")
            answer = Response(refused.body(), refused.status, HEADERS, JSON)
        service.metrics.answered(path, answer.status_code, time.perf_counter() - start)
        return answer

    return handle


def _models(service: Service) -> Handler:
    """The handler of all models, and of the one that a path names."""

    async def handle(request: Request) -> Response:
        name = request.path_params.get("model")
        return _json({"object": "list", "data": service.models()} if name is None else service.model(name))

    return handle


async def _while_connected(request: Request, work: Coroutine[Any, Any, Answer]) -> Answer:
    """What `work` returns; it is cancelled when the client hangs up, because no engine need embed for it any more.

    Raises:
        ClientDisconnect: the client hung up.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    """Return when the client of a request, whose body was read, hangs up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _of_error(handler: Handler) -> Callable[[Request, Exception], Awaitable[Response]]:
    """A handler as starlette asks it for an error of its own."""

    async def handle(request: Request, _error: Exception) -> Response:
        return await handler(request)

    return handle


def _json(body: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), 200, HEADERS | (headers or {}), JSON)


def _host_of(header: str) -> str:
    """The host of a Host header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]
