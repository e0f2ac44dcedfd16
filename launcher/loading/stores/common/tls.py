"""Whether a server speaks TLS at all: one that does not may wait for the rest of what it takes for a command."""

import contextlib
import socket
import ssl

from launcher.errors import Problem

HANDSHAKE_SECONDS = 10.0


def check_tls(host: str, port: int, plain: str, seconds: float = HANDSHAKE_SECONDS) -> None:
    """Shake hands once. Certificates and all other errors are left to the client, which says more of them.

    Args:
        host: of the server.
        port: of the server.
        plain: the scheme of addresses without TLS.
        seconds: in which it has to answer.

    Raises:
        Problem: it takes the connection, and does not answer in TLS.
    """
    context = ssl.create_default_context()
    with contextlib.suppress(OSError), socket.create_connection((host, port), seconds) as connection:
        try:
            context.wrap_socket(connection, server_hostname=host).close()
        except TimeoutError as error:
            raise Problem(
                f"{host}:{port} does not answer in TLS within {seconds:g} seconds",
                hint=f"{plain}:// is without TLS",
            ) from error
