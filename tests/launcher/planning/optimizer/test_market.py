"""The market: candidates as numbers, dominated ones left out, and a lower bound on the cost of each region."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.money import SECONDS_PER_HOUR
from launcher.planning.estimates.estimate import NO_PREEMPTION, Candidate
from launcher.planning.optimizer.market import (
    FleetLimits,
    Market,
    TokenDemand,
    limit_rows,
    market_of,
    region_lower_bounds,
    slow_times,
)
from launcher.planning.optimizer.solver import solve
from launcher.throughput.spread import Spread
from tests.support.candidates import candidate, candidates, sure

WORK = 3.6e6  # tokens that the plain kind does in an hour
few = settings(max_examples=12)
seeds = st.integers(0, 10_000)


def of(found: Sequence[Candidate], tokens: float) -> Market:
    return market_of(found, TokenDemand(tokens, tokens))


def test_candidate_without_a_price_is_not_chosen() -> None:
    assert of([candidate(usd_per_hour=None)], WORK).candidates == ()


def test_dearer_of_two_zones_is_left_out() -> None:
    cheap, dear = candidate(zone="a"), candidate(zone="b", usd_per_hour=Decimal("1.01"))
    assert of([dear, cheap], WORK).candidates == (cheap,)


def test_dearer_size_stays_where_it_does_more() -> None:
    small, large = candidate(), candidate(gpus=4.0, usd_per_hour=Decimal(5), tokens_per_second=sure(4_000))
    assert set(of([small, large], WORK).candidates) == {small, large}


def test_of_single_hosts_a_fleet_takes_one_each_and_then_the_next() -> None:
    """The cheapest host is one machine: the work needs the dearer one of its size, too, and never the first twice."""
    hosts = [
        candidate(cloud="vast", zone=zone, usd_per_hour=Decimal(price), at_most=1)
        for zone, price in (("a", "1"), ("b", "1.5"), ("c", "2"))
    ]
    market = of(hosts, 2 * WORK)
    assert len(market.candidates) == 3
    rows = limit_rows(market, FleetLimits())
    assert rows.row.tolist() == rows.column.tolist() == [0, 1, 2]  # a row for each host
    assert (rows.most.tolist(), rows.soft.tolist()) == ([1.0] * 3, [False] * 3)
    solution = solve(market, 1.6, FleetLimits())
    assert solution is not None
    assert {a.candidate.zone: a.machines for a in solution.allocations} == {"a": 1, "b": 1}


def test_egress_is_part_of_the_price() -> None:
    near, far = candidate(region="b"), candidate(egress_usd_per_token=Decimal("1e-7"))
    found = of([near, far], WORK).work_usd
    assert found[1] - found[0] == pytest.approx(0.36)


def test_no_work_is_refused() -> None:
    with pytest.raises(ValueError, match="no work"):
        of([candidate()], 0)


@few
@given(seeds)
def test_leaving_out_the_dominated_never_makes_the_choice_dearer(seed: int) -> None:
    everything = candidates(seed, 60, regions=1)
    table = of(everything, 1e10)
    whole = min(float(of([one], 1e10).work_usd[0]) for one in everything)
    assert float(table.work_usd.min()) == pytest.approx(whole)


@few
@given(seeds, st.floats(9, 11), st.floats(0.5, 50))
def test_no_region_costs_less_than_its_lower_bound(seed: int, size: float, hours: float) -> None:
    table, limits = of(candidates(seed, 24), 10**size), FleetLimits(per_group=8)
    lowest = {region: usd for usd, region in region_lower_bounds(table, hours, limits)}
    for cloud, region in {(one.cloud, one.region) for one in table.candidates}:
        place = (cloud, region)
        part = table.where(lambda one, place=place: (one.cloud, one.region) == place)
        found = solve(part, hours, limits)
        if found is not None:
            assert lowest[place] <= found.usd * (1 + 1e-9)


@few
@given(seeds, st.floats(9, 11), st.floats(0.1, 50), st.integers(1, 500), st.sampled_from((0.0, 300.0)))
def test_one_machine_has_the_times_of_its_market(
    seed: int, size: float, hours: float, machines: int, launch: float
) -> None:
    """To the last bit: a fleet of one type has as many machines as the solver would give it."""
    one = replace(candidates(seed, 1)[0], launch=sure(launch))
    table, times = of([one], 10**size), slow_times(one, 10**size)
    assert times.capacity(hours, machines) == table.queued(machines).capacity(hours)[0]
    assert times.most_in_time(hours) == table.most_in_time(hours)


def test_hazard_makes_spot_dearer_and_slower() -> None:
    calm, rough = (
        candidate(spot=True, hazard=NO_PREEMPTION),
        candidate(spot=True, hazard=Spread(0.1, 0.4, 1.4)),
    )
    quiet, wild = of([calm], WORK), of([rough], WORK)
    assert wild.work_usd[0] == pytest.approx(quiet.work_usd[0] * (1 + 0.4 * 330 / SECONDS_PER_HOUR))
    assert wild.slow_hours[0] == pytest.approx(quiet.slow_hours[0] * (1 + 1.4 * 330 / SECONDS_PER_HOUR))
