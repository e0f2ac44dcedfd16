"""Estimates: hours and dollars by arithmetic that a person can do again."""

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.money import decimal_of_float
from launcher.planning.estimates.estimate import (
    ITEMS,
    NO_CHARGES,
    Allocation,
    Candidate,
    Estimate,
    RunCharges,
    as_launched,
    idle_hours,
    itemize,
    known_total,
    per_million,
    preemption_overhead,
    wall_hours,
)
from launcher.planning.estimates.launching import LAUNCHES_AT_ONCE, NEXT_LAUNCH_SECONDS, TEARDOWN_SECONDS
from launcher.throughput.spread import Spread
from tests.support.candidates import candidate, candidates, free, sure

HOUR = 3.6e6  # tokens that the plain kind does in an hour


def items(*allocations: Allocation, rest: RunCharges = NO_CHARGES) -> Mapping[str, Decimal | None]:
    return itemize(allocations, rest)


# --- hours


def test_one_machine_at_1000_tokens_a_second_does_3600000_in_an_hour_and_half_a_shard() -> None:
    assert wall_hours([Allocation(free(), 1, HOUR)]) == pytest.approx(1 + 30 / 3_600)


def test_billion_items_of_102_tokens_at_2000_a_second_take_590_days() -> None:
    machine = free(cloud="local", tokens_per_second=sure(2_000))  # it has no idle tail
    days = wall_hours([Allocation(machine, 1, 1e9 * 102)]) / 24
    assert days == pytest.approx(590.28, abs=0.01)  # 51,000,000 s, and not 5.8 days


def test_two_machines_take_half_the_time() -> None:
    machine = free(cloud="local")
    assert wall_hours([Allocation(machine, 2, HOUR)]) == wall_hours([Allocation(machine, 1, HOUR)]) / 2


def test_start_is_part_of_the_time() -> None:
    machine = candidate(cloud="local", cold_start=sure(360))
    assert wall_hours([Allocation(machine, 3, 3 * HOUR)]) == pytest.approx(1.1)


def test_fleet_is_done_when_its_last_allocation_is() -> None:
    slow, fast = free(cloud="local"), free(cloud="local", tokens_per_second=sure(3_000))
    assert wall_hours([Allocation(slow, 1, HOUR), Allocation(fast, 1, 3 * HOUR)]) == 1.0
    assert wall_hours([Allocation(slow, 1, HOUR), Allocation(fast, 2, 12 * HOUR)]) == 2.0


def test_preemption_costs_a_cold_start_and_half_a_shard() -> None:
    assert preemption_overhead(0.5, 300) == pytest.approx(0.5 * (300 + 30) / 3_600)
    often = candidate(cloud="local", hazard=sure(0.5))
    never = candidate(cloud="local")
    work = wall_hours([Allocation(never, 1, HOUR)]) - 300 / 3_600
    assert wall_hours([Allocation(often, 1, HOUR)]) == pytest.approx(
        work * (1 + preemption_overhead(0.5, 300)) + 300 / 3_600
    )


def test_without_preemptions_nothing_is_lost() -> None:
    assert preemption_overhead(0.0, 300) == 0


def test_waiting_for_the_controller_and_for_capacity_is_time_and_not_paid() -> None:
    machine = candidate(ahead=sure(720))
    assert wall_hours([Allocation(machine, 2, HOUR)]) == pytest.approx(0.5 + (720 + 300 + 30) / 3_600)
    assert total(Allocation(machine, 2, HOUR)) == total(Allocation(candidate(), 2, HOUR))


def test_machines_wait_for_their_launches_wave_by_wave() -> None:
    """Twenty machines, eight at a time: 8 wait for nobody, 8 for one wave, 4 for two; 0.8 waves on average."""
    assert LAUNCHES_AT_ONCE == 8
    machine = candidate(launch=sure(600 - NEXT_LAUNCH_SECONDS))
    one = wall_hours([Allocation(candidate(), 20, 200 * HOUR)])
    assert wall_hours([Allocation(machine, 20, 200 * HOUR)]) == pytest.approx(one + 0.8 * 600 / 3_600)
    assert wall_hours([Allocation(machine, 8, 80 * HOUR)]) == pytest.approx(one)


def test_waiting_for_a_launch_is_not_paid() -> None:
    machine = candidate(launch=sure(585))
    assert total(Allocation(machine, 200, 2_000 * HOUR)) == total(Allocation(candidate(), 200, 2_000 * HOUR))


def test_machines_that_would_come_too_late_are_not_in_the_fleet() -> None:
    """Waves of ten minutes and an hour's work for all: the launcher stops long before 4,000 machines."""
    machine = candidate(launch=sure(585))
    (kept,) = as_launched([Allocation(machine, 4_000, 200 * HOUR)])
    assert 8 < kept.machines < 200
    assert kept.tokens == pytest.approx(200 * HOUR)
    hours = wall_hours([kept])
    assert hours > 2  # what 4,000 machines would do in 3 minutes


def test_group_that_is_launched_later_does_less_and_all_end_together() -> None:
    machine = candidate(launch=sure(585))
    first, second = as_launched(
        [
            Allocation(machine, 40, 400 * HOUR),
            Allocation(candidate(region="b", launch=sure(585)), 40, 400 * HOUR),
        ]
    )
    assert first.tokens > 1.05 * second.tokens
    assert first.tokens + second.tokens == pytest.approx(800 * HOUR)
    # Eighty machines wait for 4.5 waves on average.
    assert wall_hours([first, second]) == pytest.approx(10 + 4.5 / 6 + 330 / 3_600)


def test_places_of_different_prices_share_the_work_until_all_is_done() -> None:
    """Four cheap and three dear machines of one speed: the dear ones do three sevenths, and all work an hour."""
    cheap, dear = candidate(usd_per_hour=Decimal("0.30")), candidate(region="b", usd_per_hour=Decimal("0.40"))
    shared = as_launched([Allocation(cheap, 4, 5 * HOUR), Allocation(dear, 3, 2 * HOUR)])
    assert [one.tokens for one in shared] == pytest.approx([4 * HOUR, 3 * HOUR])
    assert wall_hours(shared) == pytest.approx(1 + 330 / 3_600)
    assert items(*shared)["compute"] == pytest.approx(Decimal("2.40"))


def test_faster_machines_do_more_and_later_ones_less() -> None:
    """An hour of work for the first; the second is twice as fast and half an hour later."""
    first = free()
    second = free(gpu="H100", tokens_per_second=sure(2_000), ahead=sure(1_800))
    one, two = as_launched([Allocation(first, 1, HOUR), Allocation(second, 1, HOUR)])
    assert one.tokens == pytest.approx(HOUR)
    assert two.tokens == pytest.approx(HOUR)
    one, two = as_launched([Allocation(first, 2, 2 * HOUR), Allocation(second, 1, 0.4 * HOUR)])
    assert one.tokens == pytest.approx(2 * 0.85 * HOUR)
    assert two.tokens == pytest.approx(0.35 * 2 * HOUR)


def test_machines_that_come_after_the_end_are_not_in_the_fleet() -> None:
    quick, late = free(), free(region="b", ahead=sure(2 * 3_600))
    (kept,) = as_launched([Allocation(quick, 1, HOUR), Allocation(late, 5, HOUR / 2)])
    assert kept == Allocation(quick, 1, 1.5 * HOUR)


def test_egress_and_billing_follow_the_shared_work() -> None:
    near = candidate(cloud="lambda")
    far = candidate(cloud="lambda", region="b", egress_usd_per_token=Decimal("1e-6"))
    shared = as_launched([Allocation(near, 1, 2 * HOUR), Allocation(far, 1, 0)])
    assert items(*shared)["egress"] == pytest.approx(Decimal("3.6"))
    assert items(*shared)["teardown"] == items(Allocation(near, 2, 2 * HOUR))["teardown"]


def test_controller_is_paid_for_its_idle_minutes() -> None:
    found = items(
        Allocation(free(cloud="local"), 1, HOUR), rest=RunCharges(None, Decimal("0.30"), controller_after=600)
    )
    assert float(found["controller"] or 0) == pytest.approx(0.35)


def test_minimum_and_increment_of_the_cloud_are_paid() -> None:
    """A cloud that bills whole minutes takes half a minute more of each machine, on average."""
    whole, fine = candidate(cloud="lambda"), candidate()
    assert items(Allocation(whole, 2, HOUR))["teardown"] == Decimal("0.05")
    assert items(Allocation(fine, 2, HOUR))["teardown"] == decimal_of_float(120 / 3_600)


# --- items


def test_hour_of_work_costs_what_an_hour_costs() -> None:
    assert items(Allocation(free(usd_per_hour=Decimal("0.297")), 1, HOUR))["compute"] == Decimal("0.297")


def test_machines_do_not_change_what_the_work_itself_costs() -> None:
    one, ten = (items(Allocation(candidate(), n, 10 * HOUR))["compute"] for n in (1, 10))
    assert one == ten == 10


def test_every_machine_is_paid_while_it_starts() -> None:
    found = items(Allocation(candidate(usd_per_hour=Decimal("1.20")), 3, HOUR))
    assert found["cold_start"] == Decimal("0.30")  # 3 machines, 5 minutes each


def test_every_machine_is_paid_while_the_others_end() -> None:
    found = items(Allocation(candidate(usd_per_hour=Decimal("1.20")), 6, HOUR))
    assert found["idle_tail"] == Decimal("0.06")  # 6 machines, half a shard of a minute each


def test_this_machine_has_no_idle_tail() -> None:
    assert items(Allocation(candidate(cloud="local"), 1, HOUR))["idle_tail"] == 0


def test_preemption_item_is_the_lost_machine_time() -> None:
    found = items(Allocation(candidate(hazard=sure(0.4)), 2, 10 * HOUR))
    assert found["preemption"] == Decimal("0.366666666667") * 1  # 10 h x 0.4 x 330 s
    assert found["compute"] == 10


def test_disk_is_paid_as_long_as_its_machine() -> None:
    found = items(Allocation(candidate(disk_usd_per_hour=Decimal("0.01"), hazard=sure(0.4)), 2, 10 * HOUR))
    # 10 h of work, 0.3667 h lost, 2 starts of 300 s, 2 tails of 30 s, 2 ends of 60 s
    assert found["disk"] is not None
    assert float(found["disk"]) == pytest.approx(0.01 * (10 + 0.366667 + 2 * 390 / 3_600))


def test_egress_is_by_the_token() -> None:
    carried = candidate(egress_usd_per_token=Decimal("2.5e-9"))
    assert items(Allocation(carried, 4, 2e9))["egress"] == 5


def test_vectors_and_the_controller_are_items_of_the_whole_run() -> None:
    found = items(
        Allocation(free(cloud="local"), 2, 10 * HOUR), rest=RunCharges(Decimal("94.20"), Decimal("0.20"))
    )
    assert found["storage"] == Decimal("94.20")
    assert found["controller"] == 1  # 5 hours


def test_fleet_of_two_candidates_by_hand() -> None:
    """Two L4 at $0.50 and one H100 at $4, together 12,000 tokens/s; 43.2M tokens."""
    small = candidate(usd_per_hour=Decimal("0.50"), disk_usd_per_hour=Decimal("0.01"))
    large = candidate(
        gpu="H100",
        usd_per_hour=Decimal(4),
        tokens_per_second=sure(10_000),
        egress_usd_per_token=Decimal("1e-8"),
    )
    allocations = [Allocation(small, 2, 2 * HOUR), Allocation(large, 1, 10 * HOUR)]
    assert wall_hours(allocations) == pytest.approx(1 + 300 / 3_600 + 30 / 3_600)
    found = itemize(allocations, RunCharges(Decimal(2), Decimal("0.24")))
    by_hand = {
        "compute": 2 * 0.50 + 1 * 4,
        "cold_start": (2 * 0.50 + 4) * 300 / 3_600,
        "preemption": 0,
        "idle_tail": (2 * 0.50 + 4) * 30 / 3_600,
        "teardown": (2 * 0.50 + 4) * 60 / 3_600,
        "disk": 0.01 * 2 * (1 + 390 / 3_600),
        "storage": 2,
        "egress": 0.36,
        "controller": 0.24 * (1 + 330 / 3_600),
    }
    assert {name: float(usd or 0) for name, usd in found.items()} == pytest.approx(by_hand)
    assert float(known_total(found)) == pytest.approx(sum(by_hand.values()))


def test_every_item_is_there() -> None:
    assert tuple(items(Allocation(candidate(), 1, HOUR))) == ITEMS


# --- unknown is not zero


def test_unknown_hourly_price_makes_hourly_items_unknown() -> None:
    found = items(Allocation(candidate(usd_per_hour=None), 1, HOUR))
    assert {n for n, usd in found.items() if usd is None} == {
        "compute",
        "cold_start",
        "preemption",
        "idle_tail",
        "teardown",
    }


@pytest.mark.parametrize(
    ("field", "item"), [("disk_usd_per_hour", "disk"), ("egress_usd_per_token", "egress")]
)
def test_known_part_of_an_item_is_kept_and_all_unknown_is_unknown(field: str, item: str) -> None:
    known = Allocation(candidate(**{field: Decimal(1)}), 1, HOUR)
    unknown = Allocation(candidate(**{field: None}), 1, HOUR)
    assert items(known, unknown)[item] == items(known)[item]
    assert items(unknown)[item] is None
    assert items(known, unknown)["compute"] == 2


def test_unknown_storage_and_controller_are_unknown() -> None:
    found = items(Allocation(candidate(), 1, HOUR), rest=RunCharges(None, None))
    assert (found["storage"], found["controller"]) == (None, None)


def test_unknown_item_is_not_in_the_sum() -> None:
    assert known_total({"compute": Decimal(3), "egress": None, "disk": Decimal("0.5")}) == Decimal("3.5")


def test_price_of_zero_is_known() -> None:
    assert items(Allocation(candidate(usd_per_hour=Decimal(0)), 1, HOUR))["compute"] == 0


def test_million_tokens_cost_their_share() -> None:
    assert per_million(Decimal("0.72"), 36e6) == Decimal("0.02")


def test_no_tokens_have_no_price_a_token() -> None:
    assert per_million(Decimal(1), 0) is None


# --- names and sums


def test_candidate_is_named_as_people_would() -> None:
    assert candidate(gpus=4.0, spot=True).name == "4 x L4 on gcp us-central1, spot"
    assert candidate(gpus=0.5).name == "0.5 x L4 on gcp us-central1, on-demand"
    assert candidate(cloud="local").name == "this machine"


def test_main_candidate_does_most_of_the_work() -> None:
    a, b = candidate(), candidate(gpu="H100")
    fleet = Estimate((Allocation(a, 7, 1e6), Allocation(b, 2, 9e6)), Spread(1, 1, 1), None, {}, None)
    assert fleet.machines == 9
    assert fleet.main_candidate is b


def test_float_becomes_a_decimal_of_twelve_digits() -> None:
    assert decimal_of_float(0.1 + 0.2) == Decimal("0.3")
    assert decimal_of_float(1 / 3) == Decimal("0.333333333333")


# --- laws

tokens = st.floats(1, 1e13)
counts = st.integers(1, 5_000)


def total(*allocations: Allocation) -> float:
    return float(known_total(itemize(allocations, NO_CHARGES)))


@given(tokens, counts, st.floats(0, 3_600), st.floats(0, 2))
def test_more_machines_are_never_slower_and_never_cheaper(
    work: float, number: int, start: float, hazard: float
) -> None:
    machine = candidate(cold_start=sure(start), hazard=sure(hazard), disk_usd_per_hour=Decimal("0.01"))
    few, many = Allocation(machine, number, work), Allocation(machine, number + 1, work)
    assert wall_hours([many]) <= wall_hours([few])
    assert total(many) >= total(few)


@given(tokens, counts, st.floats(0, 3_600))
def test_splitting_an_allocation_changes_nothing(work: float, number: int, start: float) -> None:
    machine: Candidate = candidate(cold_start=sure(start), hazard=sure(0.3))
    whole, halves = [Allocation(machine, 2 * number, work)], [Allocation(machine, number, work / 2)] * 2
    assert wall_hours(whole) == pytest.approx(wall_hours(halves), rel=1e-9)
    assert total(*whole) == pytest.approx(total(*halves), rel=1e-9)


@given(st.integers(0, 10_000), tokens, st.lists(counts, min_size=2, max_size=5))
def test_all_machines_of_a_fleet_end_together(seed: int, work: float, numbers: list[int]) -> None:
    drawn = candidates(seed, len(numbers))
    fleet = [Allocation(one, n, work / len(numbers)) for one, n in zip(drawn, numbers, strict=True)]
    shared = as_launched(fleet)
    assert sum(one.tokens for one in shared) == pytest.approx(work)
    end = wall_hours(shared)
    assert end <= wall_hours(fleet) * (1 + 1e-9)
    idle = idle_hours(shared)
    for one, hours in zip(shared, idle, strict=True):
        alone = wall_hours([one]) - idle_hours([one])[0]
        assert hours + alone == pytest.approx(end)


@given(tokens, counts, st.floats(1, 3_600), st.floats(0, 1))
def test_fleet_of_one_candidate_is_paid_for_as_long_as_it_is_up(
    work: float, number: int, start: float, hazard: float
) -> None:
    allocation = Allocation(candidate(cold_start=sure(start), hazard=sure(hazard)), number, work)
    assert total(allocation) == pytest.approx(
        number * (wall_hours([allocation]) + TEARDOWN_SECONDS / 3_600), rel=1e-9
    )  # at a dollar an hour
