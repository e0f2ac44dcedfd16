"""The decision: the fleet that is chosen, what binds, the alternatives and the frontier; one type alone."""

from decimal import Decimal
from typing import Any

import pytest

from launcher.planning.estimates.estimate import Allocation, Candidate, RunCharges, known_total
from launcher.planning.optimizer.decide import decide, single_type_fleet
from launcher.planning.optimizer.market import vcpu_group
from launcher.planning.optimizer.search import estimate_fleet, rank_usd
from launcher.throughput.spread import Spread
from tests.launcher.planning.optimizer.decisions import (
    CHARGES,
    TAIL,
    TOKENS,
    UNSURE,
    WORK,
    named,
    refusal,
    requirements,
)
from tests.support.candidates import candidate, candidates, free, groups, sure

# --- the published case


def showcase(usd_per_hour: str, *, spot: bool = False) -> Candidate:
    """The L4 of the published run: 897 tokens/s, with the cold start of GCP for a model of 7.6 billion parameters."""
    rough = Spread(0.01, 0.37, 1.39) if spot else sure(0)
    return candidate(
        spot=spot,
        usd_per_hour=Decimal(usd_per_hour),
        tokens_per_second=sure(897),
        cold_start=sure(338),
        hazard=rough,
    )


def test_published_run_on_demand() -> None:
    found = decide(
        [showcase("0.755")], requirements(TOKENS, 2.5, machines=406, charges=RunCharges(None, None))
    ).chosen
    assert float(found.items["compute"] or 0) == pytest.approx(703.5, rel=0.001)
    assert found.usd is not None
    assert float(found.usd.p50) == pytest.approx(710, rel=0.05)
    assert 2.3 <= found.hours.mid <= 2.5
    assert found.machines <= 406


def test_published_run_on_spot_states_its_starts_and_preemptions() -> None:
    found = decide(
        [showcase("0.297", spot=True)], requirements(TOKENS, 3.2, machines=406, charges=CHARGES)
    ).chosen
    assert float(found.items["compute"] or 0) == pytest.approx(276.7, rel=0.001)
    assert float(found.items["cold_start"] or 0) == pytest.approx(
        found.machines * 338 / 3_600 * 0.297, rel=1e-6
    )
    assert float(found.items["preemption"] or 0) == pytest.approx(
        276.7 * 0.37 * (338 + 30) / 3_600, rel=0.001
    )


# --- what is chosen


def test_cheapest_fleet_that_is_in_time_at_p90_is_chosen() -> None:
    slow, fast = (
        candidate(tokens_per_second=UNSURE),
        candidate(gpu="H100", tokens_per_second=sure(4_000), usd_per_hour=Decimal(8)),
    )
    chosen = decide([slow, fast], requirements(10 * WORK, 4, machines=1)).chosen
    assert chosen.main_candidate is fast
    assert decide([slow, fast], requirements(10 * WORK, 30, machines=1)).chosen.main_candidate is slow


def test_items_add_up_to_the_dollars() -> None:
    chosen = decide(candidates(3, 40), requirements(1e10, 5, charges=RunCharges(None, Decimal("0.2")))).chosen
    assert chosen.usd is not None
    assert known_total(chosen.items) == chosen.usd.p50
    assert chosen.items["storage"] is None


def test_controller_makes_a_slow_fleet_dear() -> None:
    one = candidate()
    assert decide([one], requirements(50 * WORK)).chosen.machines == 1
    paid = requirements(50 * WORK, charges=RunCharges(Decimal(0), Decimal("0.50")))
    assert decide([one], paid).chosen.machines > 3  # $25 for 50 hours, or nine cents for each start


def test_candidate_without_a_price_is_not_chosen() -> None:
    problem = refusal([candidate(usd_per_hour=None)], requirements(WORK))
    assert str(problem) == "no machine fits the limits of the job and has a known price and speed"
    assert problem.hint == "loosen limits.gpus, clouds, regions or spot in the job file"


def test_fleet_keeps_to_what_is_known_to_be_obtainable_when_it_can() -> None:
    pair = [free(region="a"), free(region="b", usd_per_hour=Decimal(2))]
    found = decide(pair, requirements(20 * WORK, 1.1, obtainable=groups(pair, 12)))
    assert {s.candidate.region: s.machines for s in found.chosen.allocations}["a"] == 12
    assert any("known to be obtainable" in one and "without it" in one for one in found.binding)


def test_fleet_beyond_what_is_known_to_be_obtainable_says_so() -> None:
    one = free()
    found = decide([one], requirements(20 * WORK, 1.1, obtainable=groups([one], 12)))
    assert found.chosen.machines > 12
    assert any("GPUs more than are known to be obtainable" in why for why in found.binding)


def test_evidence_of_single_gpus_is_no_evidence_for_machines_of_eight() -> None:
    """16 GPUs of a region are two machines of eight; the third is taken at the next quote."""
    eight = {"gpu": "H200", "gpus": 8.0, "tokens_per_second": sure(8_000)}
    quotes = [free(region=f"r{n}", usd_per_hour=Decimal(8 + n), **eight) for n in range(4)]
    found = decide(quotes, requirements(6 * 8 * WORK, 1.1, obtainable=groups(quotes, 16)))
    taken = {s.candidate.region: s.machines for s in found.chosen.allocations}
    assert taken == {"r0": 2, "r1": 2, "r2": 2}


def test_one_machine_type_alone_takes_the_next_quotes() -> None:
    """Ten machines are needed; each region is counted on for four."""
    quotes = [free(region=f"r{n}", usd_per_hour=Decimal(1 + n)) for n in range(3)]
    found = single_type_fleet(quotes, requirements(10 * WORK, 1 + 60 / 3_600, obtainable=groups(quotes, 4)))
    assert found is not None
    assert [(a.candidate.region, a.machines) for a in found.allocations] == [("r0", 4), ("r1", 4), ("r2", 2)]
    assert float(found.items["compute"] or 0) == pytest.approx(4 * 1 + 4 * 2 + 2 * 3)


def test_one_machine_type_alone_is_where_start_and_egress_cost_least_together() -> None:
    near = candidate(region="near")
    far = candidate(
        region="far", usd_per_hour=Decimal("0.5"), egress_usd_per_token=Decimal("0.52") / Decimal(WORK)
    )
    small, large = (single_type_fleet([near, far], requirements(n * WORK)) for n in (1, 100))
    assert small is not None
    assert large is not None
    assert small.main_candidate == far  # the start at half the price outweighs the egress
    assert large.main_candidate == near


def test_machines_per_region_of_the_user_are_a_hard_limit() -> None:
    pair = [free(region="a"), free(region="b", usd_per_hour=Decimal(2))]
    found = decide(pair, requirements(20 * WORK, 2.1, machines_per_region=6))
    assert max(s.machines for s in found.chosen.allocations) <= 6
    assert "limits.machines_per_region 6" in str(found.binding)


def test_machines_of_a_region_count_whatever_the_purchase_kind() -> None:
    pair = [free(), free(spot=True, usd_per_hour=Decimal("1.01"))]
    assert "machines a region" in str(
        refusal(pair, requirements(20 * WORK, 6, machines_per_region=2))
    )  # four are needed


def test_machine_never_works_longer_than_the_run() -> None:
    """One speed is certain and one is not: at the median the uncertain candidate takes work of the certain one."""
    steady = free(usd_per_hour=Decimal("0.9"))
    unsure = free(gpu="H100", tokens_per_second=Spread(5_000, 10_000, 20_000), usd_per_hour=Decimal(18))
    chosen = decide(
        [steady, unsure], requirements(1_000 * WORK, 20, obtainable={steady.group: 40}, machines=50)
    ).chosen
    assert len(chosen.allocations) == 2
    for allocation in chosen.allocations:
        worked = allocation.tokens / allocation.candidate.tokens_per_second.mid / 3_600 / allocation.machines
        assert worked <= chosen.hours.mid * 1.01


# --- what binds


def test_deadline_that_costs_something_binds() -> None:
    pair = [free(), free(gpu="H100", tokens_per_second=sure(10_000), usd_per_hour=Decimal(20))]
    found = decide(pair, requirements(100 * WORK, 5, machines=10))
    assert found.binding[0].startswith("limits.deadline 5 h: four times as long, $")


def test_too_few_machines_bind() -> None:
    pair = [free(), free(gpu="H100", tokens_per_second=sure(10_000), usd_per_hour=Decimal(20))]
    assert "limits.machines 10: without it $" in str(
        decide(pair, requirements(100 * WORK, 5, machines=10)).binding
    )


def test_quota_that_keeps_a_cheaper_fleet_out_binds() -> None:
    pair = [free(), free(region="b", usd_per_hour=Decimal(2))]
    found = decide(pair, requirements(20 * WORK, 2.1, quota={pair[0].group: 3}))
    assert "quota: without it $" in str(found.binding)
    assert sum(s.machines for s in found.chosen.allocations if s.candidate is pair[0]) <= 3


def test_without_limits_nothing_binds() -> None:
    assert decide([free()], requirements(20 * WORK)).binding == ()


# --- alternatives and the frontier


def test_each_gpu_and_purchase_kind_and_the_best_region_are_alternatives() -> None:
    found = candidates(5, 60)
    names = named(decide(found, requirements(1e10, 50, charges=CHARGES)))
    assert {"only on demand", "only spot"} < names.keys()
    assert {f"only {one.gpu}" for one in found} < names.keys()
    assert [name for name in names if name.startswith(("only aws ", "only azure ", "only gcp "))]


def test_alternatives_are_what_they_say() -> None:
    names = named(decide(candidates(5, 60), requirements(1e10, 50, charges=CHARGES)))
    assert {s.candidate.gpu for s in names["only L4"].estimate.allocations} == {"L4"}
    assert {s.candidate.spot for s in names["only on demand"].estimate.allocations} == {False}
    assert {s.candidate.spot for s in names["only spot"].estimate.allocations} == {True}


def test_alternative_has_its_extra_cost() -> None:
    found = decide([free(), free(gpu="T4", usd_per_hour=Decimal("1.5"))], requirements(10 * WORK, 24))
    assert float(named(found)["only T4"].more or 0) == pytest.approx(5, rel=0.02)
    assert named(found)["only L4"].more == 0


def test_without_a_deadline_the_chosen_gpu_alone_costs_nothing_more() -> None:
    pair = [
        candidate(tokens_per_second=UNSURE),
        candidate(gpu="T4", tokens_per_second=UNSURE, usd_per_hour=Decimal(2)),
    ]
    found = decide(pair, requirements(WORK, charges=CHARGES))
    assert named(found)["only L4"].more == 0
    assert (named(found)["only T4"].more or 0) > 0


def test_no_alternative_is_cheaper_by_exceeding_what_is_known_to_be_obtainable() -> None:
    found = candidates(117, 30)
    made = decide(found, requirements(1e9, charges=CHARGES, obtainable=groups(found, 16)))
    assert max(allocation.machines for allocation in made.chosen.allocations) <= 16
    assert all(one.more is not None and one.more >= 0 for one in made.alternatives)


def test_large_market_has_a_frontier_of_at_least_eight_points() -> None:
    assert len(decide(candidates(1, 300), requirements(3e9, 6, charges=CHARGES)).frontier) >= 8


# --- one candidate alone


def test_single_type_fleet_has_the_machines_that_the_deadline_needs_at_the_slow_end() -> None:
    found = single_type_fleet([free(tokens_per_second=UNSURE)], requirements(10 * WORK, 2 + 60 / 3_600))
    assert found is not None
    assert found.machines == 10


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"machines_per_region": 3}, {"a": 3, "b": 3}),
        ({"machines": 4}, {"a": 4}),
        ({"quota": {free(region="a").group: 2, free(region="b").group: 5}}, {"a": 2, "b": 5}),
        ({"quota": {free(region="a").group: 0, free(region="b").group: 2}}, {"b": 2}),
    ],
)  # fmt: skip
def test_single_type_fleet_has_no_more_machines_than_the_job_allows(
    limits: dict[str, Any], expected: dict[str, int]
) -> None:
    """Ten are needed in time; with fewer it takes longer, and its hours say so."""
    quotes = [free(region="a"), free(region="b", usd_per_hour=Decimal(2))]
    found = single_type_fleet(quotes, requirements(10 * WORK, 1 + TAIL, **limits))
    assert found is not None
    assert {one.candidate.region: one.machines for one in found.allocations} == expected
    assert found.hours.mid == pytest.approx(10 / sum(expected.values()) + 30 / 3_600)


def test_single_type_fleet_keeps_a_quota_in_vcpus() -> None:
    quotes = [
        free(cloud="aws", region=region, instance_type="g6.xlarge", vcpus=4, spot=True)
        for region in ("a", "b")
    ]
    group = vcpu_group(quotes[0])
    assert group is not None
    vcpus = {group: 11, (group[0], "b", *group[2:]): 4}
    found = single_type_fleet(quotes, requirements(10 * WORK, 1 + TAIL, vcpus=vcpus))
    assert found is not None
    assert [one.machines for one in found.allocations] == [2, 1]


def test_type_that_the_quota_leaves_nothing_of_makes_no_fleet() -> None:
    assert single_type_fleet([free()], requirements(WORK, 2, quota={free().group: 0})) is None


def test_single_type_fleet_is_one_machine_without_a_deadline() -> None:
    found = single_type_fleet([candidate()], requirements(10 * WORK))
    assert found is not None
    assert found.machines == 1


def test_candidate_that_starts_too_late_makes_no_fleet() -> None:
    assert single_type_fleet([candidate()], requirements(WORK, 300 / 3_600)) is None


def test_dollars_per_million_are_of_the_tokens() -> None:
    found = estimate_fleet([Allocation(free(cloud="local"), 1, 36e6)], requirements(36e6))
    assert float(found.usd_per_million_tokens or 0) == pytest.approx(10 / 36)


# --- fewer machines for nearly the same price


def test_fewer_machines_are_taken_where_hours_of_the_run_cost_something() -> None:
    """Ten hours of work, starts of ten minutes, and a dear controller: n machines cost 10 + n / 6 + 10 / n."""
    charges = RunCharges(Decimal(0), Decimal(1))
    machine = candidate(cold_start=sure(600), region="a")
    wanted = requirements(10 * WORK, 40, charges=charges, obtainable={machine.group: 16})
    found = decide([machine], wanted)
    prices = {n: rank_usd(estimate_fleet([Allocation(machine, n, 10 * WORK)], wanted)) for n in range(1, 17)}
    near = min(n for n, price in prices.items() if price <= min(prices.values()) * Decimal("1.02"))
    assert near < min(prices, key=lambda n: prices[n])
    assert found.chosen.machines == near
