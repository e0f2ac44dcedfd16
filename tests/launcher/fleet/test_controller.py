"""The controller with real processes: killed launchers and workers, Ctrl-C, crash loops, budgets.

How long a command takes depends on what else the machine does, so no test relies on a run that is still going by then:
workers are paused (SIGSTOP) while a command runs, and go on once its effect shows in the ledger.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from launcher.format import verb
from launcher.ledger.ledger import Ledger
from tests.launcher.fleet.disturbed_runs import SLOW, Disturbed, Killer, kill_corpus, paused, vectors
from tests.support.cli_runs import Launching, embedfleet, shards, wait, write_job, write_plan

# In one process, for the runs of module fixtures go on while other tests run.
pytestmark = pytest.mark.xdist_group("controller")

Make = Callable[..., Launching]


ENDLESS = "50"  # a quarter of an hour a shard


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Generator[Make, None, None]:
    made: list[Launching] = []

    def new(count: int, **changes: str) -> Launching:
        folder = tmp_path_factory.mktemp("drive")
        shards(folder, count)
        made.append(Launching(folder, **changes))
        return made[-1]

    yield new
    for found in made:
        found.clean()


Started = tuple[Launching, subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def crashing(make: Make) -> Started:
    """A run whose workers crash as they start. Most of its time it waits: it begins before a test needs it."""
    found = make(2, local="{workers: 1}")
    return found, found.start("launch", "plan.json", EMBEDFLEET_HASH_SECONDS="soon")


@pytest.fixture(scope="module")
def expensive(make: Make) -> Started:
    """A run at $10 a second with a budget of $100."""
    found = make(16, local="{workers: 2, usd_per_hour: 36000}", limits="{budget: $100}")
    return found, found.start("launch", "plan.json", EMBEDFLEET_HASH_SECONDS="0.1")


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Disturbed, Thread], None, None]:
    folder = tmp_path_factory.mktemp("killed")
    ids = kill_corpus(folder)
    found = Launching(folder, chunk="{tokens: 128, overlap: 16}")
    run = Disturbed(found, ids, Killer(found, seed=23))
    thread = Thread(target=run.disturb)
    thread.start()
    yield run, thread
    found.clean()  # ends the thread, should it still run
    thread.join(timeout=60)


# --- the launcher is killed


@pytest.mark.slow
def test_run_outlives_its_launcher_and_the_next_one_adopts_its_workers(
    disturbed: object, crashing: object, make: Make
) -> None:
    del disturbed, crashing  # they run meanwhile, which saves a minute
    found = make(40)  # a quarter of a minute of work beyond the few shards that are done between two pauses
    first = found.start("launch", "plan.json", EMBEDFLEET_HASH_SECONDS=SLOW)
    wait(lambda: found.done() >= 1)

    with paused(found):
        second = embedfleet("launch", "plan.json", folder=found.folder)
        assert second.returncode == 1
        assert second.stderr.splitlines()[-2:] == [
            f"Error: run {found.run} is already being driven by process {first.pid}",
            f"Try: embedfleet status {found.run} --watch",
        ]
        handles = {w["name"]: w["handle"] for w in found.up()}
        first.kill()
        first.wait()
        seen = found.done()
    wait(lambda: found.done() > seen)  # workers need no launcher

    with paused(found):
        os.kill(int(handles.popitem()[1].partition(":")[0]), signal.SIGKILL)
        third = found.start("resume", EMBEDFLEET_HASH_SECONDS="0.001")
        wait(lambda: len(found.status()["workers"]) > 2)  # the dead one is replaced
    assert third.wait(60) == 0
    after = found.status()
    assert after["state"] == "DONE"
    assert after["shards_done"] == after["shards"] == found.done()
    known = {w["name"]: w["handle"] for w in after["workers"]}
    assert len(known) == len(after["workers"])  # no name twice
    assert handles.items() <= known.items()  # the one that was alive was adopted, not started again
    assert len(known) == 3
    assert "LOST" in {w["state"] for w in after["workers"]}
    assert embedfleet("verify", folder=found.folder).returncode == 0


# --- Ctrl-C


@pytest.mark.slow
def test_first_ctrl_c_drains_workers_and_the_second_ends_them(make: Make) -> None:
    found = make(40)  # more than two workers claim ahead and put through the engine in one call
    first = found.start("launch", "plan.json", EMBEDFLEET_HASH_SECONDS=SLOW)
    wait(lambda: found.done() >= 1)
    with paused(found):
        first.send_signal(signal.SIGINT)
        wait(lambda: all_ordered_to_end(found))
    assert first.wait(60) == 130
    status = found.status()
    left = status["shards"] - status["shards_done"]
    assert found.last_words(first) == [
        f"Error: stopped: {left} of {status['shards']} shards {verb(left, 'is', 'are')} left; no worker runs",
        f"Try: embedfleet resume {found.run}",
    ]
    assert (status["state"], found.processes(), found.up()) == ("STOPPED", [], [])
    assert {w["state"] for w in status["workers"]} == {"STOPPED"}
    assert held(found) == []  # every shard in hand was finished, and what was claimed ahead is given back

    second = found.start("resume", found.run, EMBEDFLEET_HASH_SECONDS=ENDLESS)
    wait(lambda: len([w for w in found.up() if w["ready"]]) == 2)
    second.send_signal(signal.SIGINT)
    time.sleep(1.5)
    assert second.poll() is None
    second.send_signal(signal.SIGINT)
    assert second.wait(30) == 130
    assert (found.status()["state"], found.processes()) == ("STOPPED", [])
    assert found.done() == status["shards_done"]
    assert held(found) == []

    assert found.start("resume", found.run).wait(60) == 0
    assert found.done() == status["shards"]


def all_ordered_to_end(found: Launching) -> bool:
    """Whether the launcher has sent every worker the order to drain or to end."""
    with Ledger.open(found.folder / "runs" / "ledger.db") as ledger:
        return all(machine.stopping for machine in ledger.machines.of_run(found.run))


def held(found: Launching) -> list[Path]:
    """The newest leases of shards without a receipt that were not given back."""
    run = found.folder / "out" / "_embedfleet" / found.run
    done = {path.stem for path in run.glob("receipts/*/*.json")}
    newest = [max(shard.iterdir()) for shard in run.glob("leases/*/*") if shard.name not in done]
    return [path for path in newest if path.stat().st_size]


# --- a damaged command


@pytest.mark.slow
def test_a_damaged_command_is_written_again_and_the_run_goes_on(make: Make) -> None:
    found = make(6)
    launcher = found.start("launch", "plan.json", EMBEDFLEET_HASH_SECONDS="0.5")
    wait(lambda: found.done() >= 1)
    message = found.folder / "out" / "_embedfleet" / found.run / "control.json"
    message.write_bytes(b'{"schema": "embedf')
    wait(lambda: b'"go"' in message.read_bytes())
    assert launcher.wait(60) == 0
    with Ledger.open(found.folder / "runs" / "ledger.db") as ledger:
        events = ledger.runs.events(found.run)
    assert [event.text for event in events if event.kind == "control"] == [
        "the command to the machines was damaged and is written again"
    ]


# --- what cannot go on


@pytest.mark.slow
def test_failed_workers_end_the_run_with_their_error(make: Make) -> None:
    found = make(40)  # more than are read ahead
    corpus, away = found.folder / "in" / "a.jsonl", found.folder / "away.jsonl"
    launcher = found.start("launch", "plan.json", EMBEDFLEET_HASH_SECONDS=SLOW)
    wait(lambda: found.done() >= 1)
    corpus.rename(away)
    assert launcher.wait(60) == 1
    assert found.last_words(launcher) == [
        "Error: the workers gave up: cannot read a.jsonl: nothing is left of the corpus",
        f"Try: fix that, then: embedfleet resume {found.run}",
    ]
    assert (found.status()["state"], found.processes()) == ("STOPPED", [])
    assert {w["state"] for w in found.status()["workers"]} == {"FAILED"}

    away.rename(corpus)
    assert found.start("resume").wait(60) == 0
    assert found.status()["state"] == "DONE"


@pytest.mark.slow
def test_crash_loop_ends_with_an_error_that_names_the_log(crashing: Started) -> None:
    found, launcher = crashing
    assert launcher.wait(60) == 1
    error, hint = found.last_words(launcher)
    assert error == (
        "Error: the workers die without finishing a shard (it died with exit status 1): "
        "ValueError: could not convert string to float: 'soon'"
    )
    assert hint.endswith(f".log, fix it, then: embedfleet resume {found.run}")
    log = found.folder / "runs" / found.run / "logs" / f"{found.run}-w0-4.log"
    assert str(log.relative_to(found.folder)) in hint
    assert "Traceback" in log.read_text()
    status = found.status()
    assert (status["state"], found.processes()) == ("STOPPED", [])
    assert [w["state"] for w in status["workers"]] == ["LOST"] * 5


@pytest.mark.slow
def test_run_can_be_resumed_after_a_crash_loop(crashing: Started) -> None:
    found, launcher = crashing
    launcher.wait(60)
    assert found.start("resume").wait(60) == 0
    assert found.status()["workers"][-1]["name"] == f"{found.run}-w0-5"


# --- the budget


@pytest.mark.slow
def test_run_stops_at_its_budget_and_goes_on_with_a_larger_one(expensive: Started) -> None:
    found, launcher = expensive
    assert launcher.wait(60) == 5
    error, hint = found.last_words(launcher)
    assert error.startswith("Error: the budget of $100 is used up: $")
    assert hint == f"Try: embedfleet resume {found.run} --budget DOLLARS goes on with a larger one"
    status = found.status()
    assert (status["state"], found.processes()) == ("STOPPED", [])
    assert 90 <= float(status["usd"]) < 150
    assert 0 < status["shards_done"] < status["shards"]
    assert found.start("resume").wait(60) == 5  # nothing changed

    job = write_job(found.folder, local="{workers: 2, usd_per_hour: 36000}", limits="{budget: $100000}")
    assert write_plan(job)["run"] == found.run
    assert found.start("launch", "plan.json").wait(60) == 0
    assert found.status()["state"] == "DONE"


@pytest.mark.slow
def test_killed_workers_and_launcher_lose_and_double_no_rows(
    disturbed: tuple[Disturbed, Thread],
) -> None:
    run, thread = disturbed
    thread.join(timeout=120)
    found = run.found
    assert run.status == 0, found.said(found.launchers[-1])
    assert run.resumed
    assert min(run.killer.killed[slot] for slot in (0, 1)) >= 5
    names = [w["name"] for w in found.status()["workers"]]
    assert len(names) == len(set(names)) > 10

    calm = write_job(found.folder, "calm.yaml", chunk="{tokens: 128, overlap: 16}", output="{path: calm}")
    undisturbed = write_plan(calm, "calm.json")["run"]
    assert found.start("launch", "calm.json").wait(60) == 0

    after = vectors(found.folder / "out", found.run)
    expected = vectors(found.folder / "calm", undisturbed)
    assert sorted({name for name, _ in after}) == sorted(run.ids)
    assert after.keys() == expected.keys()
    likeness = [np.dot(after[key], expected[key]) for key in expected]
    assert min(likeness) >= 0.999
