"""The solver: the fleet that it chooses in markets that can be solved by hand."""

from dataclasses import replace
from decimal import Decimal

import pytest

from launcher.planning.optimizer.market import FleetLimits
from launcher.planning.optimizer.solver import GAP, solve
from launcher.throughput.spread import Spread
from tests.launcher.planning.optimizer.markets import TAIL, WORK, machines, of
from tests.support.candidates import candidate, free, sure


def test_cheapest_does_it_all_where_it_may() -> None:
    found = solve(
        of([candidate(), candidate(gpu="T4", usd_per_hour=Decimal("0.9"))], WORK), None, FleetLimits()
    )
    assert machines(found) == {"1 x T4 on gcp us-central1, on-demand": 1}


def test_dollars_for_the_work_are_ranked_and_not_dollars_an_hour() -> None:
    fast = candidate(gpu="H100", usd_per_hour=Decimal(4), tokens_per_second=sure(5_000))
    found = solve(of([candidate(), fast], 100 * WORK), None, FleetLimits())
    assert machines(found) == {"1 x H100 on gcp us-central1, on-demand": 1}


def test_start_counts_where_there_is_little_work() -> None:
    slow = candidate(cloud="aws", usd_per_hour=Decimal("0.8"), cold_start=sure(1_200))
    assert "aws" in str(machines(solve(of([candidate(), slow], 10 * WORK), None, FleetLimits())))
    assert "gcp" in str(machines(solve(of([candidate(), slow], WORK / 10), None, FleetLimits())))


def test_there_are_as_many_machines_as_the_deadline_needs_at_the_slow_end() -> None:
    unsure = free(tokens_per_second=Spread(500, 1_000, 2_000))
    assert machines(solve(of([unsure], 10 * WORK), 2 + TAIL, FleetLimits())) == {unsure.name: 10}
    assert machines(solve(of([unsure], 10 * WORK), 1.99 + TAIL, FleetLimits())) == {unsure.name: 11}


def test_upper_end_of_the_tokens_is_planned_for() -> None:
    assert machines(solve(of([free()], 10 * WORK, 15 * WORK), 1 + TAIL, FleetLimits())) == {free().name: 15}


def test_start_takes_from_the_deadline() -> None:
    found = solve(of([candidate(cold_start=sure(1_800))], 4 * WORK), 1 + TAIL, FleetLimits())
    assert machines(found) == {candidate().name: 8}


def test_deadline_before_the_first_token_is_never_made() -> None:
    assert solve(of([candidate()], WORK), 300 / 3_600, FleetLimits()) is None


def test_dearer_kind_does_only_what_the_cheaper_cannot() -> None:
    cheap, dear = free(region="a"), free(region="b", usd_per_hour=Decimal(2))
    found = solve(of([dear, cheap], 5 * WORK), 1 + TAIL, FleetLimits(per_group=3))
    assert machines(found) == {cheap.name: 3, dear.name: 2}


def test_machine_that_would_take_dear_work_from_cheap_ones_is_not_taken() -> None:
    """A large machine takes most of the shards from a cheap one, so a small one that is dearer costs less beside it.

    With the large one 10.7 x $0.18 + 89.3 x $0.34 = $32.3, where work given to the cheapest first would be $22.5; with
    the small one 71.3 x $0.18 + 28.7 x $0.57 = $29.2.
    """
    cheap = free(region="a", tokens_per_second=sure(720), usd_per_hour=Decimal("0.1296"))
    large = free(region="b", tokens_per_second=sure(6_000), usd_per_hour=Decimal("2.04"))
    small = free(region="c", tokens_per_second=sure(290), usd_per_hour=Decimal("0.1653"))
    table = of([cheap, large, small], 100 * WORK)
    found = solve(table, 100 + TAIL, FleetLimits(per_group=1))
    assert machines(found) == {cheap.name: 1, small.name: 1}


def test_fleet_is_counted_as_its_machines_share_the_work() -> None:
    one, two = free(region="a"), free(region="b", usd_per_hour=Decimal(2), tokens_per_second=sure(500))
    found = solve(of([two, one], 4.2 * WORK), 1 + TAIL, FleetLimits(quota={one.group: 4, two.group: 1}))
    assert found is not None
    shares = {allocation.candidate.region: allocation.tokens / WORK for allocation in found.allocations}
    assert shares == pytest.approx({"a": 4.2 * 4 / 4.5, "b": 4.2 * 0.5 / 4.5})
    ends = (4 * 1 + 1 * 2) * 90 / 3_600
    assert found.usd == pytest.approx(shares["a"] * 1 + shares["b"] * 4 + ends)


def test_spot_and_on_demand_are_mixed_where_spot_runs_out() -> None:
    spot, sure_ = free(spot=True, usd_per_hour=Decimal("0.3")), free()
    found = solve(of([spot, sure_], 10 * WORK), 1 + TAIL, FleetLimits(obtainable={spot.group: 6}))
    assert machines(found) == {spot.name: 6, sure_.name: 4}


def test_known_obtainable_machines_are_exceeded_only_for_the_deadline() -> None:
    cheap, dear = free(region="a"), free(region="b", usd_per_hour=Decimal(10))
    limits = FleetLimits(obtainable={cheap.group: 6, dear.group: 6})
    table = of([cheap, dear], 10 * WORK)
    assert machines(solve(table, 1 + TAIL, limits)) == {cheap.name: 6, dear.name: 4}
    assert machines(solve(table, 0.5 + TAIL, limits)) == {cheap.name: 14, dear.name: 6}
    assert solve(table, 0.5 + TAIL, replace(limits, firm=True)) is None


def test_penalty_is_not_part_of_the_cost() -> None:
    found = solve(
        of([free(cloud="aws")], 10 * WORK), 1 + TAIL, FleetLimits(obtainable={free(cloud="aws").group: 6})
    )
    assert found is not None
    assert found.usd == pytest.approx(10 + 10 * (30 + 60) / 3_600)
    assert 0 <= found.gap <= GAP


def test_machines_of_a_region_are_counted_together() -> None:
    spot, sure_ = free(spot=True), free()
    table = of([spot, sure_], 4 * WORK)
    assert solve(table, 1 + TAIL, FleetLimits(per_region=4)) is not None
    assert solve(table, 1 + TAIL, FleetLimits(per_region=3)) is None


def test_quota_counts_gpus_and_not_machines() -> None:
    eight = free(gpus=8.0, tokens_per_second=sure(8_000), usd_per_hour=Decimal(8))
    other = free(region="b", usd_per_hour=Decimal(3))
    quota = {eight.group: 20}  # two machines, and half a third
    assert machines(solve(of([eight, other], 18 * WORK), 1 + TAIL, FleetLimits(quota=quota))) == {
        eight.name: 2,
        other.name: 2,
    }


def test_slice_of_a_gpu_takes_a_slice_of_the_quota() -> None:
    half = free(gpus=0.5)
    assert solve(of([half], 4 * WORK), 1 + TAIL, FleetLimits(quota={half.group: 2})) is not None
    assert solve(of([half], 5 * WORK), 1 + TAIL, FleetLimits(quota={half.group: 2})) is None


def test_quota_of_zero_leaves_nothing() -> None:
    assert solve(of([free()], WORK), None, FleetLimits(quota={free().group: 0})) is None


def test_few_machines_means_large_ones() -> None:
    large = free(gpus=8.0, tokens_per_second=sure(8_000), usd_per_hour=Decimal(12))
    found = solve(of([free(), large], 16 * WORK), 1 + TAIL, FleetLimits(machines=2))
    assert machines(found) == {large.name: 2}


def test_budget_too_small_for_the_slow_end_leaves_nothing() -> None:
    unsure = free(cloud="local", tokens_per_second=Spread(500, 1_000, 2_000))
    assert solve(of([unsure], 10 * WORK), None, FleetLimits(usd=20.0)) is not None
    assert solve(of([unsure], 10 * WORK), None, FleetLimits(usd=19.9)) is None


def test_there_is_one_of_this_machine() -> None:
    assert solve(of([free(cloud="local")], 2 * WORK), 1, FleetLimits()) is None


def test_allocations_are_sorted_by_tokens_and_add_up_to_the_work() -> None:
    one, two = free(region="a"), free(region="b", usd_per_hour=Decimal(2))
    found = solve(of([two, one], 5 * WORK), 1 + TAIL, FleetLimits(per_group=3))
    assert found is not None
    assert [allocation.candidate.region for allocation in found.allocations] == ["a", "b"]
    assert sum(allocation.tokens for allocation in found.allocations) == pytest.approx(5 * WORK)


def test_fleet_of_hundreds_of_candidates_is_found() -> None:
    found = [free(region=f"r{n}") for n in range(500)]
    assert solve(of(found, 450 * WORK), 1 + TAIL, FleetLimits(per_group=1)) is not None
