"""Where a run stands: by the last course, by its pace, and whether a launcher steers it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from launcher.costs.run_rates import RunRates
from launcher.documents.course import CourseStatus
from launcher.fleet.run_lock import run_lock
from launcher.fleet.steering.course_status import course_status, is_driven
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from tests.support import sample_plan
from tests.support.ledger_values import NOON, course, decision, later, receipt, shard

RATES = RunRates(
    seconds=7_200.0, ready_seconds=3_600.0, tokens=1_000, tokens_expected=4_000, usd=Decimal(3)
)  # of two hours a machine worked in one


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as found:
        yield found


def run_of(ledger: Ledger, body: dict[str, Any]) -> Run:
    body["work"]["job"] |= {"name": "reviews", "model": "hash", "corpus": {"path": "in"}}
    ledger.runs.create("r1", "reviews", json.dumps(body), "d", "out", NOON, "fleet")
    ledger.runs.set_state("r1", RunState.RUNNING, NOON)
    return ledger.runs.find("r1")


def stands(ledger: Ledger, seconds: float, *, driven: bool = True, works: bool = True) -> CourseStatus | None:
    run = ledger.runs.find("r1")
    return course_status(ledger, run, RATES, later(seconds), driven=driven, works=works)


def test_a_run_without_a_deadline_that_is_not_steered_has_none(ledger: Ledger) -> None:
    body = sample_plan.plan()
    body["work"]["job"]["limits"] = {}
    run_of(ledger, body)
    assert stands(ledger, 60) is None
    ledger.steering.set_deadline("r1", later(60), NOON)
    found = stands(ledger, 60)
    assert found is not None
    assert (found.deadline, found.steered, found.steering) == (later(60), False, False)


def test_a_fresh_course_is_what_steering_expects(ledger: Ledger) -> None:
    run_of(ledger, sample_plan.steered())
    ledger.steering.record_course("r1", course(later(600)), [decision(later(600))])
    found = stands(ledger, 660)
    assert found is not None
    assert (found.at, found.budget_pressure, found.steered, found.steering) == (
        later(600),
        "free",
        True,
        True,
    )
    assert (found.late_minutes.p50, found.late_minutes.p90) == (-80.0, -35.0)
    assert found.usd_to_finish.p90 == Decimal("262.30")
    assert found.usd_per_million_tokens == Decimal("0.071000000")
    assert (found.margin_minutes, found.since) == (11.0, None)
    assert [d.reason for d in found.decisions] == ["$0.213, next best"]
    assert found.deadline == NOON + timedelta(hours=6)


def test_places_that_earlier_runs_knew_are_counted(ledger: Ledger) -> None:
    body = sample_plan.steered()
    prior = {"place": "aws/us-east-1", "gpu": "L4", "purchase": "spot"}
    body["steering"]["priors"] = [prior | {"falls": 1.0, "hours_up": 4.0, "returns": 1.0, "hours_down": 2.0}]
    run_of(ledger, body)
    found = stands(ledger, 60)
    assert found is not None
    assert found.prior_places == 1


def test_an_old_course_is_not_what_is_expected_now(ledger: Ledger) -> None:
    run_of(ledger, sample_plan.steered())
    ledger.steering.record_course("r1", course(later(600)), [decision(later(600))])
    found = stands(ledger, 7_200, driven=False)
    assert found is not None
    assert (found.steering, found.since, found.budget_pressure, found.margin_minutes) == (
        False,
        later(600),
        None,
        None,
    )
    assert found.usd_to_finish.p50 is None
    assert len(found.decisions) == 1  # they were made, whenever


def test_the_pace_falls_while_no_machine_works(ledger: Ledger) -> None:
    run_of(ledger, sample_plan.steered())
    at_work, waiting = stands(ledger, 7_200), stands(ledger, 7_200, works=False)
    assert at_work is not None
    assert waiting is not None
    # 3,000 tokens are left: three hours at the pace of work, six at that of all the time; four hours remain
    assert at_work.late_minutes.p50 == pytest.approx(-60.0)
    assert waiting.late_minutes.p50 == pytest.approx(120.0)
    longer = replace(RATES, seconds=14_400.0)
    later_on = course_status(ledger, ledger.runs.find("r1"), longer, later(14_400), driven=True, works=False)
    assert later_on is not None
    assert later_on.late_minutes.p50 == pytest.approx(600.0)


def test_a_finished_run_is_as_late_as_it_was(ledger: Ledger) -> None:
    run_of(ledger, sample_plan.steered())
    ledger.shards.add("r1", [shard(3)])
    ledger.shards.record_receipts("r1", [receipt(3)])  # done 5.5 s after noon
    ledger.runs.set_state("r1", RunState.DONE, later(90))
    ledger.steering.set_deadline("r1", later(-54.5), NOON)
    found = stands(ledger, 600, driven=False)
    assert found is not None
    assert found.late_minutes.p50 == 1.0
    assert (found.chance_late, found.since) == (None, None)


def test_a_launcher_is_known_by_its_lock(tmp_path: Path) -> None:
    assert not is_driven(tmp_path / "r1", "r1")
    with run_lock(tmp_path / "r1", "r1"):
        assert is_driven(tmp_path / "r1", "r1")
    assert not is_driven(tmp_path / "r1", "r1")
