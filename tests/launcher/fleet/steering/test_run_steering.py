"""What a run is steered by, and what was decided: in the ledger before any order is carried out."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.fleet.steering.run_steering import RunSteering, SteeringOptions
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Site
from launcher.ledger.steering_records import AskAnswer
from launcher.steering.course import BudgetPressure, Course, Decision, Forecast
from launcher.steering.orders import Start
from launcher.steering.situation import AnswerKind, Belief, Limits
from launcher.throughput.calibration import FirstMinute
from tasks.skypilot_task import Place
from tests.support.ledger_values import NOON, create_run, later

PLACE = Place("aws", "us-east-1", None, "g6.xlarge", Decimal("0.30"))
KIND = FleetGroup(1, 8, "r1-l1m", (PLACE,), (8,), gpu="L4", purchase="spot", tokens_per_second=100.0)
FORECAST = Forecast(2.0, 3.0, Decimal("84.123456789"), Decimal(141), -4_800.0, -2_100.0, 0.01, 0.02, 0.06)
BEFORE = {("aws/us-east-1", "L4", "spot"): Belief(falls=2.0, hours_up=6.0)}
SITE = Site("aws", "us-east-1", None, "spot")


@pytest.fixture
def steering(tmp_path: Path) -> Iterator[RunSteering]:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        create_run(ledger)
        options = SteeringOptions(
            policy="autopilot",
            limits=Limits(machines=8),
            tokens_expected=1_000.0,
            tokens_p90=1_200.0,
            planned_seconds=7_200.0,
            beliefs=BEFORE,
        )
        yield RunSteering(
            ledger=ledger,
            run="r1",
            groups=[KIND],
            options=options,
            deadline=lambda: ledger.steering.deadline("r1"),
            started=NOON,
        )


def course(
    at: datetime, *decisions: Decision, budget_pressure: BudgetPressure = BudgetPressure.FREE
) -> Course:
    return Course(
        at,
        budget_pressure,
        usd_per_token=Decimal("0.000000071"),
        margin_seconds=660.0,
        targets=((1, 7),),
        forecast=FORECAST,
        decisions=decisions,
    )


def test_a_course_is_recorded_once_a_minute_and_whenever_something_is_decided(steering: RunSteering) -> None:
    for seconds in (0, 10, 59, 60, 70):
        steering.record(course(later(seconds)), (), 500.0)
    steering.record(
        course(later(75), Decision("ask", "$0.30, the cheapest", 1, "aws/us-east-1", 3)), (), 400.0
    )
    steering.record(course(later(80), budget_pressure=BudgetPressure.TIGHT), (), 400.0)
    history = steering.ledger.steering
    assert [c.at for c in history.courses("r1")] == [later(s) for s in (0, 60, 75, 80)]
    last = history.latest_course("r1")
    assert last is not None
    assert (last.budget_pressure, last.tokens_left, last.chance_late) == ("tight", 400.0, 0.01)
    assert last.usd_to_finish_p50 == Decimal("84.123457")
    assert last.body.targets == ((1, 7),)
    (decision,) = history.decisions("r1")
    assert (decision.at, decision.what, decision.count) == (later(75), "ask", 3)


def test_a_change_of_budget_pressure_is_said_once_with_what_the_budget_does(steering: RunSteering) -> None:
    tight = replace(
        course(NOON, budget_pressure=BudgetPressure.TIGHT),
        says="may cost up to $12.00 (P90), the budget is $10.00",
    )
    for seconds in (0, 10, 20):
        steering.record(replace(tight, at=later(seconds)), (), 500.0)
    steering.record(course(later(30)), (), 500.0)
    (said,) = steering.ledger.steering.decisions("r1")
    assert (said.at, said.what, said.count, said.reason) == (NOON, "say", 0, tight.says)


def test_that_the_deadline_has_passed_is_said_once(steering: RunSteering) -> None:
    steering.ledger.steering.set_deadline("r1", later(15), NOON)
    for seconds in (0, 10, 20, 30):
        steering.record(course(later(seconds)), (), 500.0)
    steering.recorded = None  # another launcher goes on
    steering.record(course(later(40)), (), 500.0)
    (said,) = steering.ledger.steering.decisions("r1")
    assert (said.at, said.what) == (later(20), "say")
    assert said.reason.startswith("the deadline has passed: the run goes on with the cheapest machines")


def test_budget_pressure_is_that_of_the_last_course_also_of_an_earlier_launcher(
    steering: RunSteering,
) -> None:
    assert steering.budget_pressure == BudgetPressure.FREE
    steering.record(course(NOON, budget_pressure=BudgetPressure.CONFLICT), (), 500.0)
    steering.recorded = None
    assert steering.budget_pressure == BudgetPressure.CONFLICT


def test_requests_are_written_down_with_the_course(steering: RunSteering) -> None:
    steering.record(course(NOON), [Start(0, "r1-l1m0-0", 1, (PLACE,))], None)
    (ask,) = steering.ledger.steering.asks("r1")
    assert (ask.machine, ask.place, ask.gpu, ask.at, ask.answer) == (
        "r1-l1m0-0",
        "aws/us-east-1",
        "L4",
        NOON,
        None,
    )


def test_what_is_steered_by_comes_from_the_ledger(steering: RunSteering) -> None:
    ledger = steering.ledger
    steering.record(course(NOON), [Start(0, "r1-l1m0-0", 1, (PLACE,))], None)
    ledger.machines.intend("r1", "r1-l1m0-0", 0, None, NOON, lot=1, site=SITE)
    ledger.steering.answer("r1-l1m0-0", AskAnswer.CAME, later(60), "backend")
    ledger.steering.set_deadline("r1", NOON + timedelta(hours=6), NOON)
    minute = FirstMinute("r1-l1m0-0-0", 3_000.0, 60.0, later(300))
    found = steering.steering(ledger.machines.of_run("r1"), [minute], 500.0, later(400))
    assert (found.deadline, found.policy) == (NOON + timedelta(hours=6), "autopilot")
    assert [(a.what, a.held) for a in found.answers] == [(AnswerKind.CAME, 1)]
    assert found.pace["L4"].ratio == pytest.approx(0.5)
    assert (
        found.tokens_left_p90 == 600.0
    )  # half of the work is left, and half of what the sample may have missed
    assert found.limits.machines == 8
    assert (
        found.beliefs == BEFORE
    )  # what the plan took from earlier runs; the answers of this one come on top
    ledger.steering.set_deadline("r1", NOON + timedelta(hours=8), later(1))  # by another process
    assert steering.steering([], [], None, later(410)).deadline == NOON + timedelta(hours=8)


def test_an_exact_corpus_has_no_more_tokens_than_expected(steering: RunSteering) -> None:
    steering.options = replace(steering.options, tokens_p90=None)
    assert steering.steering([], [], 500.0, NOON).tokens_left_p90 == 500.0
    assert steering.steering([], [], None, NOON).tokens_left_p90 is None
