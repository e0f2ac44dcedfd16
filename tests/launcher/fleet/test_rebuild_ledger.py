"""The ledger from the output path alone: on another laptop, after the first one is gone."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.ledger.ledger import Ledger
from launcher.ledger.records import MachineState, RunState
from tests.support.cli_runs import Launching, embedfleet, shards, wait


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Launching]:
    folder = tmp_path / "first"
    shards(folder, 8)
    one = Launching(folder)
    yield one
    one.clean()


def other(laptop: Launching) -> Path:
    """A second laptop, which shares nothing with the first but the stores."""
    folder = laptop.folder.parent / "second"
    folder.mkdir(exist_ok=True)
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


def test_a_run_goes_on_from_another_laptop_that_knows_the_output_path_alone(laptop: Launching) -> None:
    lost_midway(laptop)
    assert 2 <= laptop.done() < 8
    again = embedfleet("ledger", "rebuild", out(laptop), folder=other(laptop))
    assert again.returncode == 0, again.stderr
    assert f"{laptop.run}: stopped" in again.stdout
    resumed = embedfleet("resume", laptop.run, folder=other(laptop))
    assert resumed.returncode == 0, resumed.stderr
    verified = embedfleet("verify", laptop.run, folder=other(laptop))
    assert verified.returncode == 0, verified.stderr
    assert laptop.done() == 8


def test_what_is_rebuilt_is_what_was_known(laptop: Launching) -> None:
    assert embedfleet("launch", "plan.json", folder=laptop.folder).returncode == 0
    embedfleet("ledger", "rebuild", out(laptop), folder=other(laptop))
    with (
        Ledger.open(laptop.folder / "runs" / "ledger.db") as first,
        Ledger.open(other(laptop) / "runs" / "ledger.db") as second,
    ):
        assert second.shards.receipts(laptop.run) == first.shards.receipts(laptop.run)
        assert second.shards.progress(laptop.run) == first.shards.progress(laptop.run)
        assert list(second.shards.of_run(laptop.run)) == list(first.shards.of_run(laptop.run))
        assert second.runs.find(laptop.run).plan == first.runs.find(laptop.run).plan
        assert second.runs.find(laptop.run).state == RunState.DONE
        names = [{m.name for m in ledger.machines.of_run(laptop.run)} for ledger in (first, second)]
        assert names[0] == names[1]
        assert {m.state for m in second.machines.of_run(laptop.run)} == {MachineState.STOPPED}


def test_a_finished_run_that_is_resumed_elsewhere_has_nothing_to_do_and_says_so(laptop: Launching) -> None:
    embedfleet("launch", "plan.json", folder=laptop.folder)
    embedfleet("ledger", "rebuild", out(laptop), folder=other(laptop))
    before = sorted(path for path in Path(out(laptop)).rglob("*"))
    resumed = embedfleet("resume", laptop.run, folder=other(laptop))
    assert resumed.returncode == 0
    assert f"run {laptop.run} is finished: nothing to do" in resumed.stderr
    assert sorted(path for path in Path(out(laptop)).rglob("*")) == before


def test_rebuilding_twice_changes_nothing(laptop: Launching) -> None:
    embedfleet("launch", "plan.json", folder=laptop.folder)
    said = [
        json.loads(embedfleet("ledger", "rebuild", out(laptop), "--json", folder=other(laptop)).stdout)
        for _ in range(2)
    ]
    assert said[0] == said[1]
    (run,) = said[0]["runs"]
    assert (run["shards"], run["shards_done"], run["state"]) == (8, 8, "DONE")


def test_the_ledger_that_is_there_keeps_what_it_knows(laptop: Launching) -> None:
    embedfleet("launch", "plan.json", folder=laptop.folder)
    with Ledger.open(laptop.folder / "runs" / "ledger.db") as ledger:
        before = (
            ledger.machines.of_run(laptop.run),
            ledger.shards.leases(laptop.run),
            ledger.runs.find(laptop.run),
        )
    embedfleet("ledger", "rebuild", out(laptop), folder=laptop.folder)
    with Ledger.open(laptop.folder / "runs" / "ledger.db") as ledger:
        assert (
            ledger.machines.of_run(laptop.run),
            ledger.shards.leases(laptop.run),
            ledger.runs.find(laptop.run),
        ) == before


def test_an_output_path_without_runs_is_an_error_of_two_lines(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = embedfleet("ledger", "rebuild", "empty", folder=tmp_path)
    assert said.returncode == 1
    assert said.stderr.splitlines() == [
        f"Error: no run under {tmp_path / 'empty'}",
        "Try: name the output.path of a job that was launched",
    ]


def test_a_run_whose_corpus_is_on_another_machine_is_not_signed_for_as_gone(laptop: Launching) -> None:
    lost_midway(laptop)
    done = laptop.done()
    embedfleet("ledger", "rebuild", out(laptop), folder=other(laptop))
    (laptop.folder / "in").rename(laptop.folder / "elsewhere")
    resumed = embedfleet("resume", laptop.run, folder=other(laptop))
    assert resumed.returncode == 1
    assert "there is no such folder on this machine" in resumed.stderr
    assert laptop.done() == done
