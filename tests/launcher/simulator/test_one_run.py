"""One simulated run: when its budget ends it, and when it only waits."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from launcher.simulator.one_run import simulate_run
from launcher.simulator.policies import Policy, StaticPolicy
from launcher.simulator.rivals import OnDemandPolicy, SpotPolicy
from launcher.simulator.scenario import RunOutcome, Scenario
from launcher.simulator.steered_policy import SteeredPolicy
from tests.launcher.simulator.cases import market, scenario, spot_kind

Maker = Callable[[Scenario], Policy]


def outcome(make: Maker, usd: str, *available: int) -> RunOutcome:
    """Eight machine-hours of work at $1 each, four times the hours that a full fleet needs, and a budget."""
    case = replace(scenario(spot_kind("a"), ratio=4.0), budget=Decimal(usd))
    return simulate_run(case, market(case, available), make(case), np.random.default_rng(3))


@pytest.mark.parametrize("make", [SteeredPolicy, StaticPolicy, SpotPolicy])
def test_run_that_lost_all_machines_waits_for_spot_while_money_is_left(make: Maker) -> None:
    """Most of the budget is spent when the only place dries up for an hour: that is no end of the run."""
    found = outcome(make, "14.00", *[8] * 110, *[0] * 60, 8)
    assert found.losses > 0
    assert found.hours is not None
    assert not found.over_budget


@pytest.mark.parametrize("make", [SteeredPolicy, StaticPolicy])
def test_run_ends_at_its_budget(make: Maker) -> None:
    found = outcome(make, "5.00", 8)
    assert found.hours is None
    assert 3.5 < found.usd <= 5.0
    assert not found.over_budget


def test_policy_that_knows_no_budget_passes_it() -> None:
    found = outcome(SpotPolicy, "5.00", 8)
    assert found.hours is not None
    assert found.over_budget


def test_policy_that_waits_for_nothing_is_late_and_ends() -> None:
    """Machines on demand alone, where nothing on demand may be rented: no look is due, and the run is not done."""
    case = scenario(spot_kind("a"), ratio=4.0)
    found = simulate_run(case, market(case, [8]), OnDemandPolicy(case), np.random.default_rng(3))
    assert (found.hours, found.late, found.usd) == (None, True, 0)
