"""Which finished runs compare with their plans, and in which figures."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from launcher.reports.document import ReportEvent
from launcher.reports.plan_outcome import outcome_of
from launcher.reports.report import Report
from tests.support import sample_plan, sample_report


def finished(*kinds: str, **changes: object) -> Report:
    """The sample report, done, with further events of these kinds."""
    found = sample_report.report()
    events = (*found.events, *(ReportEvent(sample_report.at(400), kind, "") for kind in kinds))
    return replace(found, state="DONE", events=events, **changes)  # pyright: ignore[reportArgumentType] # fields of it


def test_finished_run_is_recorded_with_what_it_took() -> None:
    found = outcome_of(finished())
    assert found is not None
    assert found.hours == pytest.approx(523 / 3_600)  # from the first machine's request to the last receipt
    assert found.usd == finished().spend.usd
    assert found.usd_p50 == Decimal("0.17")
    assert found.finished == sample_report.at(528)
    assert found.speed is not None
    assert (found.hours_off or 0) > 0


@pytest.mark.parametrize("kind", ["retry", "output gone", "rebuilt"])
def test_run_that_is_not_the_planned_one_is_not_recorded(kind: str) -> None:
    assert outcome_of(finished(kind)) is None


@pytest.mark.parametrize("kind", ["stopped", "stop", "down", "left"])
def test_hours_of_a_run_that_was_stopped_do_not_compare(kind: str) -> None:
    found = outcome_of(finished(kind))
    assert found is not None
    assert (found.hours, found.hours_off) == (None, None)
    assert found.usd is not None


def test_unfinished_run_and_run_without_a_plan_are_not_recorded() -> None:
    assert outcome_of(replace(finished(), state="RUNNING")) is None
    assert outcome_of(replace(finished(), plan=None)) is None


def test_dollars_that_leave_something_out_do_not_compare() -> None:
    found = outcome_of(finished(unpriced=["requests to the store"]))
    assert found is not None
    assert (found.usd, found.usd_off) == (None, None)


def test_hours_of_a_laptop_that_slept_do_not_compare() -> None:
    here = sample_plan.saved_local()
    awake = outcome_of(finished(plan=here))
    assert awake is not None
    assert awake.hours is not None
    done = finished().done
    later = (done.position == 5) * (timedelta(hours=8) // timedelta(microseconds=1))
    asleep = replace(done, started=done.started + later, finished=done.finished + later)
    slept = outcome_of(finished(plan=here, done=asleep))
    assert slept is not None
    assert slept.hours is None
