"""Every task file of a plan by the snapshot is one that SkyPilot accepts.

SkyPilot checks the cloud, the region, the zone against the account's names of zones, and the GPU against the instance
type. Here the account is a stand-in with names of its own, as `describe-availability-zones` would give them.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from launcher.fleet.provisioning.task_specs import places_of, specs_of, task_yamls
from launcher.jobs.parse import parse
from launcher.planning.plan import saved_plan_of
from launcher.planning.planner import make_plan
from launcher.planning.request import PlanOptions
from launcher.planning.saved.saved_plan import MachineGroup, MachinePlace, SavedPlan
from pricing.account.access import gated_place, unlaunchable
from pricing.book.price_book import load
from tests.support.paths import SHARED

NOW = datetime(2026, 11, 28, tzinfo=UTC)
CASES = SHARED / "cases" / "plans"
JOB = """name: a
corpus: {documents: 1M, tokens_per_document: 200, region: aws/us-east-1}
model: sentence-transformers/all-MiniLM-L6-v2
output: {path: "s3://b/v", region: aws/us-east-1}
"""
# The names that one account has for the zones of us-west-2: those of ordinary zones differ between accounts.
ACCOUNT_ZONES = {
    "us-west-2a",
    "us-west-2b",
    "us-west-2c",
    "us-west-2d",
    "us-west-2-lax-1a",
    "us-west-2-lax-1b",
}


def planned(text: str, base: Path) -> SavedPlan:
    options = PlanOptions(on=None, probe_seconds=1, offers=load())
    return saved_plan_of(make_plan(parse(text), base, options, NOW, lambda _: None))


def infras(plan: SavedPlan) -> Iterable[tuple[str, str]]:
    """The `infra` and the GPU of each place that the task files request."""
    specs = specs_of(plan, "s3://b/v", "/code/tasks", disk_gb=75)
    for text in task_yamls(specs).values():
        for place in yaml.safe_load(text)["resources"]["ordered"]:
            (gpu,) = place["accelerators"]
            yield place["infra"], gpu


def check(plan: SavedPlan) -> None:
    regions = {(o.cloud, o.region) for o in load()}
    for infra, _ in infras(plan):
        cloud, region, *zone = infra.split("/")
        assert unlaunchable(cloud) is None
        assert (cloud, region) in regions
        assert gated_place(cloud, region, zone[0] if zone else None) is None
        assert cloud != "aws" or not zone or zone[0] in ACCOUNT_ZONES


@pytest.mark.parametrize(
    "more", ["", "limits: {clouds: [gcp]}", "limits: {gpus: [T4]}", "limits: {clouds: [vast]}"]
)
def test_tasks_of_a_plan_request_places_that_exist(more: str, tmp_path: Path) -> None:
    check(planned(JOB + more + "\n", tmp_path))


def test_tasks_of_the_cases_request_places_that_exist(tmp_path: Path) -> None:
    if not CASES.is_dir():
        pytest.skip("the cases are not beside this checkout")
    for name in ("j01_minilm_1M", "j08_gcp_only", "j13_int8"):
        check(planned((CASES / f"{name}.yaml").read_text(encoding="utf-8"), tmp_path))


def group(zone: str | None) -> MachineGroup:
    return MachineGroup(
        gpu="T4",
        gpus_per_machine=1,
        cloud="aws",
        regions=("us-west-2",),
        spot=True,
        machines=1,
        workers=1,
        threads=None,
        tokens=1,
        tokens_per_second=1.0,
        speed_source="a test",
        usd_per_hour=Decimal(1),
        usd_per_million_tokens=None,
        places=(MachinePlace("us-west-2", zone, "g4dn.xlarge", 1, Decimal(1)),),
    )


@pytest.mark.parametrize(
    ("zone", "infra"),
    [
        ("usw2-lax1-az1", "aws/us-west-2/us-west-2-lax-1a"),
        ("usw2-lax1-az2", "aws/us-west-2/us-west-2-lax-1b"),
        ("usw2-az1", "aws/us-west-2"),
        (None, "aws/us-west-2"),
    ],
)
def test_zone_id_becomes_a_name_of_the_account_or_is_left_open(zone: str | None, infra: str) -> None:
    (place,) = places_of(group(zone))
    assert place.infra == infra
    assert place.zone is None or place.zone in ACCOUNT_ZONES
