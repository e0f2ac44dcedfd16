"""Which workers live and which have ended, found out by `status` without a launcher."""

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.fleet.backends.base import MachineStatus
from launcher.fleet.backends.local import LocalBackend
from launcher.fleet.monitoring.machine_tracker import MachineTracker, life_start, with_last_error
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Machine, MachineState, Site
from tasks.skypilot_task import Place, machine_name, machine_prefix
from tasks.stores.memory import MemoryStore
from tests.support.cli_runs import Launching, embedfleet, shards, wait
from tests.support.runs import NOON, header_of

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


def test_status_is_done_when_workers_finished_without_a_launcher(orphans: Launching) -> None:
    wait(lambda: orphans.done() == 6 and not orphans.processes())
    done = embedfleet("status", "--json", folder=orphans.folder)
    status = json.loads(done.stdout)
    assert status["state"] == "DONE"
    assert {w["state"] for w in status["workers"]} == {"STOPPED"}
    assert json.loads(embedfleet("status", "--json", folder=orphans.folder).stdout)["usd"] == status["usd"]


def test_status_is_stopped_when_all_workers_were_killed(orphans: Launching) -> None:
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


def test_status_creates_no_ledger(tmp_path: Path) -> None:
    done = embedfleet("status", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == f"Error: no runs are kept in {tmp_path / 'runs'}"
    assert not (tmp_path / "runs").exists()


def test_heartbeat_proves_a_life_before_the_backend_calls_it_running() -> None:
    """A machine that is lost in between is replaced without a word: its time would be charged to no machine."""
    coming = datetime(2026, 3, 1, 12, tzinfo=UTC)
    without_heartbeat = Machine(
        "run-l0m0-0", "run", 0, "aws/us-east-1", "L4", Decimal("0.35"), MachineState.UP, "1:run-l0m0-0",
        coming, coming, None, None, None, None, None,
    )  # fmt: skip
    with_heartbeat = replace(without_heartbeat, ready=coming + timedelta(seconds=70))
    starting = MachineStatus(Phase.WAITING, launching_since=coming)
    assert life_start(without_heartbeat, starting) is None
    assert life_start(with_heartbeat, starting) == coming
    assert life_start(with_heartbeat, replace(starting, life=1)) is None, (
        "the heartbeat may be of an earlier life"
    )
    running = replace(starting, phase=Phase.RUNNING, up=coming + timedelta(seconds=90))
    assert life_start(without_heartbeat, running) == life_start(with_heartbeat, running) == running.up


class Listing(LocalBackend):
    """Lists these machines as alive, whichever run they belong to."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        super().__init__(folder)
        self.names = names

    def list_alive(self) -> dict[str, str]:
        return {name: f"{number}:{name}" for number, name in enumerate(self.names)}


def test_adopted_are_machines_whose_whole_name_is_of_the_run(tmp_path: Path) -> None:
    """The name of a run may be part of another's: a machine of that one would be charged to this run, and ended."""
    others = ("run-1-b", "run-1-l0m0", "run-1-l0m0-0", "a-run-1", "run-11", "run")
    names = [machine_name(run, 0, 3, 1) for run in ("run-1", *others)]
    by_hand = f"{machine_prefix('run-1')}-l0"
    group = FleetGroup(0, 4, "run-1-l0m", (Place("aws", "us-east-1", usd_per_hour=Decimal("0.30")),), (4,))
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.runs.create("run-1", "reviews", "{}", "d", str(tmp_path), NOON)
        tracker = MachineTracker(
            ledger=ledger,
            observer=StoreObserver(MemoryStore(), ledger, header_of(tmp_path, 80)),
            backend=Listing(tmp_path, [*reversed(names), by_hand]),
            groups=(group,),
        )
        for _ in range(2):  # adopted once
            tracker.adopt()
        (adopted,) = ledger.machines.of_run("run-1")
        events = [event.text for event in ledger.runs.events("run-1") if event.kind == "adopted"]
    assert (adopted.name, adopted.slot, adopted.lot) == ("run-1-l0m3-1", 3, 0)
    assert (adopted.state, adopted.handle) == (MachineState.UP, f"{len(others)}:run-1-l0m3-1")
    assert events == ["run-1-l0m3-1, which this ledger did not know"]


class Recovering(LocalBackend):
    """Has lost every machine, and looks for the next one in the west."""

    def status(self, handle: str) -> MachineStatus:
        del handle
        return MachineStatus(Phase.RECOVERING, site=Site("aws", "us-west-2", "us-west-2a"))


def test_preempted_machine_was_taken_by_the_zone_of_its_life(tmp_path: Path) -> None:
    """Not by the place where SkyPilot looks for the next one, which a launcher that slept may see first."""
    group = FleetGroup(0, 1, "run-1-l0m", (Place("aws", "us-east-1"), Place("aws", "us-west-2")), (1, 0))
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.runs.create("run-1", "reviews", "{}", "d", str(tmp_path), NOON)
        site = Site("aws", "us-east-1")
        ledger.machines.intend("run-1", "run-1-l0m0-0", 0, None, NOON, gpu="L4", lot=0, site=site)
        ledger.machines.confirm("run-1-l0m0-0", "1:run-1-l0m0-0", NOON)
        ledger.machines.begin_life("run-1-l0m0-0", 0, NOON, replace(site, zone="us-east-1c"), Decimal("0.30"))
        tracker = MachineTracker(
            ledger=ledger,
            observer=StoreObserver(MemoryStore(), ledger, header_of(tmp_path, 80)),
            backend=Recovering(tmp_path),
            groups=(group,),
        )
        tracker.lives_begun["run-1-l0m0-0"] = 0
        tracker.refresh_machines()
        (event,) = [event.text for event in ledger.runs.events("run-1") if event.kind == "preempted"]
    assert event == "run-1-l0m0-0: aws/us-east-1/us-east-1c took it away"


def test_failed_machine_says_what_its_programs_said_last() -> None:
    log = "starting\nError: no disk\nError: no credentials for s3://b/out\nTry: aws configure"
    assert with_last_error("its workers failed", log) == "its workers failed: no credentials for s3://b/out"
    assert with_last_error("setup failed", "pip: no such package") == "setup failed"
