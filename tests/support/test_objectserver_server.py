"""The loopback server does what its settings and faults say; that it speaks S3 and GCS is shown by the contract suite."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.objectserver import Admin, Fault, Requests, Running
from tests.support.objectserver.faults import Faults
from tests.support.objectserver.process import ROOT, started


@pytest.fixture
def server() -> Iterator[Running]:
    with Running() as running:
        running.admin.make("b")
        yield running


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    date: str | None


def ask(address: str, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """One request on a line of its own."""
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        reply = connection.getresponse()
        return Answer(reply.status, reply.read(), reply.getheader("Date"))
    finally:
        connection.close()


def test_an_object_comes_back_as_it_was_put(server: Running) -> None:
    ask(server.address, "PUT", "/b/k", b"\r\nbody\x00")
    assert ask(server.address, "GET", "/b/k").body == b"\r\nbody\x00"


def test_a_fault_before_the_deed_leaves_it_undone(server: Running) -> None:
    server.admin.faults(Fault(on="put", status=503))
    assert ask(server.address, "PUT", "/b/k", b"1").status == 503
    server.admin.faults()
    assert ask(server.address, "GET", "/b/k").status == 404


def test_a_fault_after_the_deed_leaves_it_done(server: Running) -> None:
    server.admin.faults(Fault(on="put", status=500, after=True))
    assert ask(server.address, "PUT", "/b/k", b"1").status == 500
    assert ask(server.address, "GET", "/b/k").body == b"1"


def test_a_dropped_line_has_no_answer(server: Running) -> None:
    server.admin.faults(Fault(on="put", drop=True, after=True, times=1))
    with pytest.raises((HTTPException, ConnectionError)):
        ask(server.address, "PUT", "/b/k", b"1")
    assert ask(server.address, "GET", "/b/k").body == b"1"


def test_a_cut_answer_ends_early(server: Running) -> None:
    ask(server.address, "PUT", "/b/k", b"x" * 1_000)
    server.admin.faults(Fault(on="get", cut=100))
    with pytest.raises(HTTPException):
        ask(server.address, "GET", "/b/k")


def test_a_fault_strikes_as_often_as_it_says_and_only_its_keys(server: Running) -> None:
    server.admin.faults(Fault(on="get,head", key="^b/a", status=503, skip=1, times=2))
    found = [ask(server.address, "GET", "/b/a").status for _ in range(5)]
    assert found == [404, 503, 503, 404, 404]
    assert ask(server.address, "GET", "/b/c").status == 404


def test_the_same_seed_gives_the_same_faults() -> None:
    faults = Faults()

    def struck() -> list[bool]:
        faults.set([Fault(on="put", status=503, rate=0.05)], seed=7)
        return [faults.strike("put", "b/k").fault is not None for _ in range(1_000)]

    first = struck()
    assert struck() == first
    assert 20 < sum(first) < 80


def test_a_delay_is_drawn_between_its_bounds() -> None:
    faults = Faults()
    faults.set([Fault(seconds=0.1, spread=0.2)])
    found = [faults.strike("get", "b/k").seconds for _ in range(200)]
    assert 0.1 <= min(found) < 0.12
    assert 0.28 < max(found) <= 0.3


@pytest.mark.parametrize("path", ["/b/k", "/b?list-type=2"])
def test_answers_tell_the_date_unless_told_not_to(server: Running, path: str) -> None:
    assert ask(server.address, "GET", path).date
    server.admin.set(date=False)
    assert ask(server.address, "GET", path).date is None


def test_conditions_are_heeded_ignored_refused_or_lied_about(server: Running) -> None:
    def create(body: bytes) -> int:
        return ask(server.address, "PUT", "/b/k", body, If_None_Match="*").status

    assert [create(b"1"), create(b"2")] == [200, 412]
    server.admin.set(conditions="lie")
    assert create(b"3") == 412
    assert ask(server.address, "GET", "/b/k").body == b"3"
    server.admin.set(conditions="refuse")
    assert create(b"4") == 501
    server.admin.set(conditions="ignore")
    assert create(b"5") == 200
    assert ask(server.address, "GET", "/b/k").body == b"5"


def test_requests_and_bytes_are_counted_by_kind(server: Running) -> None:
    before = Requests.of(server.address)
    ask(server.address, "PUT", "/b/k", b"12345", If_None_Match="*")
    ask(server.address, "GET", "/b/k", Range="bytes=1-3")
    asked = Requests.of(server.address).minus(before)
    assert asked == Requests({"create": 1, "get": 1}, bytes_in=5, bytes_out=3)
    assert asked.total == 2


def test_writes_are_counted_by_key(server: Running) -> None:
    ask(server.address, "PUT", "/b/k", b"1")
    ask(server.address, "PUT", "/b/k", b"2")
    ask(server.address, "PUT", "/b/k", b"3", If_None_Match="*")
    assert server.admin.writes("b/") == {"b/k": 2}


def test_a_server_that_is_down_refuses_and_has_its_objects_when_it_is_up_again(server: Running) -> None:
    ask(server.address, "PUT", "/b/k", b"1")
    address = server.address
    server.down()
    with pytest.raises(ConnectionError):
        ask(address, "GET", "/b/k")
    server.up()
    assert server.address == address
    assert ask(address, "GET", "/b/k").body == b"1"


def test_large_bodies_are_kept_in_the_folder(tmp_path: Path) -> None:
    with Running(tmp_path) as server:
        server.admin.make("b")
        ask(server.address, "PUT", "/b/k", b"x" * 3_000_000)
        assert [path.stat().st_size for path in tmp_path.iterdir()] == [3_000_000]
        assert ask(server.address, "GET", "/b/k", Range="bytes=2999998-").body == b"xx"


def test_a_process_of_its_own_ends_with_the_block(tmp_path: Path) -> None:
    with started(["b"], tmp_path) as address:
        Admin(address).set(skew=3_600)
        assert ask(address, "PUT", "/b/k", b"1").status == 200
    with pytest.raises(ConnectionError):
        ask(address, "GET", "/b/k")


def test_it_ends_when_its_parent_is_gone() -> None:
    script = (
        "import subprocess, sys\n"
        "words = [sys.executable, '-m', 'tests.support.objectserver']\n"
        "child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)\n"
        "print(child.stdout.readline().strip(), child.pid)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    address, pid = done.stdout.split()

    end = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    with pytest.raises(ConnectionError):
        ask(address, "GET", "/b/k")
