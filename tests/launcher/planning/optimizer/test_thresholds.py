"""The nearest values that can be kept: hours, dollars, machines and quotas."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.planning.optimizer.market import FleetLimits
from launcher.planning.optimizer.solver import solve
from launcher.planning.optimizer.thresholds import (
    least_hours,
    least_machines,
    least_slow_cost,
    quota_factor,
)
from tests.launcher.planning.optimizer.markets import TAIL, WORK, few, of, seeds, slow_usd
from tests.support.candidates import candidate, candidates, free


@few
@given(seeds, st.floats(8, 11.5), st.sampled_from([(None, 16), (5, None), (40, 4), (1, 1)]))
def test_least_hours_can_be_made_and_less_cannot(
    seed: int, size: float, most: tuple[int | None, int | None]
) -> None:
    table, limits = of(candidates(seed, 18), 10**size), FleetLimits(machines=most[0], per_group=most[1])
    hours = least_hours(table, limits)
    assert hours is not None
    assert solve(table, hours, limits) is not None
    assert solve(table, hours * 0.93, limits) is None


def test_quota_of_zero_has_no_least_hours() -> None:
    assert least_hours(of([candidate()], WORK), FleetLimits(quota={candidate().group: 0})) is None


def test_least_hours_by_hand() -> None:
    hours = least_hours(of([candidate()], 10 * WORK), FleetLimits(machines=4))
    assert hours == pytest.approx(2.5 + 300 / 3_600 + TAIL, rel=0.02)


@few
@given(seeds, st.floats(8, 11), st.floats(0.5, 50))
def test_least_slow_cost_is_enough_and_less_is_not(seed: int, size: float, hours: float) -> None:
    table, limits = of(candidates(seed, 25), 10**size), FleetLimits(per_group=16)
    found = least_slow_cost(table, hours, limits)
    if found is None:
        assert solve(table, hours, limits) is None
        return
    assert found.slow_usd == pytest.approx(slow_usd(table, found))
    assert solve(table, hours, replace(limits, usd=found.slow_usd * 1.0001)) is not None
    assert solve(table, hours, replace(limits, usd=found.slow_usd * 0.99)) is None


@few
@given(seeds, st.floats(8, 11), st.floats(0.5, 20))
def test_fewest_machines_do_and_one_less_does_not(seed: int, size: float, hours: float) -> None:
    table, limits = of(candidates(seed, 25), 10**size), FleetLimits(per_group=16)
    number = least_machines(table, hours, limits)
    if number is None:
        assert solve(table, hours, limits) is None
        return
    assert solve(table, hours, FleetLimits(machines=number, per_group=16)) is not None
    if number > 1:
        assert solve(table, hours, FleetLimits(machines=number - 1, per_group=16)) is None


def test_quota_that_makes_the_deadline_by_hand() -> None:
    limits = FleetLimits(quota={free().group: 4})
    times = quota_factor(of([free()], 10 * WORK), 1 + TAIL, limits)
    assert times == pytest.approx(2.5, rel=0.02)


def test_no_quota_makes_a_deadline_before_the_first_token() -> None:
    assert (
        quota_factor(of([candidate()], WORK), 300 / 3_600, FleetLimits(quota={candidate().group: 4})) is None
    )


@few
@given(seeds, st.floats(9, 11), st.floats(0.4, 5))
def test_quota_factor_is_enough_and_less_is_not(seed: int, size: float, hours: float) -> None:
    found = candidates(seed, 12)
    table, limits = of(found, 10**size), FleetLimits(quota={one.group: 8 for one in found})
    times = quota_factor(table, hours, limits)
    if times is None or solve(table, hours, limits) is not None:
        return

    def quota(allocation: float) -> FleetLimits:
        return FleetLimits(quota={one.group: int(8 * times * allocation) for one in found})

    assert solve(table, hours, quota(1.0)) is not None
    assert solve(table, hours, quota(0.95)) is None
