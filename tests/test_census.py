"""Who lives and who is dead, found out by those who only look."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.launching import Launching, embedfleet, shards, wait

SLOW = "0.06"  # seconds for 1,000 tokens: a second for a shard


@pytest.fixture
def orphans(tmp_path: Path) -> Launching:
    """A run whose launcher was killed after the first shard; its workers live."""
    shards(tmp_path, 6)
    found = Launching(tmp_path)
    launcher = found.start("launch", "plan.json", EMBEDFLEET_HASH_SECONDS=SLOW)
    wait(lambda: found.done() >= 1)
    launcher.kill()
    launcher.wait()
    return found


def test_status_says_done_when_workers_finished_without_a_launcher(orphans: Launching) -> None:
    wait(lambda: orphans.done() == 6 and not orphans.processes())
    said = embedfleet("status", "--json", folder=orphans.folder)
    status = json.loads(said.stdout)
    assert status["state"] == "DONE"
    assert {w["state"] for w in status["workers"]} == {"STOPPED"}
    assert json.loads(embedfleet("status", "--json", folder=orphans.folder).stdout)["usd"] == status["usd"]


def test_status_says_stopped_when_all_workers_were_killed_with_their_launcher(orphans: Launching) -> None:
    for process in orphans.processes():
        os.kill(process.pid, signal.SIGKILL)
    wait(lambda: not orphans.processes())
    status = json.loads(embedfleet("status", "--json", "--watch", folder=orphans.folder).stdout)
    assert status["state"] == "STOPPED"
    assert {w["state"] for w in status["workers"]} == {"LOST"}
    assert status["seconds_left"] is None
    assert not list(
        (orphans.folder / "runs" / orphans.run / "scratch").iterdir()
    )  # their files went with them


def test_looking_at_a_run_makes_no_ledger(tmp_path: Path) -> None:
    said = embedfleet("status", folder=tmp_path)
    assert said.returncode == 1
    assert said.stderr.splitlines()[0] == f"Error: no runs are kept in {tmp_path / 'runs'}"
    assert not (tmp_path / "runs").exists()
