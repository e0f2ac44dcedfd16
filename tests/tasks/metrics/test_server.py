"""The server of metrics: one page, read only, for this machine alone."""

import http.client
from collections.abc import Iterator

import pytest

from tasks.errors import Problem
from tasks.metrics.exposition import CONTENT_TYPE
from tasks.metrics.server import MetricsServer, is_loopback


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    found = MetricsServer(lambda: "a 1\n", 0)
    yield found
    found.close()


def ask(server: MetricsServer, path: str, method: str = "GET", **headers: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.headers.get("Content-Type", ""), answer.read().decode()


def test_metrics_are_at_one_path(server: MetricsServer) -> None:
    assert ask(server, "/metrics") == (200, CONTENT_TYPE, "a 1\n")
    assert ask(server, "/metrics?x=1")[0] == 200
    assert ask(server, "/")[0] == 404
    assert server.url == f"http://127.0.0.1:{server.port}/metrics"
    assert server.scrapes == 2


def test_pages_of_other_sites_and_writers_are_refused(server: MetricsServer) -> None:
    assert ask(server, "/metrics", Host="evil.example:80")[0] == 403
    assert ask(server, "/metrics", Host=f"localhost:{server.port}")[0] == 200
    assert ask(server, "/metrics", "POST")[0] == 501


def test_page_that_fails_ends_neither_the_server_nor_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    pages = iter([ValueError("secret"), "a 2\n"])

    def page() -> str:
        found = next(pages)
        if isinstance(found, Exception):
            raise found
        return found

    server = MetricsServer(page, 0)
    assert ask(server, "/metrics")[::2] == (500, "ValueError\n")
    assert ask(server, "/metrics")[2] == "a 2\n"
    server.close()
    assert capsys.readouterr() == ("", "")


def test_port_in_use_is_a_problem(server: MetricsServer) -> None:
    with pytest.raises(Problem, match=f"metrics cannot be served at 127.0.0.1:{server.port}"):
        MetricsServer(lambda: "", server.port)


def test_loopback_is_known_by_its_address() -> None:
    assert [
        is_loopback(host)
        for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost", "0.0.0.0", "10.0.0.1", "a.b")
    ] == [True] * 4 + [False] * 3
