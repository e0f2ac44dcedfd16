import http.client
import socket
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from launcher.errors import Problem
from launcher.ui import server as server_module
from launcher.ui.server import MAX_CONNECTIONS, Answer, UiServer


class OnePage:
    """A site of one page, and of one that cannot be made."""

    def answer(self, path: str) -> Answer | None:
        if path == "broken":
            raise Problem("the ledger is damaged", hint="embedfleet ledger rebuild OUTPUT")
        if path == "bug":
            raise ZeroDivisionError
        if path == "unsendable":
            return Answer(b"", kind="text/\u2603")
        return Answer(b"<p>runs</p>") if path == "" else None


@contextmanager
def serving() -> Generator[UiServer, None, None]:
    server = UiServer(OnePage())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def server() -> Generator[UiServer, None, None]:
    with serving() as found:
        yield found


def ask(
    server: UiServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, headers={key.replace("_", "-"): value for key, value in headers.items()})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.headers), body


def test_address_with_the_token_shows_the_page(server: UiServer) -> None:
    status, headers, body = ask(server, f"/{server.token}/")
    assert (status, body) == (200, b"<p>runs</p>")
    assert server.url == f"http://127.0.0.1:{server.port}/{server.token}/"
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/", "/wrong/", "/%00/", "/%C3%A9/", "//", "/../../etc/passwd"])
def test_without_the_token_every_path_is_forbidden(server: UiServer, path: str) -> None:
    status, _, body = ask(server, path)
    assert status == 403
    assert b"runs" not in body.replace(b"embedfleet", b"")


def test_token_without_a_slash_behind_it_is_forbidden(server: UiServer) -> None:
    assert ask(server, f"/{server.token}")[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "", "localhost.evil.example"])
def test_foreign_host_header_is_forbidden(server: UiServer, host: str) -> None:
    assert ask(server, f"/{server.token}/", Host=host)[0] == 403


def test_localhost_is_this_machine(server: UiServer) -> None:
    assert ask(server, f"/{server.token}/", Host=f"localhost:{server.port}")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_pages_can_only_be_read(server: UiServer, method: str) -> None:
    status, headers, _ = ask(server, f"/{server.token}/", method)
    assert status == 405
    assert headers["Allow"] == "GET, HEAD"
    assert "Access-Control-Allow-Origin" not in headers


def test_head_sends_no_body(server: UiServer) -> None:
    status, _, body = ask(server, f"/{server.token}/", "HEAD")
    assert (status, body) == (200, b"")


def test_page_that_did_not_change_is_not_sent_again(server: UiServer) -> None:
    tag = ask(server, f"/{server.token}/")[1]["ETag"]
    status, _, body = ask(server, f"/{server.token}/", If_None_Match=tag)
    assert (status, body) == (304, b"")


def test_unknown_page_is_not_found(server: UiServer) -> None:
    assert ask(server, f"/{server.token}/nothing")[0] == 404


def test_problem_is_shown_with_its_hint(server: UiServer) -> None:
    status, _, body = ask(server, f"/{server.token}/broken")
    assert status == 503
    assert body == b"the ledger is damaged. Try: embedfleet ledger rebuild OUTPUT"


def test_bug_keeps_its_traceback_on_the_terminal(server: UiServer, capfd: pytest.CaptureFixture[str]) -> None:
    status, _, body = ask(server, f"/{server.token}/bug")
    assert status == 500
    assert b"ZeroDivisionError" not in body
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_bug_behind_the_page_keeps_its_traceback_too(
    server: UiServer, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(http.client.HTTPException):
        ask(server, f"/{server.token}/unsendable")
    assert "UnicodeEncodeError" in capfd.readouterr().err


def test_connections_beyond_the_bound_are_closed(server: UiServer) -> None:
    with ExitStack() as held:
        for _ in range(MAX_CONNECTIONS):
            held.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as more:
            assert more.recv(1) == b""


def test_two_servers_run_at_once_with_tokens_of_their_own() -> None:
    with serving() as one, serving() as other:
        assert one.port != other.port
        assert one.token != other.token
        assert ask(one, f"/{other.token}/")[0] == 403


def test_port_that_is_taken_says_what_to_do(server: UiServer) -> None:
    with pytest.raises(Problem) as refused:
        UiServer(OnePage(), server.port)
    assert "--port" in refused.value.hint


def test_only_loopback_is_served() -> None:
    assert server_module.HOST == "127.0.0.1"
    assert "0.0.0.0" not in Path(server_module.__file__).read_text(encoding="utf-8")
