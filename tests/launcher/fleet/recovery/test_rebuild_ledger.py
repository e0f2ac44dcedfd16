"""The ledger from the output path alone: on another laptop, after the first one is gone.

Tests take a finished run from a fixture of the module, which none of them changes, and a second laptop of their own.
"""

import json
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.ledger.ledger import Ledger
from launcher.ledger.records import MachineState, RunState
from tests.support.cli_runs import Launching, embedfleet, in_process, shards, wait


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Launching]:
    """A laptop with a plan for 8 shards."""
    folder = tmp_path / "first"
    shards(folder, 8)
    one = Launching(folder)
    yield one
    one.clean()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launching]:
    """A laptop with a finished run, which costs nothing."""
    folder = tmp_path_factory.mktemp("finished") / "first"
    shards(folder, 8)
    one = Launching(folder, local="{workers: 2, usd_per_hour: 0}")
    done = embedfleet("launch", "plan.json", folder=folder)
    assert done.returncode == 0, done.stderr
    yield one
    one.clean()


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """A second laptop, which shares nothing with the first but the stores."""
    folder = tmp_path / "second"
    folder.mkdir()
    return folder


def out(laptop: Launching) -> str:
    return str(laptop.folder / "out")


def lost_midway(laptop: Launching) -> None:
    """The first laptop and its workers are gone after the first shards."""
    child = laptop.start("launch", "plan.json", EMBEDFLEET_HASH_SECONDS="0.1", EMBEDFLEET_LEASE_SECONDS="2")
    wait(lambda: laptop.done() >= 2)
    child.kill()
    child.wait()
    for worker in laptop.processes():
        worker.kill()
    wait(lambda: not laptop.processes())
    shutil.rmtree(laptop.folder / "runs")


def test_run_is_resumed_on_another_laptop(laptop: Launching, second: Path) -> None:
    lost_midway(laptop)
    assert 2 <= laptop.done() < 8
    again = embedfleet("ledger", "rebuild", out(laptop), folder=second)
    assert again.returncode == 0, again.stderr
    assert (
        f"{laptop.run}: running" in again.stdout
    )  # for all that the store says: its workers wrote a moment ago
    resumed = embedfleet("resume", laptop.run, folder=second)
    assert resumed.returncode == 0, resumed.stderr
    verified = embedfleet("verify", laptop.run, folder=second)
    assert verified.returncode == 0, verified.stderr
    assert laptop.done() == 8


def test_rebuilt_ledger_equals_the_first(finished: Launching, second: Path) -> None:
    embedfleet("ledger", "rebuild", out(finished), folder=second)
    with (
        Ledger.open(finished.folder / "runs" / "ledger.db") as first,
        Ledger.open(second / "runs" / "ledger.db") as rebuilt,
    ):
        assert rebuilt.shards.receipts(finished.run) == first.shards.receipts(finished.run)
        assert rebuilt.shards.progress(finished.run) == first.shards.progress(finished.run)
        assert list(rebuilt.shards.of_run(finished.run)) == list(first.shards.of_run(finished.run))
        assert rebuilt.runs.find(finished.run).plan == first.runs.find(finished.run).plan
        assert rebuilt.runs.find(finished.run).state == RunState.DONE
        prices = [
            {m.name: m.usd_per_hour for m in ledger.machines.of_run(finished.run)}
            for ledger in (first, rebuilt)
        ]
        assert prices[0] == prices[1]
        assert set(prices[0].values()) == {Decimal(0)}  # known to be nothing, which is not unknown
        assert {m.state for m in rebuilt.machines.of_run(finished.run)} == {MachineState.STOPPED}
        history = rebuilt.steering  # of which the store has no copy
        assert (history.asks(finished.run), history.decisions(finished.run)) == ([], [])
        assert (history.latest_course(finished.run), history.deadline(finished.run)) == (None, None)


def test_finished_run_has_nothing_to_do_on_another_laptop(finished: Launching, second: Path) -> None:
    embedfleet("ledger", "rebuild", out(finished), folder=second)
    before = sorted(path for path in Path(out(finished)).rglob("*"))
    resumed = embedfleet("resume", finished.run, folder=second)
    assert resumed.returncode == 0
    assert f"run {finished.run} is finished: nothing to do" in resumed.stderr
    assert sorted(path for path in Path(out(finished)).rglob("*")) == before


def test_dollars_of_a_rebuilt_ledger_are_those_that_launchers_recorded(tmp_path: Path, second: Path) -> None:
    """Receipts and heartbeats alone show less machine time than the launcher paid for."""
    shards(tmp_path / "first", 1)
    one = Launching(tmp_path / "first", local="{workers: 1, usd_per_hour: 3600}")
    assert embedfleet("launch", "plan.json", folder=one.folder).returncode == 0
    assert in_process("ledger", "rebuild", out(one), folder=second).returncode == 0
    first, rebuilt = (
        json.loads(in_process("report", "--json", folder=folder).stdout) for folder in (one.folder, second)
    )
    paid = Decimal(first["spend"]["total"])
    assert paid > 0
    assert abs(Decimal(rebuilt["spend"]["total"]) - paid) < paid / 1000
    assert not [line for line in rebuilt["unknown"] if "as launchers of the run recorded" in line]
    for run in ("", out(one)):  # of the ledger, and by the output path alone
        status = json.loads(in_process("status", "--json", *filter(None, [run]), folder=second).stdout)
        assert abs(Decimal(status["usd"]) - paid) < paid / 1000
    one.clean()


def test_rebuild_is_idempotent(finished: Launching, second: Path) -> None:
    done = [
        json.loads(embedfleet("ledger", "rebuild", out(finished), "--json", folder=second).stdout)
        for _ in range(2)
    ]
    assert done[0] == done[1]
    (run,) = done[0]["runs"]
    assert (run["shards"], run["shards_done"], run["state"]) == (8, 8, "DONE")


def test_rebuild_keeps_what_the_ledger_knows(finished: Launching) -> None:
    with Ledger.open(finished.folder / "runs" / "ledger.db") as ledger:
        before = (
            ledger.machines.of_run(finished.run),
            ledger.shards.leases(finished.run),
            ledger.runs.find(finished.run),
        )
    embedfleet("ledger", "rebuild", out(finished), folder=finished.folder)
    with Ledger.open(finished.folder / "runs" / "ledger.db") as ledger:
        assert (
            ledger.machines.of_run(finished.run),
            ledger.shards.leases(finished.run),
            ledger.runs.find(finished.run),
        ) == before


def test_output_path_without_runs_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = embedfleet("ledger", "rebuild", "empty", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"Error: no run under {tmp_path / 'empty'}",
        "Try: name the output.path of a job that was launched",
    ]


def test_corpus_of_another_machine_does_not_fail_shards(laptop: Launching, second: Path) -> None:
    lost_midway(laptop)
    done = laptop.done()
    embedfleet("ledger", "rebuild", out(laptop), folder=second)
    (laptop.folder / "in").rename(laptop.folder / "elsewhere")
    resumed = embedfleet("resume", laptop.run, folder=second)
    assert resumed.returncode == 1
    assert "there is no such folder on this machine" in resumed.stderr
    assert laptop.done() == done
