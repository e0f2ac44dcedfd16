"""Limits of a connection: how long headers may take, how slowly an answer may be read, how many connections there may be.

uvicorn has none of them: a client that sends its headers a byte at a time would hold a connection for ever, and some
hundreds of these would lock all others out. How long a body may take is the routes' (`app.Gate`).
"""
# uvicorn and h11 are optional
# pyright: reportMissingImports=false

import asyncio
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 512  # at once; a process may have 1,024 open files as a rule
ANSWER = b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of each connection, and of their number."""

    headers_seconds: float = 10.0  # from the first byte, or from the connection, until all headers are there
    linger_seconds: float = (
        5.0  # for the rest of a body whose answer was given; closed at once, the answer is lost
    )
    read_seconds: float = 30.0  # in which a client takes at least `read_bytes` of an answer, or all of it
    read_bytes: int = 32 * 2**10
    connections: int = MOST_CONNECTIONS


class LimitedProtocol(H11Protocol):
    """One connection. `limits` is set by `limited_protocol`."""

    limits = ConnectionLimits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Ends the wait for headers, or for the rest of a body.
        self._coming: asyncio.TimerHandle | None = None
        self._going: asyncio.TimerHandle | None = None  # looks at how much of the answer is left

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Wait for headers; close a connection too many."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # so that `_look` sees all that is not read
        if len(self.connections) > self.limits.connections:
            self._refuse(b"503 Service Unavailable")
        else:
            self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the timers."""
        self._stop_waiting()
        self._stop_looking()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Go on waiting for headers, or begin to, or end it."""
        answered = self._is_answered()
        super().data_received(data)
        if answered and not self._is_answered():
            self._stop_waiting()
        if self.conn.their_state is h11.IDLE:
            self._wait_for_headers()
        elif not self._is_answered():
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Between two requests a connection may be silent: that has a limit of uvicorn's own."""
        super().on_response_complete()
        if self._is_answered():
            self._stop_waiting()
            self._coming = self.loop.call_later(self.limits.linger_seconds, self.transport.close)
        elif self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._wait_for_headers()

    def pause_writing(self) -> None:
        """The client does not read as fast as is written."""
        super().pause_writing()
        self._look(None)

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        self._stop_looking()

    def _is_answered(self) -> bool:
        """Whether the answer was given before the body of the request had come."""
        return self.conn.their_state is h11.SEND_BODY and self.cycle.response_complete

    def _wait_for_headers(self) -> None:
        """Give the client time for all headers of a request, once."""
        if self._coming is None and not self.transport.is_closing():
            late = self._refuse, b"408 Request Timeout"
            self._coming = self.loop.call_later(self.limits.headers_seconds, *late)

    def _stop_waiting(self) -> None:
        if self._coming is not None:
            self._coming.cancel()
            self._coming = None

    def _look(self, before: int | None) -> None:
        """End a connection whose client has read less than it must since the last look."""
        left = self.transport.get_write_buffer_size()
        if before is not None and before - left < self.limits.read_bytes:
            self.transport.abort()
        else:
            self._going = self.loop.call_later(self.limits.read_seconds, self._look, left)

    def _stop_looking(self) -> None:
        if self._going is not None:
            self._going.cancel()
            self._going = None

    def _refuse(self, status: bytes) -> None:
        """Answer with a status, and close. No request is under way."""
        self.transport.write(ANSWER % status)
        self.transport.close()


def limited_protocol(limits: ConnectionLimits) -> type[LimitedProtocol]:
    """The protocol with these limits, as uvicorn takes it: a class."""
    return type("LimitedProtocol", (LimitedProtocol,), {"limits": limits})
