"""A server without TLS that is asked by TLS is named as that, and not waited for."""

import socket

import pytest

from launcher.errors import Problem
from launcher.loading.connect import connect
from launcher.loading.stores.common import tls
from launcher.loading.stores.common.tls import check_tls
from launcher.sinks.targets import parse_target


def test_server_that_says_nothing_to_a_handshake_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # as Redis, which waits for the end of a line
        port = silent.getsockname()[1]
        with pytest.raises(Problem, match="does not answer in TLS") as found:
            check_tls("127.0.0.1", port, "redis", 0.2)
        assert found.value.hint == "redis:// is without TLS"
        monkeypatch.setattr(tls.check_tls, "__defaults__", (0.2,))
        with pytest.raises(Problem, match="does not answer in TLS"):
            connect(parse_target(f"rediss://127.0.0.1:{port}/docs"))


def test_other_errors_are_left_to_the_client() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    check_tls("127.0.0.1", port, "redis", 0.2)
