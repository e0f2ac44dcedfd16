"""The autopilot in hostile markets: never late where on demand can be had, never over the budget or the machine limit.

Spot dies for good at a random moment, flaps faster than a cold start, shrinks, or does anything; prices are random, too.
Each market is drawn by its number, which a failure names.
"""

from dataclasses import replace
from decimal import Decimal
from math import inf

import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray

from launcher.simulator.market import Market, market_of
from launcher.simulator.one_run import horizon, simulate_run
from launcher.simulator.scenario import RunOutcome, Scenario
from launcher.simulator.steered_policy import SteeredPolicy
from launcher.simulator.traces import PlaceTrace
from launcher.steering.situation import LAUNCHES_PER_SECOND
from tests.launcher.simulator.cases import COLD, LIST_USD, list_kind, scenario, spot_kind

QUICK, SLOW = 60, 1000
PROBES = 2  # machines that may be held beyond the limit while one takes the place of another
LEAST_HOURS = 1.0  # of a run


def dies(random: Generator, minutes: int) -> NDArray[np.int64]:
    """As many as are wanted until a moment, then none for good."""
    return np.where(np.arange(minutes) < random.integers(minutes), random.integers(1, 20), 0)


def flaps(random: Generator, minutes: int) -> NDArray[np.int64]:
    """Up and down faster than a machine starts."""
    return (np.arange(minutes) // int(random.integers(1, 6)) % 2) * int(random.integers(1, 20))


def shrinks(random: Generator, minutes: int) -> NDArray[np.int64]:
    return np.maximum(0, 16 - np.arange(minutes) // int(random.integers(5, 60)))


def anything(random: Generator, minutes: int) -> NDArray[np.int64]:
    return random.integers(0, 12, minutes).repeat(int(random.integers(1, 90)))[:minutes]


HOSTILE = (dies, flaps, shrinks, anything)


def hostile_case(number: int, *, budget: bool) -> tuple[Scenario, Market]:
    """A scenario that on demand alone can do in time, and its market."""
    random = np.random.default_rng([number, 13])
    machines = int(random.integers(1, 17))
    spot = [
        spot_kind(f"r{n}", float(random.uniform(0.3, 3.2)), cap=machines)  # every start takes its P90
        for n in range(int(random.integers(1, 5)))
    ]
    listed = list_kind(cap=machines)
    hours = float(random.uniform(LEAST_HOURS, 4))
    ramp = float(random.choice([inf, LAUNCHES_PER_SECOND]))
    case = scenario(*spot, listed, hours=hours, machines=machines, ratio=1.0)
    # What on demand needs at least: the work, an answer, a cold start at the slow end, the launches, and the last shard.
    least = hours * 3600 + 120 + COLD + 60 + machines / 2 / ramp
    deadline = (least + 180) * float(random.choice([1.0, 1.05, 1.3, 2.0, 3.0]))
    enough = Decimal(str(round(LIST_USD * machines * hours, 2)))
    case = replace(
        case,
        deadline=deadline,
        launches_per_second=ramp,
        teardown=60.0,
        probes=PROBES * (number % 2),  # with them machines on demand work until spot that came does
        budget=enough * Decimal(str(round(float(random.uniform(0.2, 1.2)), 2))) if budget else None,
    )
    minutes = int(horizon(deadline) // 60) + 1
    traces = {
        n: PlaceTrace(
            kind.place.infra,
            HOSTILE[int(random.integers(4))](random, minutes).astype(np.int32),
            np.exp(random.normal(0, 0.4, minutes // 30 + 1)).repeat(30)[:minutes],
        )
        for n, kind in enumerate(spot)
    }
    return case, market_of(case, traces, 0, minutes, random)


def outcome(number: int, *, budget: bool) -> tuple[Scenario, RunOutcome]:
    case, world = hostile_case(number, budget=budget)
    return case, simulate_run(case, world, SteeredPolicy(case), np.random.default_rng([number, 17]))


def check(numbers: range) -> None:
    late, over_limit, over_budget = list[int](), list[int](), list[int]()
    for number in numbers:
        case, free = outcome(number, budget=False)
        if free.late:
            late.append(number)
        _, bounded = outcome(number, budget=True)
        if bounded.over_budget:
            over_budget.append(number)
        most = case.machines + case.probes
        if free.most_machines > most or bounded.most_machines > most:
            over_limit.append(number)
    assert (late, over_budget, over_limit) == ([], [], [])


# Invariant 1 of docs/steering.md
def test_never_late_over_budget_or_over_the_limit() -> None:
    check(range(QUICK))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_thousand_hostile_markets(part: int) -> None:
    each = SLOW // 4
    check(range(QUICK + part * each, QUICK + (part + 1) * each))


def test_markets_are_hostile() -> None:
    """The test above would prove little in markets in which spot does the work."""
    found = [outcome(number, budget=False)[1] for number in range(20)]
    assert sum(one.usd_on_demand > 0.2 * one.usd for one in found) >= 8
    assert sum(one.losses for one in found) > 100
