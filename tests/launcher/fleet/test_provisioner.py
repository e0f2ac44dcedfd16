"""From a plan to its backend and machine groups. No cloud is contacted."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.errors import Problem
from launcher.fleet.backends.local import LocalBackend
from launcher.fleet.backends.skypilot import SkyPilotBackend
from launcher.fleet.provisioner import is_rented, provision
from launcher.planning.saved_plan import SavedPlan
from pricing.storage import DISK_GB
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
