"""TLS of servers: whose certificates are accepted, and whether a server speaks it at all.

Clients differ in where they look for authorities: the system's, those of certifi, or their own. `SSL_CERT_FILE`, which
OpenSSL knows, names those of a user for all of them. A client of gRPC says of a certificate that it does not accept only
that the server cannot be reached, and one that does not speak TLS may wait for the rest of what it takes for a command:
so one handshake comes before.
"""

import contextlib
import os
import socket
import ssl
from collections.abc import Mapping
from importlib import import_module

from launcher.errors import Problem, Usage
from launcher.sinks.targets import Target

HANDSHAKE_SECONDS = 10.0
VARIABLE = "SSL_CERT_FILE"


def authorities(environ: Mapping[str, str] = os.environ) -> str | None:
    """The file of certificates of authorities that the user names; None: each client has its own.

    Raises:
        Usage: it holds none.
    """
    named = environ.get(VARIABLE)
    if not named:
        return None
    try:
        ssl.create_default_context(cafile=named)
    except OSError as error:  # an error of TLS is one, too
        raise Usage(
            f"{VARIABLE}: {named} holds no certificate that can be read",
            hint="name a file of certificates in PEM, or unset it",
        ) from error
    return named


def checked_authorities(target: Target, port: int, plain: str) -> str | None:
    """The authorities for the client of a server, once a handshake has shown that it can be reached by TLS.

    Args:
        target: the server; one without TLS is not asked, and has none.
        port: where the target names none.
        plain: the scheme of addresses without TLS.

    Raises:
        Problem, Usage: see `check_tls`.
    """
    if not target.options.get("tls"):
        return None
    check_tls(target.host or "localhost", target.port or port, plain)
    return authorities()


def check_tls(host: str, port: int, plain: str) -> None:
    """Shake hands once. All errors but two are left to the client, which says more of them.

    Args:
        host: of the server.
        port: of the server.
        plain: the scheme of addresses without TLS.

    Raises:
        Problem: it takes the connection, and does not answer in TLS, or by a certificate that nothing here accepts.
        Usage: see `authorities`.
    """
    context = _context()
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, port), HANDSHAKE_SECONDS) as connection,
    ):
        try:
            context.wrap_socket(connection, server_hostname=host).close()
        except TimeoutError as error:
            raise Problem(
                f"{host}:{port} does not answer in TLS within {HANDSHAKE_SECONDS:g} seconds",
                hint=f"{plain}:// is without TLS",
            ) from error
        except ssl.SSLCertVerificationError as error:
            raise Problem(
                f"the certificate of {host}:{port} is not accepted: {error.verify_message}",
                hint=f"export {VARIABLE}=FILE of the certificate of its authority; it must name the host of the address",
            ) from error


def _context() -> ssl.SSLContext:
    """Accepts what any client here would: no more is known before it is asked."""
    named = authorities()
    context = ssl.create_default_context(cafile=named)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # clients have contexts of their own, which are not
    if named is None:
        with contextlib.suppress(ImportError, OSError):
            context.load_verify_locations(import_module("certifi").where())
    return context
