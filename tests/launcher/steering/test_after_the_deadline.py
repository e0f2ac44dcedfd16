"""A run whose deadline has passed: as cheap as possible, unless `limits.when_short` puts the deadline first."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from launcher.steering.decide import Verdict, decide
from launcher.steering.situation import AnswerKind, Belief, Machine, MachinePhase, Situation, WhenShort
from tests.launcher.steering.situations import (
    EAST,
    HOUR,
    NOON,
    NORTH,
    ON_DEMAND,
    WEST,
    answer,
    situation,
    steering,
    working,
)

LATE = NOON + 13 * HOUR  # an hour after the deadline
HOUR_OF_WORK = 16 * 3_600 * 1_000.0  # tokens that 16 machines do: $16 on demand
REST = 4 * 1_000.0  # tokens that four machines do in a second


def late(
    machines: list[Machine],
    *,
    tokens: float = HOUR_OF_WORK,
    budget: float | None = None,
    when_short: WhenShort = WhenShort.LATE,
    dry: bool = False,
    agreed_usd: float | None = None,
) -> Situation:
    """`dry`: all spot places had none a minute ago."""
    refused = LATE - timedelta(minutes=1)
    none = [replace(answer(k, AnswerKind.NONE, 0), at=refused) for k in (EAST, WEST, NORTH)]
    return situation(
        machines,
        now=LATE,
        tokens=tokens,
        budget=budget,
        when_short=when_short,
        answers=none if dry else [],
        agreed_usd=agreed_usd,
    )


def asked(verdict: Verdict) -> Counter[int]:
    return Counter({ask.kind: ask.count for ask in verdict.asks})


def test_late_run_goes_on_with_the_cheapest_spot() -> None:
    """The deadline can no longer be kept: nothing pays for machines on demand."""
    assert set(asked(decide(late([])))) == {EAST.number}
    assert not asked(decide(late(working(EAST, 4))))[ON_DEMAND.number]
    assert not asked(decide(late(working(EAST, 4), dry=True)))[ON_DEMAND.number]


def test_late_run_goes_on_on_demand_where_no_place_has_spot() -> None:
    """An hour of work of 16 machines, and ten cold starts of five minutes for each: 19 are enough, 16 may be had."""
    assert asked(decide(late([], dry=True))) == {ON_DEMAND.number: 16}
    assert asked(decide(late([], dry=True, tokens=HOUR_OF_WORK / 4))) == {ON_DEMAND.number: 4}
    assert asked(decide(late([], dry=True, tokens=1e6))) == {ON_DEMAND.number: 1}


def test_requests_to_places_that_had_none_do_not_keep_a_late_run_from_on_demand() -> None:
    """Such places are asked again in turn: some request is always open."""
    request = Machine("m0-0", EAST.number, MachinePhase.ASKED, 30.0)
    assert asked(decide(late([request], dry=True)))[ON_DEMAND.number] == 15
    assert not asked(decide(late([request])))[ON_DEMAND.number]  # nothing says that it will be refused


def test_machines_on_demand_work_on_after_the_deadline_until_spot_has_come_for_them() -> None:
    held = working(ON_DEMAND, 16)
    dry = decide(late(held, dry=True))
    assert not dry.releases
    probe = decide(late(held[:15]))
    assert asked(probe)[EAST.number] > 0
    assert not probe.releases
    known = {EAST.key: Belief(up=True, seen=LATE, held=4)}
    both = replace(late([*working(EAST, 4), *held[:12]]), steering=steering(beliefs=known))
    moved = decide(both)
    assert len(moved.releases) == 4
    assert all(one.machine.startswith(f"m{ON_DEMAND.number}-") for one in moved.releases)


@pytest.mark.parametrize("budget", [20.0, 10.0])
def test_late_run_rents_on_demand_only_if_its_budget_pays_for_all_that_is_left(budget: float) -> None:
    """$16 on demand: $10 do not pay for it, so the run waits for spot."""
    found = asked(decide(late([], budget=budget, dry=True)))
    assert (found[ON_DEMAND.number] > 0) == (budget == 20.0)


@pytest.mark.parametrize("agreed", [20.0, 10.0])
def test_late_run_rents_on_demand_only_within_what_was_agreed_to(agreed: float) -> None:
    found = asked(decide(late([], agreed_usd=agreed, dry=True)))
    assert (found[ON_DEMAND.number] > 0) == (agreed == 20.0)


def test_late_run_is_late_for_certain() -> None:
    forecast = decide(late(working(EAST, 4))).course.forecast
    assert forecast is not None
    assert forecast.chance_late == 1.0
    assert forecast.late_seconds_p50 is not None
    assert forecast.late_seconds_p50 > 3_600


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
    first = WhenShort.DEADLINE
    assert not decide(late(machines, tokens=500 * REST)).asks
    assert not decide(late(machines, tokens=500 * REST, when_short=first)).asks
    assert decide(late(machines, tokens=700 * REST, when_short=first)).asks
    assert decide(situation(machines, now=NOON + 11.9 * HOUR, tokens=500 * REST)).asks


def test_machine_that_does_no_work_is_not_waited_for() -> None:
    """It is there and would be done soon if it worked: others are asked for all the same."""
    hanging = [Machine(f"m0-{n}", EAST.number, MachinePhase.COLD, 5_000.0) for n in range(4)]
    assert asked(decide(late(hanging, tokens=500 * REST))).total() > 0
    assert asked(decide(late(hanging, tokens=500 * REST, dry=True)))[ON_DEMAND.number] > 0
