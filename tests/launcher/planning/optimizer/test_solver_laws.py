"""Laws of the solver: never dearer than enumeration, never beyond a limit, never below its own bound."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.planning.optimizer.market import FleetLimits
from launcher.planning.optimizer.solver import GAP, solve
from tests.launcher.planning.optimizer.markets import (
    ACTIVE,
    MOST,
    TAIL,
    WORK,
    allowed,
    few,
    least,
    machines,
    of,
    seeds,
    slow_usd,
)
from tests.support.candidates import candidate, candidates


@settings(max_examples=40)
@given(seeds, ACTIVE, st.floats(8, 10.5), st.floats(0.3, 20), st.none() | st.integers(1, 2), st.booleans())
def test_tiny_market_is_solved_as_well_as_by_enumeration(
    seed: int, count: int, size: float, hours: float, most: int | None, scarce: bool
) -> None:
    found = candidates(seed, min(count, 5), regions=2)
    quota = {found[0].group: 3} if scarce else {}
    table, limits = of(found, 10**size), FleetLimits(machines=MOST, per_group=most, quota=quota)
    best, chosen = least(table, hours, limits), solve(table, hours, limits)
    assert (best is None) == (chosen is None)
    if best is not None and chosen is not None:
        assert best * (1 - 1e-6) <= chosen.usd <= best * (1 + GAP)


@few
@given(
    seeds,
    ACTIVE.map(lambda n: 40 * n),
    st.floats(9, 12),
    st.floats(0.4, 200),
    st.sampled_from([4, 16, None]),
)
def test_no_fleet_of_a_large_market_is_below_the_bound(
    seed: int, count: int, size: float, hours: float, most: int | None
) -> None:
    found = solve(of(candidates(seed, count), 10**size), hours, FleetLimits(per_group=most))
    if found is not None:
        assert 0 < found.bound <= found.usd
        assert 0 <= found.gap < 1


@few
@given(seeds, st.floats(11.5, 13), st.sampled_from([16, 64, None]))
def test_choice_of_a_large_fleet_is_shown_to_be_within_half_a_per_cent(
    seed: int, size: float, most: int | None
) -> None:
    found = solve(of(candidates(seed, 300), 10**size), 48, FleetLimits(per_group=most))
    if found is not None:
        assert found.gap <= GAP


def test_optimal_choice_has_no_gap() -> None:
    only = of([candidate()], 1.5 * WORK)  # two machines, there is nothing else
    found = solve(only, 1 + 300 / 3_600 + TAIL, FleetLimits())
    assert machines(found) == {candidate().name: 2}
    assert found is not None
    assert found.gap <= GAP  # 0.027


@few
@given(
    seeds,
    st.floats(8, 11),
    st.none() | st.floats(0.4, 50),
    st.integers(1, 60),
    st.integers(1, 9),
    st.floats(0, 4),
)
def test_every_limit_holds(
    seed: int, size: float, hours: float | None, most: int, each: int, sum_of_money: float
) -> None:
    found = candidates(seed, 40)
    quota, usd = {one.group: 5 for one in found[:10]}, 10**sum_of_money
    table = of(found, 10**size, 1.1 * 10**size)
    chosen = solve(table, hours, FleetLimits(machines=most, per_group=each, quota=quota, usd=usd))
    if chosen is None:
        return
    assert sum(allocation.machines for allocation in chosen.allocations) <= most
    counts = [sum(s.machines for s in chosen.allocations if s.candidate == one) for one in table.candidates]
    assert allowed(table, counts, FleetLimits(per_group=each, quota=quota))
    assert slow_usd(table, chosen) <= usd * (1 + 1e-6)
    for allocation in chosen.allocations if hours else ():
        one = of([allocation.candidate], 1.0)
        able = float(one.capacity(hours)[0]) * allocation.machines
        assert allocation.tokens * 1.1 <= able * (1 + 1e-6)


@few
@given(
    seeds,
    st.floats(9, 11.5),
    st.floats(0.4, 50),
    st.sampled_from(["kinds", "hours", "machines", "each", "usd", "quota"]),
)
def test_choice_never_costs_more_when_a_limit_is_loosened_or_an_offer_added(
    seed: int, size: float, hours: float, what: str
) -> None:
    found = candidates(seed, 40)
    quota, usd = {one.group: 4 for one in found[:10]}, 2e-8 * 10**size
    tight = solve(
        of(found[:30], 10**size), hours, FleetLimits(machines=40, per_group=8, quota=quota, usd=usd)
    )
    if tight is None:
        return
    loose = solve(
        of(found if what == "kinds" else found[:30], 10**size),
        hours * 1.7 if what == "hours" else hours,
        FleetLimits(
            machines=None if what == "machines" else 40,
            per_group=16 if what == "each" else 8,
            quota={} if what == "quota" else quota,
            usd=usd * 3 if what == "usd" else usd,
        ),
    )
    assert loose is not None
    assert loose.usd <= tight.usd * (1 + GAP)


@few
@given(seeds, st.floats(8, 12), st.none() | st.floats(0.4, 50))
def test_equal_markets_give_equal_choices_in_whatever_order_they_come(
    seed: int, size: float, hours: float | None
) -> None:
    found = candidates(seed, 50)
    limits = FleetLimits(per_group=16)
    there, back = (solve(of(list(k), 10**size), hours, limits) for k in (found, reversed(found)))
    assert there == solve(of(found, 10**size), hours, limits)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert there.usd == pytest.approx(back.usd, rel=GAP)
