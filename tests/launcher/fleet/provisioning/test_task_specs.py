"""A plan's machine groups as task specifications, and what rented machines could not reach."""

from dataclasses import replace
from decimal import Decimal

from launcher.fleet.provisioning.task_specs import specs_of, task_yamls
from launcher.planning.reach import check_reachable
from launcher.planning.saved.saved_plan import SavedPlan
from tests.support import sample_plan


def with_work(**changes: str) -> SavedPlan:
    plan = sample_plan.saved()
    return replace(plan, work=replace(plan.work, **changes))


def test_each_group_has_a_spec_with_its_places_and_prices() -> None:
    plan = sample_plan.saved()
    first, second = specs_of(plan, "s3://bucket/vectors", "/code/tasks", disk_gb=75, secrets=["HF_TOKEN"])
    assert (first.gpu, first.gpus, first.spot, first.group) == ("L4", 8, True, 0)
    assert [p.infra for p in first.places] == ["aws/us-east-1/us-east-1a", "aws/us-west-2/us-west-2a"]
    assert first.places[0].usd_per_hour == Decimal("0.297")
    assert (second.gpu, second.places[0].cloud, second.secrets) == ("H100", "gcp", ("HF_TOKEN",))
    assert list(task_yamls([first, second])) == ["group-0.yaml", "group-1.yaml"]


def test_auto_engine_is_resolved_by_the_model() -> None:
    plan = with_work(engine="auto")
    (first, _) = specs_of(plan, "s3://b/v", "/code/tasks", disk_gb=75)
    assert first.engine == "vllm"
    plan = with_work(engine="auto", model="hash")
    (first, _) = specs_of(plan, "s3://b/v", "/code/tasks", disk_gb=75)
    assert first.engine == "hash"


def test_slurm_machines_may_use_local_paths() -> None:
    plan = with_work(corpus="/shared/in", model="/shared/model")
    plan = replace(plan, lots=tuple(replace(group, cloud="slurm") for group in plan.lots))
    check_reachable(plan, "/shared/out")
    (first, _) = specs_of(plan, "/shared/out", "/code/tasks", disk_gb=75)
    assert first.places == tuple(replace(place, instance_type=None) for place in first.places)
