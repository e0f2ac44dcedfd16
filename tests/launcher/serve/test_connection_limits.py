"""Clients that send headers slowly, that do not read, and that are too many: over real sockets."""

import json
import socket
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from launcher.serve.connection_limits import ConnectionLimits
from tests.support.serving import running

PATIENCE = 30.0
LARGE = 64 * 2**20  # more than the buffers of a socket take


async def small(_request: Request) -> Response:
    return Response(b"here")


async def large(_request: Request) -> Response:
    return Response(b"x" * LARGE)


async def echo(request: Request) -> Response:
    return Response(await request.body())


@contextmanager
def served(limits: ConnectionLimits) -> Generator[httpx.Client]:
    routes = [Route("/small", small), Route("/large", large), Route("/echo", echo, methods=["POST"])]
    with running(Starlette(routes=routes), limits) as client:
        yield client


def connected(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=PATIENCE)


def rest(one: socket.socket) -> bytes:
    """What comes until the server closes."""
    found = b""
    try:
        while part := one.recv(2**16):
            found += part
    except ConnectionResetError:
        pass
    return found


def one_answer(one: socket.socket) -> bytes:
    """An answer of `small`, with its body."""
    found = b""
    while not found.endswith(b"here") and (part := one.recv(2**10)):
        found += part
    return found


def drip(one: socket.socket, head: bytes) -> bytes:
    """Send a byte now and then until the server answers or closes; what it said."""
    one.settimeout(0.02)
    end = time.monotonic() + PATIENCE
    for number in range(10**6):
        assert time.monotonic() < end, "the server waits for ever"
        try:
            one.sendall(head[number : number + 1] or b"a")
            if found := one.recv(2**10):
                return found
        except TimeoutError:
            continue
        except OSError:
            return b""
        return b""
    raise AssertionError


@pytest.mark.parametrize("before", [0, 2], ids=["at once", "after other requests"])
def test_headers_that_come_a_byte_at_a_time_end_the_connection(before: int) -> None:
    with served(ConnectionLimits(headers_seconds=0.4)) as client, connected(client) as slow:
        for _ in range(before):
            slow.sendall(b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert one_answer(slow).endswith(b"here")
        assert drip(slow, b"GET /small HTTP/1.1\r\nHost: localhost\r\nX: ").startswith(b"HTTP/1.1 408")
        assert client.get("/small").text == "here"


def test_connection_that_says_nothing_ends() -> None:
    with served(ConnectionLimits(headers_seconds=0.2)) as client, connected(client) as silent:
        assert rest(silent).startswith(b"HTTP/1.1 408")


def test_body_that_no_route_reads_has_a_limit_too() -> None:
    with served(ConnectionLimits(linger_seconds=0.3)) as client, connected(client) as slow:
        slow.sendall(b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
        found = rest(slow)  # and the connection is closed
        assert found.startswith(b"HTTP/1.1 404")
        assert found.count(b"HTTP/1.1") == 1


def test_body_that_comes_after_its_answer_leaves_the_connection_to_the_next_request() -> None:
    with (
        served(ConnectionLimits(linger_seconds=0.5, headers_seconds=0.2)) as client,
        connected(client) as one,
    ):
        one.sendall(b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n")
        assert one.recv(2**10).startswith(b"HTTP/1.1 404")
        one.sendall(b"0123456789GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert one_answer(one).endswith(b"here")
        time.sleep(1)
        one.sendall(b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert one_answer(one).endswith(b"here")


def test_client_that_keeps_its_connection_may_be_silent_between_requests() -> None:
    with served(ConnectionLimits(headers_seconds=0.2)) as client, connected(client) as one:
        for _ in range(2):
            one.sendall(b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert one_answer(one).endswith(b"here")
            time.sleep(0.5)
        body = json.dumps({"a": "b" * 2**18}).encode()
        assert client.post("/echo", content=body).content == body


def test_client_that_does_not_read_its_answer_is_cut_off() -> None:
    limits = ConnectionLimits(read_seconds=0.3)
    with served(limits) as client, connected(client) as deaf:
        deaf.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        deaf.recv(1)
        time.sleep(1.5)
        assert len(rest(deaf)) < LARGE
        assert len(client.get("/large").content) == LARGE


def test_connections_beyond_the_limit_are_refused_until_others_end() -> None:
    limits = ConnectionLimits(connections=4, headers_seconds=PATIENCE)
    with served(limits) as client, ExitStack() as stack:
        held = [stack.enter_context(connected(client)) for _ in range(4)]
        for one in held:
            one.sendall(b"GET /small HTTP/1.1\r\n")
        assert rest(stack.enter_context(connected(client))).startswith(b"HTTP/1.1 503")
        for one in held:
            one.close()
        end = time.monotonic() + PATIENCE
        while True:
            try:
                if client.get("/small").text == "here":
                    break
            except httpx.TransportError:
                pass
            assert time.monotonic() < end
            time.sleep(0.02)
