"""Many runs: the same markets for all policies, statistics, stand-ins, generated and shipped traces."""

from dataclasses import replace

import numpy as np
import pytest

from launcher.errors import Usage
from launcher.simulator.catalog import SHIPPED, find_traces
from launcher.simulator.simulate import Runs, simulate_market, wilson_interval
from launcher.simulator.stand_ins import MOST_SPOT_KINDS, simulated_kinds, stand_ins
from launcher.simulator.synthetic import SyntheticMarket, synthetic_traces
from launcher.simulator.traces import PlaceTrace, TraceSet, with_machines
from tests.launcher.simulator.cases import list_kind, scenario, spot_kind


def traces(*names: str) -> TraceSet:
    places = tuple(
        PlaceTrace(name, np.array([8, 8, 0] * 200, np.int32).repeat(7 + n)[:4000])
        for n, name in enumerate(names)
    )
    return TraceSet("made", "for tests", places)


def test_all_policies_get_the_same_markets_and_repeat_by_seed() -> None:
    case = scenario(spot_kind("a"), spot_kind("b"), list_kind())
    runs = Runs(("greedy", "uniform"), 3, seed=11)
    found = simulate_market(case, traces("aws/a", "aws/b"), runs)
    alone = simulate_market(case, traces("aws/a", "aws/b"), replace(runs, policies=("greedy",)))
    assert found.policies[0] == alone.policies[0]
    assert simulate_market(case, traces("aws/a", "aws/b"), runs) == found
    assert simulate_market(case, traces("aws/a", "aws/b"), replace(runs, seed=12)) != found


def test_outcome_has_statistics_and_one_curve() -> None:
    case = scenario(spot_kind("a"), list_kind())
    found = simulate_market(case, traces("aws/a"), Runs(("on-demand", "static"), 4, seed=1))
    listed, static = found.policies
    assert (listed.late, listed.late_low, listed.on_demand_share) == (0, 0.0, 1.0)
    assert listed.usd.p10 <= listed.usd.p50 <= listed.usd.p90
    assert listed.over_hindsight is not None
    assert listed.over_hindsight.mean > 1
    assert listed.curve.done[-1] == pytest.approx(1.0)
    assert static.late  # so its dollars, of less than the work, are not compared
    assert static.over_hindsight is None
    assert found.hindsight_usd is not None
    assert float(found.hindsight_usd) < float(listed.usd.p50)


def test_wilson_interval_holds_the_share() -> None:
    assert wilson_interval(0, 100) == (0.0, pytest.approx(0.0370, abs=1e-4))
    assert wilson_interval(100, 100) == (pytest.approx(0.9630, abs=1e-4), 1.0)
    low, high = wilson_interval(7, 100)
    assert (low, high) == (pytest.approx(0.0343, abs=1e-4), pytest.approx(0.1375, abs=1e-4))


def test_stand_in_is_of_the_same_region_or_drawn_or_used_again() -> None:
    kinds = [spot_kind("a"), spot_kind("x"), spot_kind("y")]
    found = stand_ins(kinds, traces("aws/a/a1", "aws/b/b1"), seed=3)
    assert found[0].trace.place == "aws/a/a1"
    assert not found[0].drawn
    assert (found[1].trace.place, found[1].drawn, found[1].later) == ("aws/b/b1", True, 0)
    assert found[2].drawn
    assert found[2].later > 0
    assert stand_ins(kinds, traces("aws/a/a1", "aws/b/b1"), seed=3)[2].later == found[2].later


def test_only_the_cheapest_kinds_and_the_own_fleet_are_simulated() -> None:
    kinds = [spot_kind(f"r{n}", 1 + n / 100) for n in range(MOST_SPOT_KINDS + 5)]
    case = scenario(*kinds, list_kind())
    kept, left_out = simulated_kinds(case)
    assert left_out == 5
    own = replace(case.fleet[0], places=(kinds[-1].place,), counts=(4,))
    kept, left_out = simulated_kinds(replace(case, fleet=(own,)))
    assert kinds[-1] in kept.kinds
    assert left_out == 4


def test_generated_market_has_the_stated_rates() -> None:
    market = SyntheticMarket(falls=0.5, returns=1.0, places=60)
    found = synthetic_traces(market, seed=5)
    up = [float(np.mean(place.available > 0)) for place in found.places]
    assert np.mean(up) == pytest.approx(1 / 1.5, abs=0.06)
    falls = sum(int(np.sum(np.diff(place.available) < 0)) for place in found.places)
    hours_up = sum(up) * found.minutes / 60
    assert falls / hours_up == pytest.approx(0.5, rel=0.3)
    assert all(place.usd_per_hour is not None for place in found.places)
    same = synthetic_traces(market, seed=5).places[3].available
    assert (same == found.places[3].available).all()


@pytest.mark.parametrize(
    ("name", "places", "hours"), [("aws-l4-2025", 10, 31.7), ("aws-v100-2023", 9, 1091.9)]
)
def test_shipped_traces_are_read(name: str, places: int, hours: float) -> None:
    found = find_traces(name, seed=1)
    assert (found.name, found.about) == (name, SHIPPED[name])
    assert len(found.places) == places
    assert found.minutes / 60 == pytest.approx(hours, abs=0.1)
    assert not found.counts_machines
    assert all(place.usd_per_hour is not None for place in found.places)
    assert with_machines(found, 8).counts_machines


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("aws-l4-2024", "did you mean aws-l4-2025"),
        ("synthetic:falls=x", "cannot read"),
        ("synthetic:falls=0", "cannot read"),
        ("synthetic:places=2.5", "cannot read"),
        ("synthetic:speed=1", "cannot read"),
        ("nowhere.csv", "no traces 'nowhere.csv'"),
    ],
)
def test_traces_that_are_not_there(word: str, said: str) -> None:
    with pytest.raises(Usage, match=said):
        find_traces(word, seed=1)


def test_generated_market_can_be_named() -> None:
    found = find_traces("synthetic:falls=1,places=3", seed=4)
    assert (found.name, len(found.places)) == ("synthetic", 3)
    assert "losing its machines 1 times an hour" in found.about
