"""The rivals and the static policy: what each does in plain markets, and that the shared net keeps every deadline."""

from collections.abc import Callable
from dataclasses import replace
from math import inf

import numpy as np
import pytest

from launcher.simulator.machine_lines import MachineLines
from launcher.simulator.one_run import simulate_run
from launcher.simulator.policies import Observation, Policy, StaticPolicy
from launcher.simulator.replayed_cloud import AnswerOf, PlaceAnswer, SimulatedMachine, Stage
from launcher.simulator.rivals import OnDemandPolicy, SpotPolicy, UniformEachPolicy
from launcher.simulator.scenario import RunOutcome, Scenario
from launcher.steering.orders import Start
from tests.launcher.simulator.cases import COLD, LIST_USD, SPEED, list_kind, market, scenario, spot_kind

Maker = Callable[[Scenario], Policy]


def uniform(case: Scenario) -> Policy:
    return SpotPolicy(case, even=True)


SAFE: list[Maker] = [SpotPolicy, uniform, UniformEachPolicy, OnDemandPolicy]


def outcome(case: Scenario, make: Maker, *available: list[int], seed: int = 3) -> RunOutcome:
    return simulate_run(case, market(case, *available), make(case), np.random.default_rng(seed), curve=True)


def test_static_takes_the_cheapest_spot() -> None:
    case = scenario(spot_kind("a"), list_kind())
    found = outcome(case, StaticPolicy, [8])
    assert not found.late
    assert found.usd_on_demand == 0
    assert found.starts == found.asks == case.fleet[0].slots
    assert found.usd == pytest.approx((case.tokens / SPEED + found.starts * COLD) / 3600, rel=0.01)


def test_static_is_late_where_spot_dries_up() -> None:
    case = scenario(spot_kind("a"), list_kind())
    found = outcome(case, StaticPolicy, [8] * 60 + [0])
    assert found.late
    assert found.hours is None
    assert found.usd_on_demand == 0


@pytest.mark.parametrize("make", SAFE)
@pytest.mark.parametrize("ratio", [1.3, 2.0, 4.0])
def test_net_keeps_the_deadline_where_spot_dies(make: Maker, ratio: float) -> None:
    case = scenario(spot_kind("a"), spot_kind("b"), list_kind(), ratio=ratio)
    for dies in (0, 30, 97):
        found = outcome(case, make, [3] * dies + [0], [0])
        assert not found.late
        assert found.usd_on_demand > 0
        assert found.most_machines <= case.machines


@pytest.mark.parametrize("make", SAFE)
def test_net_keeps_the_deadline_in_random_markets(make: Maker) -> None:
    random = np.random.default_rng(11)
    for seed in range(12):
        ratio = float(random.uniform(1.3, 4))
        case = scenario(spot_kind("a"), spot_kind("b", 1.2), list_kind(), ratio=ratio, hours=1.5)
        walks = [random.integers(0, 5, 400).repeat(int(random.integers(2, 60))).tolist() for _ in range(2)]
        found = outcome(case, make, *walks, seed=seed)
        assert not found.late, (seed, ratio)
        assert found.most_machines <= case.machines


def test_on_demand_rents_the_fewest_machines_that_do() -> None:
    case = scenario(spot_kind("a"), list_kind(), ratio=2.0)
    found = outcome(case, OnDemandPolicy, [8])
    assert found.starts == 3  # 8 machine-hours in 4 h less a cold start
    assert found.usd == found.usd_on_demand == pytest.approx(LIST_USD * (8 + 3 * COLD / 3600), rel=0.01)


def test_greedy_stays_on_spot_and_uniform_pays_to_keep_its_pace() -> None:
    case = scenario(spot_kind("a"), list_kind(), ratio=4.0)
    dry = [0] * 100 + [8]
    greedy, even = outcome(case, SpotPolicy, dry), outcome(case, uniform, dry)
    assert greedy.usd_on_demand == 0
    assert even.usd_on_demand > 0
    assert even.usd > greedy.usd


def test_each_machine_behind_its_own_pace_goes_on_demand_though_the_fleet_is_ahead() -> None:
    case = scenario(spot_kind("a"), list_kind(), ratio=2.0)
    assert case.machines == 4
    fleet, each = outcome(case, uniform, [3]), outcome(case, UniformEachPolicy, [3])
    assert fleet.starts == 4  # once, before the first spot machine works: all are behind then
    # Whenever the share of the fourth machine is behind; it ends while that is two cold starts ahead.
    assert each.starts > 4
    assert each.usd_on_demand > 1.5 * fleet.usd_on_demand
    assert not each.late


def test_uniform_does_not_wait_for_a_place_that_had_none_and_is_asked_again() -> None:
    case = scenario(spot_kind("a"), spot_kind("b"), list_kind())
    policy = uniform(case)

    def on_demand(seconds: float, answer: PlaceAnswer, *machines: SimulatedMachine) -> int:
        seen = Observation(seconds, case.tokens, machines, {}, [1.0, 1.0, 3.0], [answer], 0.0, 0.0)
        starts = (order for order in policy.decide(seen).orders if isinstance(order, Start))
        return sum(order.group == case.on_demand[0] for order in starts)

    there = [SimulatedMachine(f"m{n}", 1, n, [1], 60.0, inf, Stage.COLD, 1, 120.0) for n in range(4)]
    lost = [replace(machine, stage=Stage.ASKED, taken=True) for machine in there]
    assert on_demand(60.0, PlaceAnswer(60.0, 0, AnswerOf.NONE, 4, 0)) == 0  # the other place is asked
    assert on_demand(120.0, PlaceAnswer(120.0, 1, AnswerOf.CAME, 4, 4), *there) == 0
    # The first place may be asked again since 360 s. Its last word was that it has none.
    assert on_demand(420.0, PlaceAnswer(420.0, 1, AnswerOf.TAKEN, 4, 0), *lost) == 4


def test_a_share_of_the_work_is_left_to_the_machine_that_comes_next() -> None:
    case = scenario(spot_kind("a"), list_kind(), ratio=2.0)
    lines = MachineLines(case)
    line = case.tokens / case.machines

    def look(seconds: float, left: float, *names: str) -> Observation:
        there = [SimulatedMachine(name, 0, 0, [0], 0.0, inf, Stage.WORKING, 0, 0.0) for name in names]
        found = Observation(seconds, left, there, {}, [1.0, 3.0], [], 0.0, 0.0)
        lines.learn(found, there)
        return found

    look(0.0, case.tokens, "one", "two")
    look(3600.0, case.tokens - line, "one", "two")
    assert sorted(lines.done) == [0.0, 0.0, line / 2, line / 2]
    assert lines.ahead(case.deadline / 2) == {"one", "two"}
    assert lines.idle_behind(1.0) == case.machines - 2
    look(3600.0, case.tokens - line, "two", "three", "four", "five")
    assert lines.ahead(case.deadline / 2) == {"two", "five"}


def test_outcome_repeats_with_its_seed() -> None:
    spread = [replace(kind, cold_start_p90=2 * COLD) for kind in (spot_kind("a"), list_kind())]
    case = scenario(*spread)
    flaps = [4, 4, 4, 0] * 200
    one, same, other = (outcome(case, uniform, flaps, seed=seed) for seed in (5, 5, 6))
    assert one == same
    assert one.usd != other.usd


def test_curve_grows_to_the_whole_work() -> None:
    case = scenario(spot_kind("a"), list_kind())
    curve = outcome(case, SpotPolicy, [8]).curve
    assert curve.done == sorted(curve.done)
    assert curve.done[-1] == pytest.approx(1.0)
    assert len(curve.hours) == len(curve.usd) == len(curve.spot) == len(curve.on_demand)
