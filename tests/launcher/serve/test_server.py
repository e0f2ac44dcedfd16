"""Addresses and keys, and sockets that do not wait for acknowledgements."""

import socket

import pytest

from launcher.errors import Problem, Usage
from launcher.serve.server import bind, check_access, check_installed


def test_only_loopback_goes_without_a_key() -> None:
    check_access("127.0.0.1", None)
    check_access("::1", None)
    check_access("0.0.0.0", "a key of some letters")
    with pytest.raises(Usage, match="there is no key"):
        check_access("0.0.0.0", None)
    with pytest.raises(Usage, match="has 3 letters"):
        check_access("127.0.0.1", "abc")


def test_port_that_is_taken_is_a_problem() -> None:
    taken = bind("127.0.0.1", 0)
    with pytest.raises(Problem, match="cannot be listened on"):
        bind("127.0.0.1", taken.getsockname()[1])
    taken.close()


def test_socket_names_its_protocol_so_that_asyncio_sets_nodelay() -> None:
    listener = bind("127.0.0.1", 0)
    assert listener.proto == socket.IPPROTO_TCP
    listener.close()


def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "uvicorn" else object())  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    with pytest.raises(Usage, match="uvicorn not installed") as refused:
        check_installed()
    assert "embedfleet[serve]" in refused.value.hint
