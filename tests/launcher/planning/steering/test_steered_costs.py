"""The items of a steered run: what goes with its hours is that of its own hours, and unknown prices have its bounds."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from launcher.planning.estimates.estimate import Allocation, Candidate, Estimate, RunCharges
from launcher.planning.optimizer.search import Requirements, estimate_fleet
from launcher.planning.saved.steering_plan import SteeringPlan
from launcher.planning.steering.steering_forecast import steering_plan
from tests.launcher.planning.steering.test_steering_forecast import NET, NOW, SPOT, job
from tests.support.candidates import sure

TOKENS = 36e6  # 10 machine-hours
CONTROLLER = Decimal("0.20")
CHARGES = RunCharges(Decimal(3), CONTROLLER, controller_after=600.0)
UNPRICED = RunCharges(None, None, CONTROLLER, controller_after=600.0)


def planned(
    *market: Candidate, charges: RunCharges = CHARGES, hours: float = 12.0
) -> tuple[SteeringPlan, Estimate]:
    """The steered run, and the static fleet of 10 machines that needs about an hour."""
    requirements = Requirements(
        tokens=sure(TOKENS),
        charges=charges,
        deadline_hours=hours,
        obtainable=dict.fromkeys((one.group for one in market), 100),
    )
    chosen = estimate_fleet([Allocation(market[0], 10, TOKENS)], requirements)
    found = steering_plan(job(deadline_hours=hours), market, requirements, chosen, NOW)
    assert found is not None
    return found, chosen


def total(found: SteeringPlan) -> Decimal:
    return sum((usd for usd in found.items.values() if usd is not None), Decimal(0))


def hours_of(found: SteeringPlan) -> Sequence[float]:
    assert found.hours is not None
    assert found.hours.p50 is not None
    assert found.hours.p90 is not None
    return found.hours.p50, found.hours.p90


def test_the_items_add_up_to_the_dollars() -> None:
    found, _ = planned(replace(SPOT, disk_usd_per_hour=Decimal("0.01")), NET)
    assert found.usd.p50 is not None
    assert float(total(found)) == pytest.approx(float(found.usd.p50), abs=1e-5)
    assert list(found.items) == ["machines", "disk", "egress", "storage", "controller"]
    assert found.items["storage"] == 3


def test_the_controller_is_up_as_long_as_the_steered_run_and_not_as_the_static_fleet() -> None:
    found, static = planned(SPOT, NET)
    middle, late = hours_of(found)
    assert middle > 2 * static.hours.mid
    assert float(found.items["controller"] or 0) == pytest.approx(0.20 * (middle + 1 / 6), abs=1e-3)
    assert found.usd.p90 is not None
    assert float(found.usd.p90) >= float(total(found)) + 0.20 * (late - middle) - 1e-3


def test_a_controller_without_a_price_costs_at_most_that_of_the_latest_hours() -> None:
    found, static = planned(SPOT, NET, charges=UNPRICED)
    _, late = hours_of(found)
    assert found.items["controller"] is None
    assert float(found.unpriced["controller"] or 0) == pytest.approx(0.20 * (late + 1 / 6), abs=1e-3)
    assert (found.unpriced["controller"] or 0) > (static.unpriced["controller"] or 0)
    assert found.unpriced["storage"] is None


def test_disks_cost_what_the_machines_that_are_paid_have() -> None:
    """10 hours of work and the starts, at a thirtieth of spot's price. A disk without a price is named with its bound."""
    dear = replace(SPOT, disk_usd_per_hour=Decimal("0.01"))
    found, _ = planned(dear, replace(NET, disk_usd_per_hour=Decimal("0.01")))
    machines, disk = found.items["machines"], found.items["disk"]
    assert 10 * 0.01 <= float(disk or 0) <= float(machines or 0) / 30 * 1.01
    bare = replace(SPOT, disk_usd_per_hour=None, disk_at_most=Decimal("0.02"))
    lacking, _ = planned(bare)
    assert (lacking.items["disk"], list(lacking.unpriced)) == (None, ["disk"])
    assert (lacking.unpriced["disk"] or 0) >= 10 * Decimal("0.02")


def test_all_that_has_a_price_leaves_nothing_out() -> None:
    known = [
        replace(one, disk_usd_per_hour=Decimal("0.01"), egress_usd_per_token=Decimal(0))
        for one in (SPOT, NET)
    ]
    found, _ = planned(*known)
    assert found.unpriced == {}
