"""From a plan to its backend and machine groups. No cloud is contacted."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.errors import Problem
from launcher.fleet.backends.local import LocalBackend
from launcher.fleet.backends.skypilot import SkyPilotBackend
from launcher.fleet.provisioning.provisioner import is_rented, passed_settings, provision, task_specs
from launcher.planning.saved.saved_plan import SavedPlan
from pricing.charges.storage import DISK_GB
from tasks.skypilot_task import machine_task, to_yaml
from tasks.stores.memory import MemoryStore
from tests.support import sample_plan


def rented_plan(model: str = "acme/embed") -> SavedPlan:
    plan = sample_plan.saved()
    return replace(plan, work=replace(plan.work, corpus="s3://bucket/in", model=model))


def test_local_plan_is_one_group_whose_workers_share_the_price(tmp_path: Path) -> None:
    plan = sample_plan.saved_local()
    (group,) = plan.lots
    plan = replace(plan, lots=(replace(group, workers=4, usd_per_hour=Decimal("1.20")),))
    found = provision(plan, str(tmp_path / "out"), MemoryStore(), tmp_path)
    assert not is_rented(plan)
    assert isinstance(found.backend, LocalBackend)
    (workers,) = found.groups
    assert (workers.slots, workers.usd_per_hour, workers.rented) == (4, Decimal("0.30"), False)


def test_rented_plan_has_a_group_and_a_spec_for_each_machine_group(tmp_path: Path) -> None:
    plan = rented_plan()
    found = provision(plan, "s3://bucket/vectors", MemoryStore(), tmp_path)
    assert is_rented(plan)
    assert isinstance(found.backend, SkyPilotBackend)
    assert [(g.number, g.slots, g.name) for g in found.groups] == [
        (0, 20, f"{plan.run}-l0m"),
        (1, 1, f"{plan.run}-l1m"),
    ]
    first = found.groups[0]
    assert (sum(first.counts), first.gpu, first.purchase) == (20, "L4", "spot")
    assert len(found.specs) == 2


def test_disk_holds_the_system_and_the_model_twice(tmp_path: Path) -> None:
    plan = rented_plan("BAAI/bge-m3")
    (first, _) = provision(plan, "s3://bucket/vectors", MemoryStore(), tmp_path).groups
    assert first.disk_gb == DISK_GB + 2


def test_plan_that_mixes_this_machine_with_rented_ones_is_refused(tmp_path: Path) -> None:
    plan = sample_plan.saved()
    mixed = replace(plan, lots=(*plan.lots, *sample_plan.saved_local().lots))
    with pytest.raises(Problem, match="mixes this machine with rented ones"):
        provision(mixed, "s3://bucket/vectors", MemoryStore(), tmp_path)


@pytest.mark.parametrize(
    "endpoint", ["https://ada:T0SECRET@minio.example.org", "http://T0SECRET@10.0.0.1:9000/x", "T0SECRET@host"]
)
def test_an_endpoint_with_a_password_is_in_no_task_file(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    with pytest.raises(Problem) as caught:
        task_specs(rented_plan(), "s3://bucket/vectors")
    assert "AWS_ENDPOINT_URL_S3 holds" in str(caught.value)
    assert "T0SECRET" not in f"{caught.value}{caught.value.hint}"
    (spec, *_) = task_specs(rented_plan(), "s3://bucket/vectors", ["AWS_ENDPOINT_URL_S3"])
    text = to_yaml(machine_task(spec))
    assert "AWS_ENDPOINT_URL_S3: null" in text  # its value comes from the environment
    assert "T0SECRET" not in text


def test_an_endpoint_without_a_password_is_a_setting() -> None:
    endpoint = "https://minio.example.org/a@b"
    assert passed_settings({"AWS_ENDPOINT_URL": endpoint, "PATH": "/bin"}, ()) == {
        "AWS_ENDPOINT_URL": endpoint
    }
