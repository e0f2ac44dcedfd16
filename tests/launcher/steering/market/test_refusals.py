"""On demand that is refused: the chance of it, and what it does to the chance to be late."""

from dataclasses import replace
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.steering.decide import decide
from launcher.steering.forecast import Outlook, asking_hours
from launcher.steering.market.refusals import (
    Refusals,
    chance_refused,
    chance_refused_later,
    independent_places,
    region_of,
)
from launcher.steering.market.supply import Supply
from launcher.steering.safety_net import SafetyNet
from tests.launcher.steering.situations import EAST, KINDS, ON_DEMAND, kind, situation

FAR = kind(4, "aws/far", 1.00, purchase="on-demand")


def chance_late(**changes: object) -> float:
    found = decide(situation(**changes)).course.forecast  # type: ignore[arg-type]
    assert found is not None
    assert found.chance_late is not None
    return found.chance_late


def test_a_refusal_is_that_of_all_places_and_lasts_as_long_as_the_shortest() -> None:
    assert chance_refused(Refusals(0.85, 1), 0.0) == pytest.approx(0.15)
    assert chance_refused(Refusals(0.85, 2), 0.0) == pytest.approx(0.0225)
    assert chance_refused(Refusals(0.85, 1), 3_600.0) == pytest.approx(0.15 * exp(-0.85))
    assert chance_refused(Refusals(1.0, 1), 0.0) == 0.0
    assert chance_refused(Refusals(0.0, 3), 1e6) == 1.0
    assert chance_refused(Refusals(1.0, 0), 1e6) == 1.0


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.integers(1, 9), st.floats(0.0, 1e5))
def test_more_of_it_more_places_and_more_patience_never_make_a_refusal_likelier(
    one: float, other: float, places: int, patience: float
) -> None:
    low, high = sorted((one, other))
    base = chance_refused(Refusals(low, places), patience)
    assert 0 <= chance_refused(Refusals(high, places), patience) <= base <= 1
    assert chance_refused(Refusals(low, places + 1), patience) <= base
    assert chance_refused(Refusals(low, places), patience + 60) <= base


def test_the_longer_the_net_works_the_likelier_it_is_refused_meanwhile() -> None:
    often = Refusals(0.85, 1)
    assert chance_refused_later(often, 0.0, 0.0) == 0.0
    assert chance_refused_later(often, 0.0, 2.0) == pytest.approx(1 - exp(-0.15 * 2))
    assert chance_refused_later(often, 0.0, 4.0) > chance_refused_later(often, 1_800.0, 4.0) > 0
    assert chance_refused_later(Refusals(0.85, 2), 0.0, 4.0) < chance_refused_later(often, 0.0, 4.0)
    assert chance_refused_later(Refusals(1.0, 1), 0.0, 99.0) == 0.0
    assert chance_refused_later(Refusals(1.0, 0), 0.0, 1.0) == 1.0


def test_places_of_one_region_fail_together() -> None:
    zones = [kind(n, f"aws/east/east-{n}", 1.0, purchase="on-demand") for n in range(3)]
    assert independent_places([*zones, EAST]) == 1
    assert independent_places([*zones, FAR]) == 2
    assert region_of(zones[0]) == "aws/east"


def test_the_chance_to_be_late_holds_the_chance_that_on_demand_is_refused() -> None:
    sure, often = chance_late(hours=7.5), chance_late(hours=7.5, obtainable=0.85)
    assert sure == 0
    assert (
        0.1 < often < 0.25
    )  # 14 to 18 % of simulated runs at 1.2 times the work, on demand there 100 or 85 %
    assert chance_late(hours=7.5, obtainable=0.6) > often
    assert chance_late(hours=7.5, obtainable=0.85, kinds=(*KINDS, FAR)) < often
    assert chance_late(hours=24.0, obtainable=0.85) < often


def test_on_demand_that_is_never_there_leaves_the_deadline_to_spot() -> None:
    alone = chance_late(hours=8.0, kinds=KINDS[:3])
    assert alone <= chance_late(hours=8.0, obtainable=0.0) < 1
    assert chance_late(hours=8.0, obtainable=0.0, kinds=(ON_DEMAND,)) == 1.0


def test_a_net_of_machines_that_are_mostly_faster_waits_for_longer_where_it_is_refused() -> None:
    """At 1.25 times the work the slow end of the speed leaves the net no time; the median leaves it most of an hour."""
    spread = tuple(replace(one, tokens_per_second_p10=800.0) for one in KINDS)
    sure, often = (chance_late(hours=7.5, kinds=spread, obtainable=share) for share in (1.0, 0.85))
    assert sure == pytest.approx(0.125)  # speeds at which the net cannot do the work
    assert 0.3 < often < 0.4  # 0.42 if no speed left it any time


NET = SafetyNet(margin=0.0, free=((ON_DEMAND.number, 4),), free_rate=4_000.0, in_time=4)
NO_SPOT = Supply(0.0, 0.0, 0.0)


def test_a_net_asks_until_its_machines_are_started_or_the_work_is_done() -> None:
    """Machines start as each of the others has forty minutes in hand: the last of four after 1 + 1/2 + 1/3 times that."""
    much, little = (Outlook(tokens, patience=2_400.0) for tokens in (1e9, 4_000.0 * 600))
    assert asking_hours(NET, much, NO_SPOT) == pytest.approx(2_400 * (1 + 1 / 2 + 1 / 3) / 3_600)
    assert asking_hours(NET, little, NO_SPOT) == pytest.approx((600 + 2_400) / 3_600)
    assert asking_hours(replace(NET, free=((ON_DEMAND.number, 1),)), much, NO_SPOT) == 0.0  # it asks once


def test_a_net_that_is_seldom_needed_asks_no_less_once_it_is() -> None:
    """Spot does it all in half of the cases, or in all but two of a hundred: in the rest as much is left to the net."""
    outlook = Outlook(1e7, patience=600.0)
    hours = [asking_hours(NET, outlook, Supply(tokens, 1e6, 1.0)) for tokens in (1e7, 1.2e7)]
    assert hours[1] > 0.8 * hours[0] > 0
    assert asking_hours(NET, outlook, Supply(1e9, 0.0, 1.0)) == 0.0
