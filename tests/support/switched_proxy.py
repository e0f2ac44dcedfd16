"""A TCP proxy on loopback that can refuse connections or let them hang: a server that is away, and comes back."""

import contextlib
import socket
import threading
from collections.abc import Generator
from typing import Literal

Mode = Literal["open", "refuse", "hang"]


class SwitchedProxy:
    """Passes bytes to a port while its mode is `open`. `refuse` also cuts what is connected."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._passing = threading.Event()
        self._passing.set()
        self._listener: socket.socket | None = None
        self._sockets: list[socket.socket] = []
        self.port = 0
        self._listen()

    def switch(self, mode: Mode) -> None:
        """Change the mode, of connections that are there as well."""
        if mode == "refuse":
            self._close()
        elif self._listener is None:
            self._listen()
        if mode == "hang":
            self._passing.clear()
        else:
            self._passing.set()

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def _close(self) -> None:
        sockets, self._sockets = self._sockets, []
        listener, self._listener = self._listener, None
        for one in [*([listener] if listener else []), *sockets]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            self._sockets += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=[source, sink], daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while body := source.recv(2**16):
                self._passing.wait()
                sink.sendall(body)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End all connections."""
        self._passing.set()
        self._close()


@contextlib.contextmanager
def switched_proxy(port: int) -> Generator[SwitchedProxy, None, None]:
    """A proxy before a port of this machine."""
    proxy = SwitchedProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
