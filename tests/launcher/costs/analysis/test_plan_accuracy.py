"""The record of a finished run beside its plan: what compares is kept, what does not is unknown."""

from dataclasses import replace
from decimal import Decimal
from math import log

import pytest

from launcher.costs.analysis.plan_accuracy import RunFigures, plan_outcome
from launcher.costs.analysis.waterfall import planned_groups
from launcher.planning.estimates.past_runs import FigureRecord, PastRuns
from launcher.planning.saved.saved_plan import PlanTotals, SavedPlan, SpeedQuantiles
from launcher.throughput.spread import P90
from tests.support import sample_plan
from tests.support.ledger_values import NOON

CAME = RunFigures(run="r1", finished=NOON, hours=5.2, usd=Decimal("60.5"), speed=9_000.0)


def complete(**changes: object) -> SavedPlan:
    """The sample plan with a price for everything."""
    plan = sample_plan.saved()
    totals: PlanTotals = replace(
        plan.totals,
        items={name: usd or Decimal(0) for name, usd in plan.totals.items.items()},
        tokens_per_second=SpeedQuantiles(8_000.0, 16_000.0, 30_000.0),
    )
    return replace(plan, totals=replace(totals, **changes))  # pyright: ignore[reportArgumentType] # fields of it


def test_outcome_holds_plan_and_run() -> None:
    found = plan_outcome(complete(), CAME)
    assert (found.place, found.basis, found.gpu, found.engine) == ("rented", "predicted", "L4", "vllm")
    assert (found.hours_p10, found.hours_p50, found.hours_p90, found.hours) == (2.1, 3.0, 5.2, 5.2)
    assert (found.usd_p50, found.usd) == (Decimal("80.25"), Decimal("60.5"))
    assert (found.speed_p10, found.speed_p90, found.speed) == (8_000.0, 30_000.0, 9_000.0)
    assert found.hours_off == pytest.approx(P90)  # it came at P90
    assert found.usd_off == pytest.approx(-P90)  # and at P10


def test_dollars_of_a_plan_without_all_prices_do_not_compare() -> None:
    found = plan_outcome(sample_plan.saved(), CAME)  # storage and egress are unknown
    assert (found.usd_p50, found.usd_off, found.usd) == (None, None, Decimal("60.5"))
    assert found.hours_off is not None


def test_dollars_of_a_plan_that_lack_a_part_of_an_item_do_not_compare() -> None:
    """A part of egress has no price: the known part stays in the plan, whose dollars are the least."""
    assert plan_outcome(complete(unpriced={"egress": Decimal(317)}), CAME).usd_off is None
    steering = sample_plan.saved_steered().steering
    assert steering is not None
    priced = replace(steering, unpriced={}, items={"machines": Decimal(212)})
    assert plan_outcome(replace(complete(), steering=priced), CAME).usd_off is not None
    lacking = replace(priced, unpriced={"disk": Decimal(1)})
    assert plan_outcome(replace(complete(), steering=lacking), CAME).usd_off is None


def test_unknown_figures_of_a_run_stay_unknown() -> None:
    found = plan_outcome(complete(), replace(CAME, hours=None, usd=None, speed=None))
    assert (found.hours, found.hours_off, found.usd, found.usd_off, found.speed) == (None,) * 5


def test_widened_plan_is_judged_by_the_planners_own_interval() -> None:
    wide = FigureRecord(runs=6, inside=2, high=2 * P90)
    past = PastRuns("rented", "predicted", 6, wide, FigureRecord(), FigureRecord())
    found = plan_outcome(complete(past_runs=past), CAME)
    assert found.hours_off == pytest.approx(2 * P90)
    assert found.usd_off == pytest.approx(-P90)


def test_run_here_is_local_and_its_unpriced_dollars_unknown() -> None:
    found = plan_outcome(sample_plan.saved_local(), replace(CAME, hours=3.0))
    assert (found.place, found.basis, found.usd_p50) == ("local", "measured", None)
    assert found.hours_off == pytest.approx(log(1))


def test_steered_run_is_recorded_beside_what_was_expected_of_it() -> None:
    steering = sample_plan.saved_steered().steering
    assert steering is not None
    priced = replace(
        steering, unpriced={}, items={name: usd or Decimal(0) for name, usd in steering.items.items()}
    )
    steered = replace(complete(), steering=priced)
    found = plan_outcome(steered, replace(CAME, hours=5.8, usd=Decimal(180)))
    assert (found.hours_p10, found.hours_p50, found.hours_p90) == (3.2, 4.1, 5.8)
    assert (found.usd_p10, found.usd_p50, found.usd_p90) == (Decimal(180), Decimal(212), Decimal(268))
    assert found.hours_off == pytest.approx(P90)  # it came at P90
    assert found.usd_off == pytest.approx(-P90)  # and at P10


def test_planned_groups_of_a_steered_run_are_not_what_it_rented() -> None:
    """Its machines are of kinds of the envelope: their speeds and dollars say nothing of the groups of the plan."""
    static = complete()
    assert len(planned_groups(static)) == len(static.lots)
    assert planned_groups(replace(static, steering=sample_plan.saved_steered().steering)) == []
