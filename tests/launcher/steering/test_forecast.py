"""Dollars, hours and chances from now on, and what the budget makes of them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.steering.course import BudgetPressure, Course, Forecast
from launcher.steering.decide import decide
from launcher.steering.forecast import LONGEST_HOURS, expected_short
from launcher.steering.market.supply import Supply
from launcher.steering.situation import Machine, MachinePhase, WhenShort
from tests.launcher.steering.situations import (
    EAST,
    HOUR,
    KINDS,
    NOON,
    NORTH,
    ON_DEMAND,
    WEST,
    WORK,
    situation,
    working,
)


def course(**changes: object) -> Course:
    return decide(situation(**changes)).course  # type: ignore[arg-type]


def forecast(**changes: object) -> Forecast:
    found = course(**changes).forecast
    assert found is not None
    return found


def test_expected_shortfall_is_that_of_a_normal_supply() -> None:
    assert expected_short(100, Supply(0, 0, 1)) == 100
    assert expected_short(100, Supply(150, 0, 1)) == 0
    assert expected_short(100, Supply(100, 10, 1)) == pytest.approx(3.989, abs=0.001)


def test_dollars_lie_between_all_spot_and_all_on_demand() -> None:
    found = forecast()
    machine_hours = WORK / 1_000 / 3_600
    assert machine_hours * 0.30 < found.usd_to_finish_p50 < machine_hours * 1.00
    slow = machine_hours * 1_000 / 950  # at the slow end of the speed, which the P90 holds
    assert found.usd_to_finish_p50 <= found.usd_to_finish_p90 <= slow * 1.00
    assert 0 <= found.on_demand_share < 1


def test_tighter_deadline_costs_more_and_takes_less_time() -> None:
    tight, loose = forecast(hours=7.5), forecast(hours=24)
    assert tight.usd_to_finish_p50 > loose.usd_to_finish_p50
    assert tight.hours_p90 <= 7.5
    assert tight.on_demand_share > loose.on_demand_share


def test_net_keeps_the_deadline_and_without_it_spot_may_be_late() -> None:
    assert forecast(hours=12).chance_late == 0
    alone = forecast(hours=8, kinds=KINDS[:3])
    assert alone.chance_late is not None
    assert alone.chance_late > 0.01
    assert (forecast(hours=2).chance_late or 0) > 0.9


def test_run_without_a_deadline_is_not_late() -> None:
    found = forecast(hours=None)
    assert (found.late_seconds_p50, found.chance_late) == (None, None)
    assert found.on_demand_share < 0.02


@given(st.floats(1.0, 100.0), st.floats(1e6, 1e10))
def test_p90_is_never_under_p50(hours: float, tokens: float) -> None:
    found = forecast(hours=hours, tokens=tokens)
    assert found.hours_p50 <= found.hours_p90
    assert found.usd_to_finish_p50 <= found.usd_to_finish_p90
    assert 0 <= (found.chance_late or 0) <= 1


@pytest.mark.parametrize("seconds", [124.0, 125.0000001, 125.001, 126.0, 300.0, 0.0, -60.0])
def test_deadline_at_which_spot_would_just_begin_to_work_has_a_forecast(seconds: float) -> None:
    """After 125 s, the expected start of a place that was not asked yet, its supply is almost nothing, and unsure."""
    found = forecast(hours=1 + seconds / 3_600, now=NOON + HOUR, tokens=1e5, kinds=KINDS[:3])
    assert 0 < found.hours_p50 <= found.hours_p90 <= LONGEST_HOURS
    assert found.chance_late is not None


# --- the budget


def test_budget_that_covers_the_p90_changes_nothing() -> None:
    assert course(budget=1_000.0).budget_pressure == BudgetPressure.FREE
    assert course(budget=1_000.0).says == ""
    assert (forecast(budget=1_000.0).chance_over_budget or 0) < 0.01


def test_tight_budget_is_said_with_its_numbers() -> None:
    plain = forecast()
    middle = float(plain.usd_to_finish_p50 + plain.usd_to_finish_p90) / 2
    found = course(budget=middle)
    assert found.budget_pressure == BudgetPressure.TIGHT
    assert f"the budget is ${middle:.2f}" in found.says


@pytest.mark.parametrize("rule", list(WhenShort))
def test_conflict_gives_way_as_the_user_chose(rule: WhenShort) -> None:
    """On demand must start now, and would cost $27 of the $5 that are left."""
    now, tokens = NOON + 10 * HOUR, 16 * 950 * 6_500.0
    verdict = decide(
        situation(working(EAST, 2), now=now, tokens=tokens, budget=15.0, spent=10.0, when_short=rule)
    )
    assert verdict.course.budget_pressure == BudgetPressure.CONFLICT
    assert verdict.course.stop == (rule == WhenShort.STOP)
    rented = sum(ask.count for ask in verdict.asks if ask.kind == ON_DEMAND.number)
    assert bool(rented) == (rule == WhenShort.DEADLINE)
    if rule == WhenShort.LATE:
        assert verdict.asks  # spot goes on


def test_run_drains_before_its_budget_is_passed() -> None:
    machines = working(EAST, 16)
    burn = 16 * 0.30 / 3_600 * 120  # until the look after the next one
    assert decide(situation(machines, budget=100.0, spent=100.0 - burn * 0.9)).course.stop
    assert not decide(situation(machines, budget=1_000.0, spent=100.0)).course.stop


def test_machines_are_asked_for_only_as_far_as_the_money_goes() -> None:
    """A machine costs its cold start, two looks and its teardown before it is of use."""
    each = 0.30 * (420 + 120 + 60) / 3_600
    verdict = decide(situation(budget=4.5 * each, tokens=1e6 * 40, hours=None))
    assert sum(ask.count for ask in verdict.asks) <= 4
    asked = [Machine(f"a{n}", 0, MachinePhase.ASKED, 10) for n in range(4)]
    assert not decide(situation(asked, budget=4.5 * each, tokens=1e6 * 40, hours=None)).asks


def test_hours_on_demand_are_those_of_the_machines_that_the_deadline_needs() -> None:
    """Six hours of 16 machines in 12 hours, at the slow end: 9 machines."""
    found = forecast(policy="on-demand")
    assert found.hours_p50 == pytest.approx(16 * 6 / 9 + 300 / 3_600, abs=0.01)
    assert found.hours_p50 < found.hours_p90 <= 12
    assert found.on_demand_share == pytest.approx(1.0)


def test_dollars_to_finish_are_those_of_machines_and_egress_decides_who_does_the_work() -> None:
    """The east is the cheapest; with a way that costs more than machines on demand do, nothing is done there."""
    usual = forecast(tokens=WORK / 10)
    dear = forecast(
        kinds=(replace(EAST, egress_usd_per_token=1e-6), WEST, NORTH, ON_DEMAND), tokens=WORK / 10
    )
    assert EAST.number in usual.token_shares
    for position in (0, 1):
        assert sum(shares[position] for shares in usual.token_shares.values()) == pytest.approx(1.0)
        assert sum(shares[position] for shares in dear.token_shares.values()) == pytest.approx(1.0)
    assert dear.token_shares.keys() == {WEST.number, NORTH.number, ON_DEMAND.number}
    assert usual.usd_to_finish_p50 < dear.usd_to_finish_p50 < usual.usd_to_finish_p50 * 2


def test_dollars_of_a_small_job_without_a_machine_hold_its_start() -> None:
    """100 s of work after a start of 300 s; a job that needs four machines on demand starts four."""
    small, hour = 1_000.0 * 100, 3_600.0
    alone = forecast(tokens=small, policy="on-demand")
    assert float(alone.usd_to_finish_p50) == pytest.approx(1.00 * (100 + 300) / hour, abs=1e-4)
    assert alone.usd_to_finish_p50 <= alone.usd_to_finish_p90
    spot = forecast(tokens=small)
    assert float(spot.usd_to_finish_p50) == pytest.approx(0.30 * (100 + 300) / hour, abs=1e-4)
    four = forecast(tokens=4 * 950 * hour * 0.99, policy="on-demand", hours=1 + 420 / hour)
    assert float(four.usd_to_finish_p50) >= 1.00 * (4 * 0.95 * 0.99 + 4 * 300 / hour) - 1e-4
    there = forecast(machines=working(EAST, 1), tokens=small)
    assert there.usd_to_finish_p50 < spot.usd_to_finish_p50


def test_p10_of_dollars_is_of_fast_machines_also_where_all_are_to_start() -> None:
    """Work of 100 hours on machines that may be a twentieth faster or slower; starts take as long."""
    found = forecast(tokens=1_000.0 * 3_600 * 100, hours=100.0)
    fastest = 0.30 * (100 * 950 / 1_000 + 300 / 3_600)
    assert fastest * 0.99 < float(found.usd_to_finish_p10) < float(found.usd_to_finish_p50) * 0.96
    small = forecast(tokens=1_000.0 * 100, policy="on-demand")
    assert float(small.usd_to_finish_p10) == pytest.approx(1.00 * (100 * 0.95 + 300) / 3_600, abs=1e-4)
    assert float(small.usd_to_finish_p90) == pytest.approx(1.00 * (100 / 0.95 + 300) / 3_600, abs=2e-4)
