"""What a plan takes from earlier runs on this laptop: it moves the forecast, stands in plan.json, and is what a launch
begins with. Without earlier runs a plan is what it was."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from launcher.fleet.steering.steering_setup import steering_options
from launcher.jobs.job import DeclaredCorpus, Job, JobLimits
from launcher.planning.estimates.estimate import NO_CHARGES, Allocation
from launcher.planning.optimizer.search import Requirements, estimate_fleet
from launcher.planning.saved import plan_file
from launcher.planning.saved.steering_plan import PlacePrior, SteeringPlan
from launcher.planning.steering.static_chance import static_chance_late
from launcher.planning.steering.steering_forecast import steering_plan
from launcher.steering.market.priors import PastRun
from launcher.steering.situation import Belief, PlaceKey
from tests.support import sample_plan
from tests.support.candidates import candidate, sure

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EAST, WEST, NET = (
    candidate(region="us-east1", spot=True, usd_per_hour=Decimal("0.3")),
    candidate(region="us-west1", spot=True, usd_per_hour=Decimal("0.4")),
    candidate(region="us-east4"),
)
MARKET = (EAST, WEST, NET)
KEY: PlaceKey = ("gcp/us-east1", EAST.gpu, "spot")
SELDOM = Belief(falls=9.0, hours_up=6.0, returns=1.0, hours_down=20.0)
MOSTLY = Belief(falls=0.0, hours_up=40.0)
JOB = Job("reviews", DeclaredCorpus(1, ((1.0, 1.0),)), "hash", limits=JobLimits(deadline_hours=6.0))
REQUIREMENTS = Requirements(
    tokens=sure(36e6),
    charges=NO_CHARGES,
    deadline_hours=6.0,
    obtainable=dict.fromkeys((one.group for one in MARKET), 100),
)
CHOSEN = estimate_fleet([Allocation(EAST, 4, 36e6)], REQUIREMENTS)


def past(belief: Belief, key: PlaceKey = KEY, hours: float = 2.0) -> PastRun:
    return PastRun({key: belief}, NOW - timedelta(hours=hours))


def plan(*runs: PastRun) -> SteeringPlan:
    found = steering_plan(JOB, MARKET, REQUIREMENTS, CHOSEN, NOW, runs)
    assert found is not None
    return found


def test_a_plan_without_earlier_runs_says_nothing_of_them() -> None:
    found = plan()
    assert found.priors == ()
    assert not any("earlier run" in one for one in found.assumes)


def test_dollars_move_with_what_earlier_runs_saw() -> None:
    seldom, average, mostly = plan(past(SELDOM)).usd.p50, plan().usd.p50, plan(past(MOSTLY)).usd.p50
    assert seldom is not None
    assert average is not None
    assert mostly is not None
    assert seldom > average > mostly


def test_a_plan_says_what_it_took_from_earlier_runs() -> None:
    found = plan(past(MOSTLY, hours=50.0), past(SELDOM))
    assert [(one.place, one.gpu, one.purchase) for one in found.priors] == [KEY]
    assert found.assumes[-1] == (
        "from 2 earlier runs on this laptop, the newest 2 h ago: how often 1 of 2 places had spot, the others are taken "
        "as places are on average"
    )


@pytest.mark.parametrize(
    "key",
    [("gcp/us-east1", "A100", "spot"), (KEY[0], KEY[1], "on-demand"), ("gcp/us-central1", KEY[1], "spot")],
)
def test_another_gpu_purchase_or_place_says_nothing_of_this_one(key: PlaceKey) -> None:
    assert plan(past(SELDOM, key)) == plan()


def test_planned_machines_that_are_not_steered_are_late_more_often_where_spot_was_seldom() -> None:
    seldom, average = (static_chance_late(CHOSEN, REQUIREMENTS, NOW, runs) for runs in ([past(SELDOM)], []))
    assert seldom is not None
    assert average is not None
    assert seldom.mean > average.mean


def test_a_launch_begins_with_what_stands_in_its_plan() -> None:
    """The ledger is not asked again: the same plan is steered alike, on this laptop tomorrow or on a pilot."""
    body = sample_plan.steered()
    body["steering"]["priors"] = [
        {"place": "aws/us-east-1", "gpu": "L4", "purchase": "spot", "falls": 2.5, "hours_up": 6.0, "returns": 0.0,
         "hours_down": 1.25}
    ]  # fmt: skip
    saved = plan_file.read(plan_file.signed({k: v for k, v in body.items() if k != "digest"}))
    assert saved.steering is not None
    assert saved.steering.priors == (PlacePrior("aws/us-east-1", "L4", "spot", 2.5, 6.0, 0.0, 1.25),)
    options = steering_options(saved, JOB, [])
    assert options.beliefs == {
        ("aws/us-east-1", "L4", "spot"): Belief(falls=2.5, hours_up=6.0, hours_down=1.25)
    }
    assert plan_file.dump(saved)["steering"]["priors"] == body["steering"]["priors"]
    bare = replace(saved, steering=replace(saved.steering, priors=()))
    assert "priors" not in plan_file.dump(bare)["steering"]
