"""What places may supply, and the price of the last token."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.steering.market import supply
from launcher.steering.market.supply import Source, cheapest_first, shadow_price, source_of, supplies
from launcher.steering.situation import Belief, Kind
from tests.launcher.steering.situations import EAST, NOON, NORTH, WEST, kind

HOURS = 12 * 3_600.0
ON_DEMAND = 1.0 / 3_600 / 1_000


def sources(kinds: Sequence[Kind], seconds: float = HOURS, belief: Belief | None = None) -> list[Source]:
    known = belief or Belief()
    return cheapest_first(source_of(k, known, 0, NOON, seconds) for k in kinds)


def level(kinds: Sequence[Kind], tokens: float, seconds: float = HOURS, machines: int = 16) -> float:
    found = sources(kinds, seconds)
    price = shadow_price(found, supplies(found, machines, seconds), tokens, ON_DEMAND)
    assert price is not None
    return price


def test_price_is_the_cheapest_places_where_supply_is_plenty() -> None:
    cheapest = sources((EAST, WEST, NORTH))[0].usd_per_token
    assert level((EAST, WEST, NORTH), 1e5) == pytest.approx(cheapest, rel=0.03)


def test_price_is_that_on_demand_where_supply_is_short() -> None:
    assert level((EAST, WEST, NORTH), 1e12) == pytest.approx(ON_DEMAND, rel=1e-6)


def test_without_a_source_there_is_no_price() -> None:
    assert shadow_price([], [], 1e6, None) is None
    assert shadow_price([], [], 1e6, ON_DEMAND) == ON_DEMAND


def test_without_on_demand_the_dearest_place_does_the_last_token() -> None:
    found = sources((EAST, WEST, NORTH))
    price = shadow_price(found, supplies(found, 16, HOURS), 1e12, None)
    assert price == pytest.approx(found[-1].usd_per_token)


def test_two_places_of_one_machine_together_are_the_exact_mean() -> None:
    """Chances p and q up, room for one machine: p + (1 - p) q."""
    one = [kind(0, "a", 0.3, cap=1), kind(1, "b", 0.4, cap=1)]
    first, second = sources(one)
    found = supplies([first, second], 1, HOURS)
    assert found[0].machines == pytest.approx(first.up)
    assert found[1].machines == pytest.approx(first.up + (1 - first.up) * second.up)


def test_places_never_supply_more_machines_than_may_be_held() -> None:
    found = supplies(sources([kind(n, f"p{n}", 0.3 + n / 100) for n in range(60)]), 16, HOURS)
    assert len(found) == 60
    assert all(one.machines <= 16 + 1e-9 for one in found)


def test_spread_of_a_place_falls_with_time() -> None:
    short, hours, days = (source_of(EAST, Belief(), 0, NOON, s).settling for s in (1.0, HOURS, 30 * HOURS))
    assert short == pytest.approx(1.0, abs=0.001)
    assert short > hours > days > 0


def test_spread_of_one_place_is_that_of_a_two_state_process() -> None:
    """2 a (1 - a) / (m t) (1 - (1 - e^(-m t)) / (m t)), times 2 for places that fall together."""
    (source,) = sources((EAST,))
    (found,) = supplies([source], 16, HOURS)
    span = 0.60 * 12
    share = 2 / span * (1 - (1 - exp(-span)) / span) * source.up * (1 - source.up)
    assert found.spread == pytest.approx(2.0 * 16 * 1_000 * HOURS * share**0.5)


def test_start_is_part_of_the_price_and_a_running_machine_has_paid_it() -> None:
    source = sources((EAST,))[0]
    assert source.usd_per_token == pytest.approx(supply.usd_per_token(EAST) / (1 - 300 / 3_600 * 0.25))


def test_egress_is_part_of_the_price_and_orders_places() -> None:
    """The machine in the east is cheaper by $0.04 an hour, which is 1.1e-8 USD a token; its way costs 2e-8."""
    east = replace(EAST, egress_usd_per_token=2e-8)
    assert supply.usd_per_token(east) == pytest.approx(supply.machine_usd_per_token(EAST) + 2e-8)
    started = sources((east,))[0]
    assert started.usd_per_token == pytest.approx(sources((EAST,))[0].usd_per_token + 2e-8)
    assert [one.kind.key[0] for one in sources((east, WEST))] == ["aws/west", "aws/east"]


# The spread of a supply is that of a normal distribution, which is not exact for few places.
APPROXIMATE = 0.02 * ON_DEMAND
prices = st.lists(st.floats(0.1, 0.95), min_size=1, max_size=8)


# Invariant 4 of docs/steering.md
@given(prices, st.floats(1e6, 1e10), st.floats(1.0, 1e5))
def test_price_lies_between_the_cheapest_and_on_demand(
    usd: list[float], tokens: float, seconds: float
) -> None:
    kinds = [kind(n, f"p{n}", one) for n, one in enumerate(usd)]
    price = level(kinds, tokens, seconds)
    cheapest = min(sources(kinds, seconds)[0].usd_per_token, ON_DEMAND)
    assert cheapest * (1 - 1e-9) <= price <= ON_DEMAND * (1 + 1e-9)


# Invariant 4 of docs/steering.md
@given(prices, st.lists(st.floats(1e6, 1e10), min_size=2, max_size=5))
def test_price_does_not_fall_when_tokens_are_added(usd: list[float], tokens: list[float]) -> None:
    kinds = [kind(n, f"p{n}", one) for n, one in enumerate(usd)]
    levels = [level(kinds, one) for one in sorted(tokens)]
    assert all(a <= b * (1 + 1e-9) for a, b in pairwise(levels))


# Invariant 4 of docs/steering.md
@given(prices, st.floats(1e6, 1e10), st.floats(600, 1e5), st.floats(1.01, 10))
def test_price_does_not_rise_when_time_is_added(
    usd: list[float], tokens: float, seconds: float, longer: float
) -> None:
    kinds = [kind(n, f"p{n}", one) for n, one in enumerate(usd)]
    assert level(kinds, tokens, seconds * longer) <= level(kinds, tokens, seconds) * (1 + 1e-6)


@given(prices, st.floats(0.05, 0.95), st.floats(1e6, 1e10))
def test_price_does_not_rise_when_a_place_is_added(usd: list[float], more: float, tokens: float) -> None:
    kinds = [kind(n, f"p{n}", one) for n, one in enumerate(usd)]
    assert level([*kinds, kind(99, "more", more)], tokens) <= level(kinds, tokens) + APPROXIMATE


@given(prices, st.integers(1, 16), st.integers(1, 16), st.floats(1e6, 1e10))
def test_price_does_not_rise_when_capacity_is_added(
    usd: list[float], cap: int, more: int, tokens: float
) -> None:
    few = [kind(n, f"p{n}", one, cap=cap) for n, one in enumerate(usd)]
    many = [kind(n, f"p{n}", one, cap=cap + more) for n, one in enumerate(usd)]
    assert level(many, tokens, machines=32) <= level(few, tokens, machines=32) + APPROXIMATE
