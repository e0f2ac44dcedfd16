"""The benchmark of the forecast: figures of forecasts that are right, and of ones that are wrong."""

from math import exp

import numpy as np
import pytest

from benchmarks.calibration import static, steered
from benchmarks.calibration.bins import bin_rows, chance_row, wilson
from benchmarks.calibration.static import StaticCase, fleet_of
from benchmarks.calibration.steered import HELD_OUT, TUNING, Case, chance_below, halves, report, scenario_of
from launcher.planning.steering.static_fleet import LateChance

EVEN = LateChance(0.5, 0.2, 0.8)
SPREAD = 0.3  # standard deviation of the logarithm


def case(seen: float, middle: float = 10.0, *, late: bool = False) -> Case:
    """A run whose hours and dollars were said to be log-normal about `middle`."""
    step = exp(1.2816 * SPREAD)
    said = (middle / step, middle, middle * step)
    return Case("m", 2.0, 1, 1.0, said, said, 0.1, 0.3, seen, seen, late, 0.4)


def drawn(middle: float = 10.0) -> list[Case]:
    random = np.random.default_rng(3)
    return [
        case(10 * exp(SPREAD * float(random.standard_normal())), middle, late=number % 10 == 0)
        for number in range(2_000)
    ]


def test_a_forecast_that_is_right_covers_as_often_as_it_says() -> None:
    found = report(drawn())
    assert found["hours"]["within_p10_p90"] == pytest.approx(0.8, abs=0.03)
    assert found["usd"]["below"]["p90"] == pytest.approx(0.9, abs=0.03)
    assert found["usd"]["largest_gap"] < 0.04
    assert found["late"]["gap"] == pytest.approx(0.0, abs=0.001)
    assert found["on_demand_share"]["bins"] == [{"from": 0.3, "runs": 2_000, "said": 0.3, "seen": 0.4}]


def test_a_forecast_that_is_too_low_is_seen_to_be() -> None:
    found = report(drawn(middle=6.0))
    assert found["hours"]["seen_over_p50"] == pytest.approx(10 / 6, abs=0.05)
    assert found["hours"]["within_p10_p90"] < 0.4
    assert found["hours"]["largest_gap"] > 0.5


def test_chances_of_quantiles_and_of_runs_that_never_end() -> None:
    assert chance_below((5.0, 10.0, 20.0), 20.0) == pytest.approx(0.9, abs=1e-4)
    assert chance_below((5.0, 10.0, 20.0), 5.0) == pytest.approx(0.1, abs=1e-4)
    assert chance_below((5.0, 10.0, 20.0), np.inf) == 1.0
    assert chance_below((10.0, 10.0, 10.0), 12.0) == 1.0
    assert chance_below((10.0, 10.0, 10.0), 10.0) == 0.5


def test_bins_hold_the_means_of_what_was_said_and_seen() -> None:
    rows = bin_rows([(0.02, 0.0), (0.04, 1.0), (1.0, 1.0)])
    assert rows == [
        {"from": 0.0, "runs": 2, "said": 0.03, "seen": 0.5},
        {"from": 0.95, "runs": 1, "said": 1.0, "seen": 1.0},
    ]
    assert chance_row([(0.02, 0.0), (0.04, 1.0)])["gap"] == pytest.approx(0.47)


def test_halves_share_no_market_and_a_case_is_one_run() -> None:
    found = halves()
    names = {half: {market.name for market in chosen} for half, chosen in found.items()}
    assert not names[TUNING] & names[HELD_OUT]
    one = steered.run_case(found[TUNING][0], 1.5, 1, 0.85, 0)
    assert one == steered.run_case(found[TUNING][0], 1.5, 1, 0.85, 0)
    assert one.hours[0] <= one.hours[1] <= one.hours[2]
    assert one.chance_late > steered.run_case(found[TUNING][0], 1.5, 1, 1.0, 0).chance_late
    assert 0 < one.seen_hours < 30


def test_bins_of_chances_have_the_interval_of_what_was_seen() -> None:
    pairs = [(0.3, float(number % 4 == 0)) for number in range(64)]
    found = chance_row(pairs, chances=True)
    assert found["interval"] == found["bins"][0]["interval"] == [0.16, 0.368]
    assert found["bins_within_interval"] == "1 of 1"
    assert chance_row([(0.9, seen) for _, seen in pairs], chances=True)["bins_within_interval"] == "0 of 1"


def test_interval_of_a_chance_that_was_never_or_always_seen_is_not_a_point() -> None:
    """Wilson's interval: of 100 runs none was late, which still allows 3.7 %."""
    assert wilson(0, 100) == pytest.approx((0.0, 0.037), abs=1e-3)
    assert wilson(100, 100) == pytest.approx((0.963, 1.0), abs=1e-3)


def test_static_fleet_rents_nothing_but_its_own_machines() -> None:
    market = halves()[TUNING][0]
    scenario = fleet_of(scenario_of(market, 4.0, 1, 1.0), 2.0)
    planned = {
        place.infra: count
        for place, count in zip(scenario.fleet[0].places, scenario.fleet[0].counts, strict=True)
    }
    assert {kind.infra: kind.cap for kind in scenario.kinds} == planned
    assert scenario.machines == sum(planned.values())
    assert all(kind.spot for kind in scenario.kinds)


def test_static_case_is_one_run_and_its_chance_falls_with_the_time_that_it_has() -> None:
    market = halves()[TUNING][2]
    tight, loose = (static.run_case(market, 4.0, times, 0) for times in (1.0, 4.0))
    assert tight == static.run_case(market, 4.0, 1.0, 0)
    assert loose.machines > tight.machines
    assert 0 < loose.said.mean < tight.said.mean < 1
    assert loose.after != loose.said
    assert loose.after.high - loose.after.low < loose.said.high - loose.said.low


def test_market_of_some_places_has_the_traces_of_those_places() -> None:
    """The cheapest places of a recording are not its first: a fleet there met the traces of the first ones."""
    market = next(one for one in halves()[TUNING] if one.name == "v100-9-zones")
    whole = scenario_of(market, 4.0, 1, 1.0)
    part = fleet_of(whole, 1.0)
    traces = {
        kind.infra: one.available
        for kind, one in zip(whole.kinds, market.market(whole, 7).kinds, strict=True)
        if kind.spot
    }
    assert [kind.infra for kind in part.kinds] != [kind.infra for kind in whole.kinds][: len(part.kinds)]
    for kind, one in zip(part.kinds, market.market(part, 7).kinds, strict=True):
        assert one.available == [min(kind.cap, there) for there in traces[kind.infra][: len(one.available)]]


def test_static_figures_are_of_each_deadline_and_market() -> None:
    cases = [
        StaticCase(market, ratio, times, 8, 1, EVEN, EVEN, late)
        for ratio, times in static.DEADLINES
        for market, late in (("always", True), ("never", False))
    ]
    found = static.report(cases)
    assert found["runs"] == 10
    for words in ("before_any_run", "after_earlier_runs"):
        assert (found[words]["said"], found[words]["seen"]) == (0.5, 0.5)
    assert found["brier"] == {"before_any_run": 0.25, "after_earlier_runs": 0.25, "the_mean_of_all": 0.25}
    assert {row["seen"] for row in found["by_deadline"].values()} == {0.5}
    assert {name: row["seen"] for name, row in found["by_market"].items()} == {"always": 1.0, "never": 0.0}
