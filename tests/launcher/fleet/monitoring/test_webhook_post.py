"""The address of a webhook is in no word, whatever it is and however its server answers."""

import socket
import threading
import time
import traceback
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.errors import Usage
from launcher.fleet.monitoring import webhook_post
from launcher.fleet.monitoring.webhook_post import post, webhook_url
from tests.support.webhook import listening

SECRET = "T000-B000-XXXX"


@contextmanager
def answering(*answer: bytes, pause: float = 0.0) -> Generator[str]:
    """The address of a server that sends these bytes, with a pause after each, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                for part in answer:
                    try:
                        connection.sendall(part)
                    except OSError:
                        return
                    time.sleep(pause)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/services/{SECRET}"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"GARBAGE not http\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/other\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_an_odd_answer_is_a_failure_in_words(answer: bytes) -> None:
    with answering(answer) as url:
        said = post(url, "x")
    assert said
    assert SECRET not in said


def test_redirect_is_not_followed() -> None:
    with listening() as hook:
        hook.answers = [302]
        assert post(hook.url, "x") == "it answered 302"


def test_a_server_that_answers_byte_by_byte_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_post, "ATTEMPT_SECONDS", 0.2)
    with answering(*[b"H"] * 100, pause=0.05) as url:
        begun = time.monotonic()
        assert post(url, "x") == "it did not answer in time"
        assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    "url", [f"http://127.0.0.1:9/{SECRET}", f"http://[::1]:9/{SECRET}", f"http://127.0.0.1:9/{SECRET} x"]
)
def test_a_failure_does_not_quote_the_address(url: str) -> None:
    said = post(url, "x")
    assert said
    assert SECRET not in said


def test_address_is_read_from_the_environment() -> None:
    url = f"https://hooks.example.org/{SECRET}"
    assert webhook_url("$HOOK", {"HOOK": f"{url}\n"}) == url  # as a file ends that was read into the variable
    assert webhook_url(None, {}) is None


def refusal(held: str) -> str:
    """What a user and a log see of the refusal, with its traceback."""
    with pytest.raises(Usage) as caught:
        webhook_url("$HOOK", {"HOOK": held})
    assert "HOOK" in str(caught.value)
    return "".join(traceback.format_exception(caught.value)) + caught.value.hint


@pytest.mark.parametrize(
    "held",
    [
        "",
        f"http://hooks.example.org/{SECRET}",
        f"file:///etc/passwd#{SECRET}",
        SECRET,
        f"https://hooks.example.org/{SECRET} # my hook",
        f"https://hooks.example.org/{SECRET}\x01",
        f"https://hooks.example.org/{SECRET}é",
        f"https://hooks.example.org:port/{SECRET}",
        f"https://hooks.example.org:99999/{SECRET}",
        f"https://[::1/{SECRET}",
        f"https://user:{SECRET}@hooks.example.org/x",
        f"https://{SECRET}@hooks.example.org/x",
        f"https:///{SECRET}",
    ],
)
def test_unsafe_address_is_refused_without_being_shown(held: str) -> None:
    assert SECRET not in refusal(held)


@given(st.text(max_size=40), st.sampled_from(["https://", "http://", "https://[", ""]))
def test_every_address_is_taken_or_refused_in_words(text: str, scheme: str) -> None:
    try:
        found = webhook_url("$HOOK", {"HOOK": f"{scheme}{text}"})
    except Usage:  # any other exception would quote it
        return
    assert found
    assert found.isascii()
