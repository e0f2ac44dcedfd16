"""The run's part of a ledger in the store: written, taken over, damaged, missing; and what the laptop makes of it."""

import gzip
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.errors import Problem
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import RunState
from launcher.ledger.steering_records import CourseBody, CourseRecord, DecisionRecord
from launcher.pilot import ledger_copy
from launcher.pilot.ledger_copy import LedgerCopies, copy_age, send_copy, take_over_copy
from launcher.pilot.news import PILOT_EVENT, is_handed_over, news_of_pilot
from tasks.protocol.keys import pilot_ledger_key
from tasks.stores.base import StoreError, read
from tasks.stores.folder import FolderStore

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
KEY = pilot_ledger_key("r1")
COURSE = CourseRecord(
    at=NOW,
    budget_pressure="free",
    usd_per_token=None,
    margin_seconds=None,
    late_p50=None,
    late_p90=None,
    chance_late=None,
    usd_to_finish_p50=None,
    usd_to_finish_p90=None,
    tokens_left=None,
    body=CourseBody(),
)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "out")


def opened(path: Path) -> Iterator[Ledger]:
    with Ledger.open(path) as found:
        found.runs.create("r1", "reviews", "{}", "digest", "out", NOW)
        yield found


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Ledger]:
    yield from opened(tmp_path / "laptop.db")


@pytest.fixture
def pilot(tmp_path: Path) -> Iterator[Ledger]:
    yield from opened(tmp_path / "pilot.db")


def test_what_the_pilot_knows_is_known_on_the_laptop(
    laptop: Ledger, pilot: Ledger, store: FolderStore
) -> None:
    pilot.machines.intend("r1", "r1-l0m0-0", 0, Decimal("0.10"), NOW)
    send_copy(pilot, store, "r1")
    assert take_over_copy(laptop, store, "r1")
    assert [machine.name for machine in laptop.machines.of_run("r1")] == ["r1-l0m0-0"]


def test_without_a_copy_nothing_is_taken_over(laptop: Ledger, store: FolderStore) -> None:
    assert not take_over_copy(laptop, store, "r1")
    assert copy_age(store, "r1") is None
    assert news_of_pilot(laptop, store, "r1", lambda _: None) is None


@pytest.mark.parametrize("body", [b"", b"no gzip", gzip.compress(b"no ledger" * 9_999, mtime=0)[:40]])
def test_a_damaged_copy_is_said_and_left(laptop: Ledger, store: FolderStore, body: bytes) -> None:
    store.put(KEY, body)
    with pytest.raises(Problem, match="damaged"):
        take_over_copy(laptop, store, "r1")
    said: list[str] = []
    news = news_of_pilot(laptop, store, "r1", said.append)
    assert news is not None
    assert "damaged" in said[0]


def test_a_copy_that_would_fill_the_memory_is_refused(
    laptop: Ledger, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_copy, "MAX_BYTES", 1_000)
    store.put(KEY, gzip.compress(b"\0" * 10_000, mtime=0))
    with pytest.raises(Problem, match="larger than any of ours"):
        take_over_copy(laptop, store, "r1")


def test_copies_are_written_once_a_minute(pilot: Ledger, store: FolderStore) -> None:
    copies = LedgerCopies(pilot, store, "r1")
    seen: list[bytes | None] = []
    for seconds in (0, 30, 61):
        pilot.runs.record_event("r1", "note", str(seconds), NOW + timedelta(seconds=seconds))
        copies.send_if_due(NOW + timedelta(seconds=seconds))
        seen.append(read(store, KEY))
    assert seen[0] == seen[1] != seen[2]


def test_the_first_decision_is_written_at_the_next_look(
    laptop: Ledger, pilot: Ledger, store: FolderStore
) -> None:
    """The first copy is older than it, and machines may work before the next is due."""
    copies = LedgerCopies(pilot, store, "r1")
    copies.send_if_due(NOW)
    for number in range(2):
        at = NOW + timedelta(seconds=5 + 10 * number)
        decision = DecisionRecord(at, 0, "ask", "aws/us-east-1", 1, "the work needs it", None)
        pilot.steering.record_course("r1", replace(COURSE, at=at), [decision])
        copies.send_if_due(at + timedelta(seconds=5))
    take_over_copy(laptop, store, "r1")
    assert [one.at.second for one in laptop.steering.decisions("r1")] == [5]


class Deaf(FolderStore):
    """A store that takes nothing."""

    def put(self, key: str, body: object) -> None:
        raise StoreError(f"{key} is not taken", hint="later")


def test_a_store_that_takes_nothing_does_not_end_the_pilot(pilot: Ledger, tmp_path: Path) -> None:
    copies = LedgerCopies(pilot, Deaf(tmp_path / "out"), "r1")
    copies.send_if_due(NOW)
    assert copies.problem == f"{KEY} is not taken"


class LaterStore(FolderStore):
    """A folder whose clock is ahead of its files, as if time had passed."""

    def __init__(self, root: Path, passed: timedelta) -> None:
        super().__init__(root)
        self.passed = passed

    def now(self) -> datetime:
        return super().now() + self.passed


@pytest.mark.parametrize(
    ("state", "minutes", "drives"),
    [(RunState.RUNNING, 0, True), (RunState.RUNNING, 6, False), (RunState.DONE, 0, False)],
)
def test_pilot_drives_while_it_writes_and_the_run_is_not_over(
    laptop: Ledger,
    pilot: Ledger,
    store: FolderStore,
    *,
    state: RunState,
    minutes: int,
    drives: bool,
) -> None:
    pilot.runs.set_state("r1", RunState.RUNNING, NOW)
    if state != RunState.RUNNING:
        pilot.runs.set_state("r1", state, NOW)
    send_copy(pilot, store, "r1")
    later = LaterStore(store.root, timedelta(minutes=minutes))
    news = news_of_pilot(laptop, later, "r1", lambda _: None)
    assert news is not None
    assert news.drives is drives
    assert news.status.drives is drives
    assert news.status.age_seconds >= 60 * minutes


def test_handing_over_is_an_event_of_the_laptop(laptop: Ledger) -> None:
    assert not is_handed_over(laptop, "r1")
    laptop.runs.record_event("r1", PILOT_EVENT, "to r1-pilot", NOW)
    assert is_handed_over(laptop, "r1")
