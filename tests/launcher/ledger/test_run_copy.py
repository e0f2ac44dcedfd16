"""One run as a ledger file of its own: what is carried to another ledger, and what never is."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.errors import Problem
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import MachineState, RunState
from launcher.ledger.run_copy import extract, merge
from launcher.ledger.steering_records import Ask, AskAnswer, CourseBody, CourseRecord, DecisionRecord
from tests.support.ledger_values import NOON, create_run

LATER = NOON + timedelta(minutes=5)
ASK = Ask(
    machine="r1-w0-1",
    at=NOON,
    place="slurm/east/spot",
    purchase="spot",
    gpu="L4",
    instance_type=None,
    count=1,
)
COURSE = CourseRecord(
    at=LATER,
    budget_pressure="free",
    usd_per_token=None,
    margin_seconds=60.0,
    late_p50=None,
    late_p90=None,
    chance_late=0.1,
    usd_to_finish_p50=None,
    usd_to_finish_p90=None,
    tokens_left=10.0,
    body=CourseBody(missing=0, targets=()),
)
DECISION = DecisionRecord(
    at=LATER, number=0, what="net", place="slurm/east/ondemand", count=2, reason="no spot", usd_expected=None
)


@pytest.fixture
def away(tmp_path: Path) -> Iterator[Ledger]:
    """The ledger of the machine that drives the run."""
    with Ledger.open(tmp_path / "away" / "ledger.db") as found:
        create_run(found)
        yield found


def carried(away: Ledger, here: Ledger, folder: Path) -> None:
    extract(away, "r1", folder / "copy.db")
    merge(here, "r1", folder / "copy.db")


def test_machines_answers_and_decisions_are_carried(away: Ledger, ledger: Ledger, tmp_path: Path) -> None:
    away.machines.intend("r1", "r1-w0-1", 0, Decimal("0.10"), NOON)
    away.machines.confirm("r1-w0-1", "7:r1-w0-1", NOON)
    away.steering.record_asks("r1", [ASK])
    away.steering.answer("r1-w0-1", AskAnswer.CAME, LATER, "backend")
    away.steering.record_course("r1", COURSE, [DECISION])
    away.steering.set_deadline("r1", LATER, NOON)
    away.runs.set_state("r1", RunState.RUNNING, LATER)
    away.runs.record_event("r1", "preempted", "r1-w0-1", LATER)
    carried(away, ledger, tmp_path)

    assert ledger.machines.of_run("r1") == away.machines.of_run("r1")
    assert ledger.steering.asks("r1") == away.steering.asks("r1")
    assert ledger.steering.latest_course("r1") == COURSE
    assert ledger.steering.decisions("r1") == [DECISION]
    assert ledger.steering.deadline("r1") == LATER
    assert ledger.runs.find("r1").state == RunState.RUNNING
    assert [(e.kind, e.text) for e in ledger.runs.events("r1")][-1] == ("preempted", "r1-w0-1")


def test_carrying_twice_changes_nothing_and_the_newer_state_of_a_machine_counts(
    away: Ledger, ledger: Ledger, tmp_path: Path
) -> None:
    away.machines.intend("r1", "r1-w0-1", 0, Decimal("0.10"), NOON)
    away.runs.record_event("r1", "preempted", "r1-w0-1", LATER)
    carried(away, ledger, tmp_path)
    (tmp_path / "copy.db").unlink()
    away.machines.confirm("r1-w0-1", "7:r1-w0-1", NOON)
    away.machines.end("r1-w0-1", MachineState.LOST, LATER, "taken")
    carried(away, ledger, tmp_path)

    (machine,) = ledger.machines.of_run("r1")
    assert (machine.state, machine.reason) == (MachineState.LOST, "taken")
    assert [e.kind for e in ledger.runs.events("r1")].count("preempted") == 1


def test_consent_limit_and_plan_are_never_taken_from_a_copy(
    away: Ledger, ledger: Ledger, tmp_path: Path
) -> None:
    plan = ledger.runs.find("r1").plan
    away.runs.record_event("r1", "agreed", "$1000 in all, by --max-cost", LATER)
    away.costs.set_budget("r1", Decimal(1000), LATER)
    with sqlite3.connect(tmp_path / "away" / "ledger.db") as connection:
        connection.execute("UPDATE run SET plan = '{}', output = '/elsewhere'")
    carried(away, ledger, tmp_path)

    assert "agreed" not in [e.kind for e in ledger.runs.events("r1")]
    assert ledger.costs.budget("r1") is None
    assert ledger.runs.find("r1").plan == plan
    assert ledger.runs.find("r1").output != "/elsewhere"


def test_the_driver_of_a_run_gets_its_limit_with_the_copy(away: Ledger, tmp_path: Path) -> None:
    away.costs.set_budget("r1", Decimal(5), LATER)
    extract(away, "r1", tmp_path / "copy.db")
    with Ledger.open(tmp_path / "copy.db") as copy:
        assert copy.costs.budget("r1") == Decimal(5)
        assert copy.runs.find("r1") == away.runs.find("r1")


def test_a_machine_of_another_run_stays_that_run_s(away: Ledger, ledger: Ledger, tmp_path: Path) -> None:
    create_run(ledger, "r2")
    ledger.machines.intend("r2", "r2-w0-1", 0, Decimal("0.10"), NOON)
    away.machines.intend("r1", "r2-w0-1", 0, Decimal("9.99"), NOON)
    carried(away, ledger, tmp_path)
    (machine,) = ledger.machines.of_run("r2")
    assert machine.usd_per_hour == Decimal("0.10")


def test_another_run_of_the_driving_machine_is_not_in_a_copy(away: Ledger, tmp_path: Path) -> None:
    create_run(away, "r2")
    away.machines.intend("r2", "r2-w0-1", 0, Decimal("0.10"), NOON)
    extract(away, "r1", tmp_path / "copy.db")
    with Ledger.open(tmp_path / "copy.db") as copy:
        assert [run.id for run in copy.runs.all()] == ["r1"]
        assert not copy.machines.of_run("r2")


@pytest.mark.parametrize("body", [b"", b"no ledger", b"SQLite format 3\0" + b"\0" * 200])
def test_what_is_no_ledger_is_refused_with_two_lines(ledger: Ledger, tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "copy.db"
    path.write_bytes(body)
    if not body:
        merge(ledger, "r1", path)  # an empty file is an empty ledger
        assert not ledger.machines.of_run("r1")
        return
    with pytest.raises(Problem) as refused:
        merge(ledger, "r1", path)
    assert refused.value.hint
