"""What status reports about money while a run goes on."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from launcher.costs.run_rates import RunRates
from launcher.documents.course import CourseStatus, LateMinutes, UsdToFinish
from launcher.documents.status import CostStatus, PlaceCount, ProjectedUsd
from launcher.fleet.monitoring.cost_status import cost_status, projected_usd
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import LifeEnd, Site
from tests.support import sample_plan

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
NOTHING_YET = RunRates(seconds=None, ready_seconds=0, tokens=0)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_running_fleet_has_hourly_cost_and_machines_by_place(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.runs.create("r1", "reviews", json.dumps(sample_plan.local()), "d", "s3://x", NOON)
        for i, region in enumerate(("us-east-1", "us-east-1", "us-west-2", "us-west-2")):
            site = Site("aws", region, None, "spot", "g6.xlarge", 1, None)
            ledger.machines.intend("r1", f"m{i}", i, Decimal("0.3"), NOON, gpu="L4", lot=0, site=site)
            ledger.machines.confirm(f"m{i}", f"job-{i}", at(1))
            if i < 3:
                ledger.machines.begin_life(f"m{i}", 0, at(60), site, Decimal("0.36"))
                ledger.machines.mark_ready(f"m{i}", at(120))
        ledger.machines.end_life("m2", 0, at(3_000), LifeEnd.PREEMPTED)
        found = cost_status(ledger, "r1", at(3_660), NOTHING_YET)
    assert found.usd_per_hour == Decimal("0.72")
    assert found.usd_known == Decimal("0.72")  # two for an hour; EC2 charges nothing for the third
    assert found.preemptions == 1
    assert found.places == (
        PlaceCount("aws/us-east-1", {"UP": 2}),
        PlaceCount("aws/us-west-2", {"ASKED": 1, "RECOVERING": 1}),
    )


def test_budget_and_projection_are_unknown_without_a_budget_or_prices(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        plan = sample_plan.local()
        del plan["work"]["job"]["limits"]["budget"]
        ledger.runs.create("r1", "reviews", json.dumps(plan), "d", "out", NOON)
        found = cost_status(ledger, "r1", NOON, NOTHING_YET)
    assert (found.budget, found.usd_projected, found.usd_per_hour) == (None, None, None)


def test_the_total_of_a_steered_run_is_what_steering_expects() -> None:
    """By the plan it was $0.18 beside "$0.05 to finish" on one screen, with $0.007 spent."""
    by_plan = ProjectedUsd(Decimal("0.09"), Decimal("0.18"), Decimal("0.43"))
    cost = CostStatus(
        usd_known=Decimal("0.007"),
        usd_committed=Decimal("0.01"),
        usd_per_hour=Decimal("0.4"),
        usd_projected=by_plan,
        budget=None,
        preemptions=0,
        places=(),
    )
    steered = course(UsdToFinish(Decimal("0.05"), Decimal("0.08"), Decimal("0.04")))
    assert projected_usd(cost, steered) == ProjectedUsd(Decimal("0.047"), Decimal("0.057"), Decimal("0.087"))
    assert projected_usd(cost, course(UsdToFinish(None, None))) == by_plan  # no launcher steers it now
    assert projected_usd(cost, None) == by_plan


def course(left: UsdToFinish) -> CourseStatus:
    return CourseStatus(
        at=NOON, budget_pressure="free", late_minutes=LateMinutes(-60.0, -30.0), chance_late=0.0, usd_to_finish=left,
        usd_per_million_tokens=None, margin_minutes=None, decisions=(), deadline=None, steered=True, steering=True,
        since=None,
    )  # fmt: skip
