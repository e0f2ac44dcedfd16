"""Listen, and end well: SIGTERM or Ctrl-C lets the requests in hand finish, and takes no new ones."""
# uvicorn is optional
# pyright: reportMissingImports=false

import importlib.util
import signal
import socket
from types import FrameType
from typing import TYPE_CHECKING, Any

from launcher.errors import Problem, Usage
from tasks.metrics.server import is_loopback

if TYPE_CHECKING:
    from uvicorn import Server

    from launcher.serve.connection_limits import ConnectionLimits

MISSING = "pip install 'embedfleet[serve]'"
GRACEFUL_SECONDS = 30  # that requests have to finish
LEAST_KEY = 16  # letters of a key


def check_installed() -> None:
    """Check that the libraries of the server are here.

    Raises:
        Usage: a library is missing.
    """
    missing = [name for name in ("starlette", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise Usage(f"{' and '.join(missing)} not installed here", hint=MISSING)


def check_access(host: str, key: str | None) -> None:
    """Check that an address that others reach has a key.

    Raises:
        Usage: it has none, or one that can be guessed.
    """
    if key is not None and len(key) < LEAST_KEY:
        raise Usage(
            f"the key has {len(key)} letters",
            hint=f"choose one of at least {LEAST_KEY}: openssl rand -hex 24",
        )
    if key is None and not is_loopback(host):
        raise Usage(
            f"{host} is reached by other machines, and there is no key",
            hint="put a key into an environment variable and name it: --key NAME; or leave --host out",
        )


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        Problem: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY; without, an answer waits 40 ms for a delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise Problem(
            f"{host}:{port} cannot be listened on: {error.strerror or error}",
            hint="name another --port or --host",
        ) from error
    return listener


def make_server(app: Any, limits: "ConnectionLimits | None" = None) -> "Server":
    """The server of an application, which does not listen yet. `limits` None: the usual ones."""
    # optional, and needed when the model is loaded
    import uvicorn  # noqa: PLC0415

    from launcher.serve.connection_limits import ConnectionLimits, limited_protocol  # noqa: PLC0415

    config = uvicorn.Config(
        app,
        http=limited_protocol(limits or ConnectionLimits()),
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        timeout_keep_alive=75,
        limit_concurrency=1_024,
        h11_max_incomplete_event_size=2**16,
        lifespan="on",
    )
    return uvicorn.Server(config)


def run_server(app: Any, listener: socket.socket) -> None:
    """Serve until SIGTERM or Ctrl-C, and return when the requests in hand are answered."""
    server = make_server(app)
    # uvicorn raises the signal that ended it again: ended as told is no error.
    before = {number: signal.signal(number, _ignore) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.run([listener])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Do nothing."""
