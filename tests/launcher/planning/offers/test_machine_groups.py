"""Machine groups of a plan: what machines have in common, their places, their cost, and the quota that they need."""

from decimal import Decimal
from typing import Any

import pytest

from launcher.planning.estimates.estimate import Allocation, Candidate
from launcher.planning.offers.machine_groups import machine_groups, quota_needs
from tests.support.candidates import candidate, sure


def machine(cloud: str = "gcp", usd: str = "0.72", **changes: Any) -> Candidate:
    return candidate(
        cloud=cloud,
        spot=True,
        usd_per_hour=Decimal(usd),
        cold_start=sure(36),
        egress_usd_per_token=None,
        **changes,
    )


def test_group_is_of_one_gpu_size_cloud_and_purchase_kind() -> None:
    allocations = [
        Allocation(one, 1, 1e6)
        for one in (
            machine(region="a"),
            machine(region="b", usd="0.70"),
            machine(cloud="aws"),
            machine(gpus=2.0),
            machine(gpu="H100"),
        )
    ]
    found = machine_groups(allocations)
    assert [(group.gpu, group.gpus_per_machine, group.cloud, group.machines) for group in found] == [
        ("L4", 1.0, "gcp", 2),
        ("L4", 1.0, "aws", 1),
        ("L4", 2.0, "gcp", 1),
        ("H100", 1.0, "gcp", 1),
    ]


def test_places_of_a_group_are_ranked_by_price() -> None:
    allocations = [
        Allocation(machine(region="a"), 3, 6e6),
        Allocation(machine(region="b", usd="0.60"), 1, 2e6),
    ]
    (group,) = machine_groups(allocations)
    assert group.regions == ("b", "a")
    assert [(seat.region, seat.machines) for seat in group.places] == [("b", 1), ("a", 3)]
    assert group.usd_per_hour == Decimal("0.69")  # three at $0.72, one at $0.60
    assert group.tokens == 8e6


def test_group_costs_its_machines_and_not_what_the_whole_run_costs() -> None:
    (group,) = machine_groups([Allocation(machine(), 1, 3.6e6)])
    by_hand = (
        0.72 * (1 + 36 / 3_600 + 30 / 3_600 + 60 / 3_600) / 3.6
    )  # the hour, its start, its tail, its end
    assert float(group.usd_per_million_tokens or 0) == pytest.approx(by_hand)


def test_there_is_a_worker_for_each_gpu_and_one_for_a_slice() -> None:
    def workers(gpus: float) -> int:
        return machine_groups([Allocation(machine(gpus=gpus), 1, 1e6)])[0].workers

    assert (workers(8.0), workers(1.0), workers(0.5)) == (8, 1, 1)


def test_quota_is_counted_in_gpus_and_vcpus_of_a_region() -> None:
    one, four = machine(vcpus=4), machine(gpus=4.0, vcpus=48)
    (found,) = quota_needs([Allocation(one, 3, 1e6), Allocation(four, 2, 1e6)])
    assert (found.cloud, found.region, found.gpu, found.spot) == ("gcp", "us-central1", "L4", True)
    assert (found.gpus, found.vcpus) == (11.0, 108)


def test_vcpus_that_are_unknown_of_one_type_are_unknown_of_all() -> None:
    (found,) = quota_needs([Allocation(machine(vcpus=4), 3, 1e6), Allocation(machine(gpus=4.0), 2, 1e6)])
    assert found.vcpus is None


def test_this_machine_needs_no_quota() -> None:
    assert quota_needs([Allocation(machine("local"), 1, 1e6)]) == ()
    assert quota_needs([Allocation(machine("slurm"), 1, 1e6)]) == ()  # the user's own cluster grants none


def test_single_host_of_a_market_needs_no_quota() -> None:
    assert quota_needs([Allocation(machine("vast", at_most=1), 1, 1e6)]) == ()
