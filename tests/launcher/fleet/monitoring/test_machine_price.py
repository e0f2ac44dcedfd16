"""What a rented machine costs and what hardware it has: by where it came up, and by its group."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.costs.run_costs import machine_times
from launcher.fleet.backends.base import MachineStatus
from launcher.fleet.backends.local import LocalBackend
from launcher.fleet.controller import Controller
from launcher.fleet.monitoring.machine_price import place_of, varies_by_zone
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.run_context import RunContext
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Site
from launcher.reports.assemble import report_of
from pricing.charges import storage
from tasks.skypilot_task import Place
from tasks.stores.folder import FolderStore
from tests.support import sample_plan
from tests.support.runs import NOON, header_of

EAST = Place("aws", "us-east-1", "us-east-1a", "g6.xlarge", Decimal("0.30"))
WEST = Place("aws", "us-west-2", "us-west-2b", "g6.2xlarge", Decimal("0.40"))
GROUP = FleetGroup(0, 1, "r1-l0m", (EAST, WEST), (1, 0), gpu="L4", gpus=2.0, purchase="spot", disk_gb=120)


class Sky(LocalBackend):
    """Reports `said` of every machine."""

    said: MachineStatus

    def status(self, handle: str) -> MachineStatus | None:
        del handle
        return self.said


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.runs.create("run-1", "reviews", json.dumps(sample_plan.plan()), "d", str(tmp_path), NOON)
        ledger.machines.intend(
            "run-1", "r1-l0m0-0", 0, Decimal("0.30"), NOON, gpu="L4", lot=0, site=Site("aws", "us-east-1")
        )
        ledger.machines.confirm("r1-l0m0-0", "1:r1-l0m0-0", NOON)
        observer = StoreObserver(FolderStore(tmp_path / "out"), ledger, header_of(tmp_path, 1))
        context = RunContext(ledger=ledger, observer=observer, backend=Sky(tmp_path, []), groups=(GROUP,))
        yield Controller(context)


def seen(controller: Controller, region: str, zone: str, life: int = 0) -> None:
    """Let the tracker find the machine running there, as SkyPilot reports it: without its type."""
    assert isinstance(controller.context.backend, Sky)
    up = NOON + timedelta(minutes=2 + 10 * life)
    controller.context.backend.said = MachineStatus(
        Phase.RUNNING, life=life, site=Site("aws", region, zone, "spot"), up=up
    )
    controller.tracker.refresh_machines()


def test_life_has_type_size_and_disk_of_the_place_where_it_came_up(
    controller: Controller,
) -> None:
    seen(controller, "us-east-1", "us-east-1a")
    seen(controller, "us-west-2", "us-west-2b", life=1)
    assert [one.site for one in controller.context.ledger.machines.lives("run-1")] == [
        Site("aws", "us-east-1", "us-east-1a", "spot", "g6.xlarge", 2.0, 120),
        Site("aws", "us-west-2", "us-west-2b", "spot", "g6.2xlarge", 2.0, 120),
    ]
    assert [one.usd_per_hour for one in controller.context.ledger.machines.lives("run-1")] == [
        EAST.usd_per_hour,
        WEST.usd_per_hour,
    ]


def test_life_outside_of_the_groups_places_has_no_type_and_no_price(controller: Controller) -> None:
    seen(controller, "eu-west-1", "eu-west-1a")
    (life,) = controller.context.ledger.machines.lives("run-1")
    assert life.site == Site("aws", "eu-west-1", "eu-west-1a", "spot", None, 2.0, 120)
    assert life.usd_per_hour is None


def test_disk_is_metered_and_both_workers_count(controller: Controller) -> None:
    seen(controller, "us-east-1", "us-east-1a")
    controller.context.ledger.machines.mark_gone("r1-l0m0-0", NOON + timedelta(hours=1, minutes=2))
    (time,) = machine_times(controller.context.ledger, "run-1")
    assert time.workers == 2
    price = storage.disk_price("aws")
    assert price is not None
    expected = price.usd_per_gb_month * 120 / storage.HOURS_PER_MONTH
    assert time.disk_usd_per_hour == expected
    report = report_of(controller.context.ledger, None, "run-1", NOON + timedelta(hours=2))
    (disk,) = [other for other in report.spend.others if other.kind == "disk"]
    assert disk.usd == pytest.approx(expected)


def test_only_spot_in_a_zone_that_the_plan_does_not_name_varies_by_zone() -> None:
    east, west = Place("aws", "east"), Place("aws", "west")
    site = Site("aws", "east", "east-1b", "spot")
    assert place_of(site, (west, east)) == east
    assert varies_by_zone(site, east)
    assert not varies_by_zone(replace(site, purchase="on-demand"), east)
    assert not varies_by_zone(replace(site, zone=None), east)
    named = replace(east, zone="east-1b")
    assert place_of(site, (named,)) == named
    assert not varies_by_zone(site, named)
