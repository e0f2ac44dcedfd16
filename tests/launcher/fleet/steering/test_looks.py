"""Gaps in which a launcher did not look, and what is too old to decide by."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from launcher.documents.course import AsleepSpan
from launcher.fleet.backends.base import MachineStatus
from launcher.fleet.backends.local import LocalBackend
from launcher.fleet.controller import Controller
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.run_context import RunContext
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.fleet.scheduling.states import Phase
from launcher.fleet.steering.looks import ASLEEP_EVENT, Looks, last_sleep
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import LOCAL_SITE
from tasks.stores.folder import FolderStore
from tests.support.ledger_values import NOON, create_run, later
from tests.support.runs import header_of


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as found:
        create_run(found)
        yield found


def slept(ledger: Ledger) -> AsleepSpan | None:
    return last_sleep(ledger.runs.events("r1"))


def test_a_gap_of_ten_looks_is_an_event(ledger: Ledger) -> None:
    looks = Looks(ledger, "r1", 30.0)
    for seconds in (0, 30, 60, 360):  # ten looks are five minutes
        looks.begin(later(seconds))
    assert slept(ledger) is None
    looks.begin(later(360 + 11_280))
    assert slept(ledger) == AsleepSpan(later(360).replace(microsecond=0), later(360 + 11_280))
    (event,) = [one for one in ledger.runs.events("r1") if one.kind == ASLEEP_EVENT]
    assert event.text == f"since {later(360):%Y-%m-%d %H:%M:%S} UTC: no launcher looked"


def test_the_last_gap_counts_and_a_slow_look_is_none(ledger: Ledger) -> None:
    looks = Looks(ledger, "r1", 10.0)
    for seconds in (0, 115, 1_000, 1_010, 3_000):  # a gap below two minutes is no sleep
        looks.begin(later(seconds))
    assert slept(ledger) == AsleepSpan(later(1_010).replace(microsecond=0), later(3_000))


def test_the_first_look_of_a_launcher_is_after_no_gap(ledger: Ledger) -> None:
    Looks(ledger, "r1", 10.0).begin(NOON)
    Looks(ledger, "r1", 10.0).begin(later(9_999))
    assert slept(ledger) is None


def test_a_text_of_another_version_is_passed_over(ledger: Ledger) -> None:
    ledger.runs.record_event("r1", ASLEEP_EVENT, "for a while", NOON)
    assert slept(ledger) is None


def test_what_was_read_two_looks_ago_is_stale(ledger: Ledger) -> None:
    looks = Looks(ledger, "r1", 10.0)
    assert not looks.is_stale(NOON, NOON + timedelta(minutes=2))
    assert looks.is_stale(NOON, NOON + timedelta(minutes=2, seconds=1))


class Closed(LocalBackend):
    """The laptop is closed once, while machines are asked for their status."""

    refreshed = 0
    seconds = 0.0
    sleeps = True

    def clock(self) -> datetime:
        return later(self.seconds)

    def refresh(self) -> None:
        self.refreshed += 1
        self.seconds += 10

    def status(self, handle: str) -> MachineStatus | None:
        del handle
        if self.sleeps:
            self.sleeps, self.seconds = False, 3 * 3600.0
        return MachineStatus(Phase.RUNNING)


def test_what_was_read_before_the_laptop_slept_is_read_again(ledger: Ledger, tmp_path: Path) -> None:
    ledger.machines.intend("r1", "r1-w0-0", 0, None, NOON, place="local", gpu="cpu", site=LOCAL_SITE)
    ledger.machines.confirm("r1-w0-0", "1:r1-w0-0", NOON)
    observer = StoreObserver(FolderStore(tmp_path / "out"), ledger, header_of(tmp_path, 1, run="r1"))
    backend = Closed(tmp_path, [])
    group = FleetGroup(0, 1, "r1-w")
    context = RunContext(
        ledger=ledger, observer=observer, backend=backend, groups=(group,), clock=backend.clock
    )
    controller = Controller(context)
    controller.look()
    assert backend.refreshed == 2
    assert controller.now == later(3 * 3600 + 10)
    assert slept(ledger) == AsleepSpan(later(10).replace(microsecond=0), later(3 * 3600 + 10))
    controller.look()
    assert backend.refreshed == 3
