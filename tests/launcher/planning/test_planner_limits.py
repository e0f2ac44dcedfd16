"""The planner under limits: quotas, deadlines, GPUs and clouds, and what it says where nothing is left."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.errors import Infeasible, Usage
from tests.launcher.planning.planned_jobs import (
    L4,
    QWEN,
    declared,
    made,
    offer,
    refused,
    showcase,
)


def test_quota_is_kept_to(tmp_path: Path) -> None:
    text = showcase(
        "deadline: 30d", "speed: {L4: 897}\nquota: {gcp: {us-central1: {l4: {spot: 2, on_demand: 1}}}}"
    )
    plan = made(text, tmp_path)
    assert {group.spot: group.machines for group in plan.lots}.get(True, 0) <= 2
    assert {group.spot: group.machines for group in plan.lots}.get(False, 0) <= 1


REGIONS = tuple(offer(region=region) for region in ("us-central1", "us-west1", "us-east4"))


def test_quota_of_one_region_bounds_the_others_of_its_cloud(tmp_path: Path) -> None:
    quota = "speed: {L4: 897}\nquota: {gcp: {us-central1: {L4: {on_demand: 24}}}}"
    problem = refused(Infeasible, showcase("deadline: 3h", quota), tmp_path, REGIONS)
    assert 'gcp: {"*": ...}' in problem.hint
    plan = made(showcase("deadline: 3d", quota), tmp_path, REGIONS)
    assert {allocation.candidate.region for allocation in plan.chosen.allocations} == {"us-central1"}
    assert any("quota: assumed to be 0 in the 2 regions of gcp" in why for why in plan.not_priced)


def test_quota_of_all_other_regions_is_kept_in_each(tmp_path: Path) -> None:
    quota = 'speed: {L4: 897}\nquota: {gcp: {us-central1: {L4: {on_demand: 24}}, "*": {L4: {on_demand: 60}}}}'
    plan = made(showcase("deadline: 9h", quota), tmp_path, REGIONS)
    taken = {allocation.candidate.region: allocation.machines for allocation in plan.chosen.allocations}
    assert taken.pop("us-central1", 0) <= 24
    assert taken
    assert max(taken.values()) <= 60
    assert not any("quota: assumed" in why for why in plan.not_priced)


def test_quota_in_vcpus_bounds_all_types_of_the_family_together(tmp_path: Path) -> None:
    """A g6.xlarge has 4 vCPUs and a g5.2xlarge 8: together they keep to 64, whatever the GPU, and only in one region."""
    aws = [
        offer(price, cloud="aws", region=region, instance_type=machine, gpu=gpu, vcpus=vcpus)
        for region in ("us-east-1", "us-west-2")
        for price, machine, gpu, vcpus in (("0.8", "g6.xlarge", "L4", 4), ("1.2", "g5.2xlarge", "A10G", 8))
    ]
    job = declared(
        "limits: {deadline: 40h, spot: never}\nspeed: {L4: 897, A10G: 1500}\n"
        "quota: {aws: {us-east-1: {vcpus: {G: {on_demand: 64}}}}}",
        documents="10e6",
        tokens="102",
        model=QWEN,
    )
    plan = made(job, tmp_path, tuple(aws))
    assert {a.candidate.region for a in plan.chosen.allocations} == {"us-east-1"}
    assert sum(a.machines * (a.candidate.vcpus or 0) for a in plan.chosen.allocations) <= 64
    problem = refused(Infeasible, job.replace("40h", "10h"), tmp_path, tuple(aws))
    assert "within the quota" in str(problem)
    assert "aws us-east-1 vcpus G on_demand" in problem.hint


def test_quota_for_a_region_that_is_not_there_is_listed(tmp_path: Path) -> None:
    none = "L4: {spot: 0, on_demand: 0}"
    quota = f"quota: {{gcp: {{us-cental1: {{{none}}}, '*': {{L4: {{spot: 9, on_demand: 9}}}}}}}}"
    plan = made(declared(quota), tmp_path)
    assert "us-cental1" in str((plan.binding, plan.not_priced))


def test_deadline_may_be_a_moment(tmp_path: Path) -> None:
    plan = made(showcase("deadline: 2026-11-24"), tmp_path)
    assert 0 < plan.chosen.hours.high <= 12


def test_deadline_that_has_passed_is_refused(tmp_path: Path) -> None:
    problem = refused(Usage, declared("limits: {deadline: 2020-01-01}"), tmp_path)
    assert "limits.deadline 2020-01-01" in str(problem)
    assert "is in the past" in str(problem)
    assert problem.code == 2


@pytest.mark.parametrize(
    ("extra", "key"),
    [
        ("limits: {gpus: [L5]}", "limits.gpus"),
        ("speed: {L5: 897}", "speed"),
        ("quota: {aws: {us-east-1: {L5: {spot: 4}}}}", "quota"),
    ],
)
def test_unknown_gpu_is_named_with_the_nearest(extra: str, key: str, tmp_path: Path) -> None:
    problem = refused(Usage, declared(extra), tmp_path)
    assert str(problem) == f"{key}: no GPU 'L5' is known; did you mean L4?"
    assert problem.hint.startswith("known are T4, ")
    assert problem.code == 2


def test_no_gpu_with_enough_memory_is_shown_with_its_numbers(tmp_path: Path) -> None:
    model = "{name: large, layers: 80, hidden: 8192, heads: 64, kv_heads: 8, intermediate: 28672, glu: true}"
    problem = refused(
        Infeasible, declared("limits: {gpus: [T4]}", model=model), tmp_path, (*L4, offer(gpu="T4"))
    )
    assert "no offer is left of 3; 1 fall to: needs 13" in str(problem)
    assert "T4 has 14.4 GB to fill" in str(problem)
    assert problem.code == 3


def test_gpu_without_a_price_on_the_clouds_of_the_job_says_which_limit_it_falls_to(tmp_path: Path) -> None:
    offers = (*L4, offer(gpu="T4", cloud="gcp", region="us-east1"))
    problem = refused(Infeasible, declared("limits: {gpus: [T4], clouds: [azure]}"), tmp_path, offers)
    assert "no offer is left of 3; 1 of those that limits.gpus allows fall to: limits.clouds" in str(problem)
    assert "the price book has no price for these GPUs there" in problem.hint


def test_slurm_is_planned_by_prices_of_its_owner(tmp_path: Path) -> None:
    text = declared("limits: {clouds: [slurm]}\nquota: {slurm: {east: {L4: {on_demand: 8}}}}")
    own = offer(cloud="slurm", region="east", zone="ondemand")
    assert [(group.cloud, group.regions) for group in made(text, tmp_path, (*L4, own)).lots] == [
        ("slurm", ("east",))
    ]
    preempted = replace(own, zone="spot", spot=True, usd_per_hour=own.usd_per_hour / 2)  # a partition
    plan = made(declared("limits: {clouds: [slurm]}"), tmp_path, (own, preempted))
    assert [(group.spot, group.capacity is not None and group.capacity.assumed) for group in plan.lots] == [
        (True, True)
    ]
    problem = refused(Infeasible, text, tmp_path)
    assert "name it with --price-book" in problem.hint


def test_spot_at_a_fixed_share_of_on_demand_is_named(tmp_path: Path) -> None:
    full = [
        offer(usd, gpu=gpu, instance_type=gpu) for gpu, usd in (("L4", "1"), ("H100", "4"), ("L40S", "2"))
    ]
    listed = [replace(one, spot=True, usd_per_hour=one.usd_per_hour / 2) for one in full]
    said = "how much spot there is on gcp: its price is 50 % of on-demand for each of 3 GPU types"
    assert any(said in one for one in made(declared(), tmp_path, (*full, *listed)).not_priced)
    moving = replace(listed[0], usd_per_hour=Decimal("0.4"))
    assert not any(
        "how much" in one for one in made(declared(), tmp_path, (*full, moving, *listed[1:])).not_priced
    )


def test_no_offer_at_all_is_listed(tmp_path: Path) -> None:
    problem = refused(Infeasible, declared(), tmp_path, ())
    assert str(problem) == "the price book holds no offer"


def test_limits_that_leave_nothing_are_named(tmp_path: Path) -> None:
    problem = refused(Infeasible, declared("limits: {regions: [us-esat-*]}"), tmp_path)
    assert str(problem) == "no offer is left of 2; 2 fall to: limits.regions"


def test_misspelt_region_is_refused_with_what_was_meant_or_said_beside_others(tmp_path: Path) -> None:
    problem = refused(Infeasible, declared("limits: {regions: [us-centrl1]}"), tmp_path)
    assert problem.hint.startswith("did you mean us-central1? limits.regions takes regions and patterns")
    found = made(declared("limits: {regions: [us-central1, us-centrl1]}"), tmp_path)
    assert "limits.regions us-centrl1: no offer is there; did you mean us-central1?" in found.not_priced


def test_more_dimensions_than_the_model_gives_are_refused(tmp_path: Path) -> None:
    refused(Usage, declared("output: {path: s3://b/v, dimensions: 99999, region: aws/us-east-1}"), tmp_path)
