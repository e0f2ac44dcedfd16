"""`embedfleet ui` as a process: its address, its pages, Ctrl-C, and two at once."""

import http.client
import re
import shutil
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from launcher.fleet.recovery.rebuild_ledger import rebuild
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import RunState
from launcher.pilot.ledger_copy import send_copy
from launcher.planning.pilot_machine import PILOT_EVENT
from tasks.clock import utc
from tasks.protocol.runs import runs_of
from tasks.stores.folder import FolderStore
from tests.support.cli_runs import COMMAND, PATIENCE, embedfleet, environment, in_process, shards, write_job


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one finished run."""
    made: Path = tmp_path_factory.mktemp("ui")
    shards(made, 2)
    write_job(made)
    done = embedfleet("launch", "job.yaml", "--on", "local", "--probe", "0", folder=made)
    assert done.returncode == 0, done.stderr
    return made


@contextmanager
def page_server(folder: Path, *words: str) -> Generator[tuple[subprocess.Popen[str], str], None, None]:
    """The command while it serves, and the address that it printed."""
    process = subprocess.Popen(
        [*COMMAND, "ui", "--no-open", *words],
        cwd=folder,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr
        line = process.stderr.readline()
        found = re.search(r"http://\S+", line)
        assert found, line
        yield process, found[0]
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


def get(address: str) -> tuple[int, str]:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
    connection.request("GET", parts.path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_pages_of_list_and_run_are_served_and_ctrl_c_ends_it(folder: Path) -> None:
    with page_server(folder) as (process, address):
        status, runs = get(address)
        assert status == 200
        link = re.search(r'href="(run/small-[0-9a-f]+/)"', runs)
        assert link
        status, page = get(address + link[1])
        assert status == 200
        for title in ("Progress", "Workers", "Decisions and events", "Plan and run"):
            assert f"<h2>{title}</h2>" in page
        assert [get(address + name)[0] for name in ("page.css", "live.js", "icon.svg")] == [200, 200, 200]
        assert [get(address + name)[0] for name in ("run/other/", "run/", "ledger.db")] == [404, 404, 404]
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert process.stderr
        assert "ended; runs go on without this page" in process.stderr.read()


def test_two_at_once_serve_the_named_run(folder: Path) -> None:
    with page_server(folder, "small") as (_, one), page_server(folder) as (_, other):
        assert one != other
        assert "/run/small-" in one
        assert get(one)[0] == get(other)[0] == 200


def test_run_of_a_pilot_is_shown_as_it_wrote_it_last(folder: Path, tmp_path: Path) -> None:
    """It was shown as a run that nobody steers, and what became of its machines was settled here."""
    output = tmp_path / "out"
    shutil.copytree(folder / "out", output)
    for receipts in (output / "_embedfleet").glob("*/receipts"):
        shutil.rmtree(receipts)
    store = FolderStore(output)
    (run,) = runs_of(store)
    (tmp_path / "runs").mkdir()
    with Ledger.open(tmp_path / "runs" / "ledger.db") as ledger:
        rebuild(ledger, store, str(output), run)
        ledger.runs.set_state(run, RunState.RUNNING, utc())
        ledger.runs.record_event(run, PILOT_EVENT, f"to {run}-pilot", utc())
        send_copy(ledger, store, run)
    with page_server(tmp_path, run) as (_, address):
        status, page = get(address)
    assert status == 200
    assert "Its pilot drives it; machines, dollars and decisions as it wrote them" in page


def test_run_that_is_not_there_is_refused_at_once(folder: Path) -> None:
    done = in_process("ui", "other", "--no-open", folder=folder)
    assert done.returncode == 1
    assert "begins with 'other'" in done.stderr


def test_port_that_is_none_is_a_usage_error(folder: Path) -> None:
    assert in_process("ui", "--port", "70000", folder=folder).returncode == 2
