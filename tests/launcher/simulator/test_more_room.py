"""More to choose from never makes simulated runs dearer: a cheaper place, a longer deadline, a larger budget."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from launcher.simulator.market import market_of
from launcher.simulator.one_run import horizon, simulate_run
from launcher.simulator.scenario import Scenario
from launcher.simulator.steered_policy import SteeredPolicy
from launcher.simulator.synthetic import SyntheticMarket, synthetic_traces
from tests.launcher.simulator.cases import list_kind, scenario, spot_kind

RUNS = 24
MOST = 1.01  # times the mean


def mean_usd(case: Scenario, places: int) -> float:
    """Mean dollars over the same seeds: place number n has the same market whatever else there is."""
    traces = synthetic_traces(SyntheticMarket(0.4, 0.6, 3), 5)
    total = 0.0
    for seed in range(RUNS):
        own = {
            n: replace(traces.places[n], available=traces.places[n].available * np.int32(4))
            for n in range(places)
        }
        minutes = int(horizon(case.deadline) // 60) + 1
        offset = int(np.random.default_rng([seed, 3]).integers(traces.minutes))
        market = market_of(case, own, offset, minutes, np.random.default_rng(seed))
        total += simulate_run(case, market, SteeredPolicy(case), np.random.default_rng([seed, 9])).usd
    return total / RUNS


def plain(hours: float = 2.0, ratio: float = 2.0) -> Scenario:
    return scenario(spot_kind("a", 1.2), spot_kind("b", 1.3), list_kind(), hours=hours, ratio=ratio)


def longer(case: Scenario) -> Scenario:
    return replace(case, deadline=case.deadline * 1.5)


def richer(case: Scenario) -> Scenario:
    return replace(case, budget=Decimal(30))


# Invariant 9 of docs/steering.md
@pytest.mark.parametrize("change", [longer, richer])
def test_longer_deadline_and_larger_budget_cost_no_more(change: Callable[[Scenario], Scenario]) -> None:
    before = replace(plain(), budget=Decimal(22)) if change is richer else plain()
    assert mean_usd(change(before), 2) <= MOST * mean_usd(before, 2)


# Invariant 9 of docs/steering.md
def test_cheaper_place_more_costs_no_more() -> None:
    kinds = (spot_kind("a", 1.2), spot_kind("b", 1.3), spot_kind("c", 0.8), list_kind())
    more = replace(plain(), kinds=kinds)
    assert mean_usd(more, 3) <= MOST * mean_usd(plain(), 2)
