"""An HTTP server with threads of its own that answers a limited number of connections at once."""

import contextlib
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Timer

REQUEST_SECONDS = 15.0  # in which a request has to come


class LimitedHTTPServer(ThreadingHTTPServer):
    """Answers each connection in a thread, and closes those beyond `max_connections` without an answer.

    A handler's `timeout` is that of one read: a request that comes a byte at a time ends after `request_seconds`. Each
    connection has one request (HTTP/1.0).

    Raises:
        OSError, OverflowError: the address cannot be used.
    """

    daemon_threads = True
    request_seconds = REQUEST_SECONDS
    block_on_close = False  # a reader that holds a connection open does not keep the process from ending

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], max_connections: int
    ) -> None:
        self._free = BoundedSemaphore(max_connections)
        super().__init__(address, handler)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def process_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Answer in a thread of its own, or close the connection where too many are open."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Answer one connection."""
        limit = Timer(self.request_seconds, _read_no_more, [request])
        limit.daemon = True
        limit.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            limit.cancel()
            self._free.release()


def _read_no_more(request: socket.socket | tuple[bytes, socket.socket]) -> None:
    """What has come is all of the request; the answer can still be written."""
    if isinstance(request, socket.socket):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            request.shutdown(socket.SHUT_RD)
