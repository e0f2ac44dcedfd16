"""A run that is late: as soon as possible, as far as its budget and `limits.when_short` allow."""

from collections import Counter

import pytest

from launcher.steering.decide import Verdict, decide
from launcher.steering.situation import Machine, MachinePhase, Situation, WhenShort
from tests.launcher.steering.situations import EAST, HOUR, NOON, ON_DEMAND, situation, working

LATE = NOON + 13 * HOUR  # an hour after the deadline
HOUR_OF_WORK = 16 * 3_600 * 1_000.0  # tokens that 16 machines do: $16 on demand
REST = 4 * 1_000.0  # tokens that four machines do in a second


def late(
    machines: list[Machine],
    *,
    tokens: float = HOUR_OF_WORK,
    budget: float | None = None,
    when_short: WhenShort = WhenShort.LATE,
) -> Situation:
    return situation(machines, now=LATE, tokens=tokens, budget=budget, when_short=when_short)


def asked(verdict: Verdict) -> Counter[int]:
    return Counter({ask.kind: ask.count for ask in verdict.asks})


def test_late_run_goes_on_on_demand_where_no_spot_works() -> None:
    assert asked(decide(late([]))) == {ON_DEMAND.number: 16}
    assert asked(decide(late(working(EAST, 4))))[ON_DEMAND.number] == 12


@pytest.mark.parametrize("budget", [20.0, 10.0])
def test_late_run_rents_on_demand_only_if_its_budget_pays_for_all_that_is_left(budget: float) -> None:
    """Of `when_short: late`: $10 do not, so spot does the rest as cheaply as it can."""
    found = asked(decide(late([], budget=budget)))
    assert (found[ON_DEMAND.number] > 0) == (budget == 20.0)
    assert (found[EAST.number] > 0) == (budget == 10.0)


def test_deadline_before_all_else_is_served_as_long_as_there_is_money() -> None:
    found = decide(late([], budget=10.0, when_short=WhenShort.DEADLINE))
    assert asked(found)[ON_DEMAND.number] > 0
    assert not found.course.stop


def test_stop_ends_a_late_run_that_its_budget_does_not_pay_for() -> None:
    assert decide(late(working(EAST, 4), budget=10.0, when_short=WhenShort.STOP)).course.stop
    assert not decide(late(working(EAST, 4), budget=20.0, when_short=WhenShort.STOP)).course.stop


def test_nothing_starts_after_the_deadline_that_would_come_when_all_is_done() -> None:
    """A start takes five minutes. Before the deadline the net starts even then: what works may be taken."""
    machines = working(EAST, 4)
    assert not decide(late(machines, tokens=500 * REST)).asks
    assert decide(late(machines, tokens=700 * REST)).asks
    assert decide(situation(machines, now=NOON + 11.9 * HOUR, tokens=500 * REST)).asks


def test_machine_that_does_no_work_is_not_waited_for() -> None:
    """It is there and would be done soon if it worked: on demand is asked for all the same."""
    hanging = [Machine(f"m0-{n}", EAST.number, MachinePhase.COLD, 5_000.0) for n in range(4)]
    assert asked(decide(late(hanging, tokens=500 * REST)))[ON_DEMAND.number] > 0
