"""The least dollars, had the market been known: computed by hand in markets that are simple enough."""

from dataclasses import replace

import pytest

from launcher.simulator.hindsight import hindsight_usd
from tests.launcher.simulator.cases import COLD, LIST_USD, SPEED, list_kind, market, scenario, spot_kind


def test_plenty_of_spot_costs_the_work_and_one_cold_start() -> None:
    case = scenario(spot_kind("a"), list_kind(), hours=2, machines=4, ratio=4)
    # One machine does it in 8 h, and there are 8: the fewest starts are one, paid without work.
    assert hindsight_usd(case, market(case, [8])) == pytest.approx((8 * 3600) / 3600, rel=0.02)
    done_in_7 = replace(case, deadline=4.0 * 3600)  # two machines at least
    assert hindsight_usd(done_in_7, market(case, [8])) == pytest.approx(8 + 2 * COLD / 3600, rel=0.02)


def test_no_spot_costs_the_list_price() -> None:
    case = scenario(spot_kind("a"), list_kind(), hours=2, machines=4, ratio=1.5)
    starts = case.tokens / (SPEED * (case.deadline - COLD))  # fractions of machines are allowed
    expected = LIST_USD * (case.tokens / SPEED + starts * COLD) / 3600
    assert hindsight_usd(case, market(case, [0])) == pytest.approx(expected, rel=0.01)


def test_it_waits_for_the_cheap_hours() -> None:
    case = scenario(spot_kind("a"), list_kind(), hours=1, machines=4, ratio=4)
    late_spot = market(case, [0] * 120 + [8])
    found = hindsight_usd(case, late_spot)
    assert found is not None
    assert found == pytest.approx(4 + 2 * COLD / 3600, rel=0.05)


def test_none_where_no_fleet_could_be_in_time() -> None:
    case = scenario(spot_kind("a"), hours=2, machines=4, ratio=0.5)
    assert hindsight_usd(case, market(case, [8])) is None
    assert hindsight_usd(replace(case, deadline=60.0), market(case, [8])) is None


def test_speed_and_limit_count() -> None:
    case = scenario(spot_kind("a"), list_kind(), hours=2, machines=4, ratio=2)
    usual, slow = (
        hindsight_usd(case, market(case, [8])),
        hindsight_usd(replace(case, slower=0.6), market(case, [8])),
    )
    assert usual is not None
    assert slow is not None
    assert slow > usual / 0.6 * 0.98
