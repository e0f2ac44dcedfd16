"""Steering on spot machines of AWS: zones without capacity and a region that is emptied are left, the deadline is kept.

Needs what `test_aws` needs: `make e2e-aws` sets all of it up.
"""

import re
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from launcher.ledger.records import LifeEnd
from launcher.ledger.steering_records import AskAnswer
from tasks import skypilot_task
from tasks.clock import utc
from tests.e2e.aws_rental import CHEAPEST, KIND, SECRETS, SteeredSpotRental
from tests.e2e.rental import PATIENCE, wait
from tests.e2e.steered import DOCUMENTS, kept
from tests.support.clusters.aws import Aws
from tests.support.clusters.aws_machines import REGIONS

if TYPE_CHECKING:
    from tests.e2e.steered import Kept

pytestmark = pytest.mark.e2e

SHARDS = 30  # one machine needs 280 s for them
DEADLINE = "40m"
DRY_DEADLINE = "25m"  # on demand starts by itself after a quarter of the time for which it may wait
# What the account pays for spot now, by EC2's own history: the cheapest zone has no machine, and the last is elsewhere.
SPOT = {CHEAPEST: "0.3000", "us-east-1a": "0.3300", "us-west-2c": "0.3900"}


def answered(found: "Kept", place: str) -> set[AskAnswer | None]:
    """What a zone said to requests for spot machines."""
    return {ask.answer for ask in found.asks if ask.purchase == "spot" and ask.place.endswith(place)}


def set_prices(cloud: Aws) -> None:
    for zone, usd in SPOT.items():
        cloud.spot_price(KIND, zone, usd, utc() - timedelta(minutes=5))


def test_zone_without_capacity_and_region_that_is_emptied_are_left_before_the_deadline(
    cloud: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.no_capacity(CHEAPEST)
    set_prices(cloud)
    rental = SteeredSpotRental(cloud, "steered", SHARDS, DEADLINE, list(SPOT))
    run = rental.plan()
    launcher = rental.start("launch", "plan.json", "--yes", "--max-cost", "5", *SECRETS)
    wait(lambda: rental.done(run) >= SHARDS // 2 or launcher.poll() is not None)
    assert launcher.poll() is None, rental.said()
    label = skypilot_task.label(run)
    working = [one for one in cloud.instances() if one.run == label]
    assert {one.zone for one in working} == {"us-east-1a"}
    taken = cloud.empty(REGIONS[0])
    assert {one.id for one in taken} == {one.id for one in working}
    assert launcher.wait(PATIENCE) == 0, rental.said()  # 7 would be: after the deadline

    found = kept(rental, run, DOCUMENTS * SHARDS)
    refused = answered(found, CHEAPEST)
    assert AskAnswer.NONE in refused
    assert AskAnswer.CAME not in refused
    assert AskAnswer.CAME in answered(found, "us-east-1a")
    assert AskAnswer.CAME in answered(found, "us-west-2c")
    lives = rental.lives(run)
    assert [life.how for life in lives if life.zone == "us-east-1a"].count(LifeEnd.PREEMPTED) == len(taken)
    assert {(life.purchase, life.zone) for life in lives} >= {("spot", "us-east-1a"), ("spot", "us-west-2c")}
    for life in found.document["machines"]:
        if life["purchase"] == "spot" and life["seconds"]:  # a request that was refused has none
            assert Decimal(life["usd_per_hour"]) == Decimal(SPOT[life["zone"]]), life
    events = rental.events(run)
    assert f"trouble: aws/us-east-1/{CHEAPEST} no capacity" in events
    assert any(e.startswith("preempted: ") and "aws/us-east-1/us-east-1a took it away" in e for e in events)
    why = {one.place: one.reason for one in found.decisions if one.what == "ask"}
    assert f"cheaper aws/us-east-1/{CHEAPEST} failed" in why["aws/us-east-1/us-east-1a"]
    assert re.search(r"cheaper (aws/us-east-1/us-east-1a|places) failed", why["aws/us-west-2/us-west-2c"])
    least = found.document["steering"]["hindsight"]
    if least["usd"] is not None:  # else the run was too short
        assert Decimal(least["paid"]) + Decimal(least["waived"] or 0) >= Decimal(least["usd"]) - Decimal(
            "0.02"
        )
    proof = rental.run("down", run, "--verify")
    assert proof.returncode == 0, proof.stderr + proof.stdout
    assert not cloud.instances()
    with capsys.disabled():
        print(f"\n{found.report}\n{rental.said()}\n" + "\n".join(events))
        print("\n".join(f"{d.at:%T} {d.what} {d.place} x{d.count}: {d.reason}" for d in found.decisions))


def test_zones_that_have_none_on_spot_are_left_for_on_demand_before_the_deadline(
    cloud: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not cloud.empty(*REGIONS, spot=True)
    set_prices(cloud)
    rental = SteeredSpotRental(cloud, "dry", SHARDS, DRY_DEADLINE, list(SPOT))
    run = rental.plan()
    launcher = rental.start("launch", "plan.json", "--yes", "--max-cost", "5", *SECRETS)
    # Spot is asked for in turn, at up to two minutes an answer, before on demand boots: more than one launch takes.
    assert launcher.wait(2 * PATIENCE) == 0, rental.said()  # 7 would be: after the deadline

    found = kept(rental, run, DOCUMENTS * SHARDS)
    for zone in SPOT:
        assert AskAnswer.CAME not in answered(found, zone)
    assert AskAnswer.NONE in answered(found, CHEAPEST)
    assert AskAnswer.CAME in {ask.answer for ask in found.asks if ask.purchase == "on-demand"}
    worked = [life.purchase for life in rental.lives(run) if life.ready]
    assert worked
    assert set(worked) == {"on-demand"}
    assert {one.what for one in found.decisions if one.what != "ask"} & {"canary", "net"}
    proof = rental.run("down", run, "--verify")
    assert proof.returncode == 0, proof.stderr + proof.stdout
    assert not cloud.instances()
    with capsys.disabled():
        print(f"\n{found.report}\n{rental.said()}\n" + "\n".join(rental.events(run)))
        print("\n".join(f"{d.at:%T} {d.what} {d.place} x{d.count}: {d.reason}" for d in found.decisions))
