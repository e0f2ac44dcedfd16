"""Spot machines of AWS, through SkyPilot's own provisioner: no capacity, preemption, an orphan, and proof of the end.

Needs root, overlayfs, Debian's openssh-server and sudo, moto in `.venv` and the environment `.venv-cloud`:
`make e2e-aws` sets all of them up.
"""

import json
import re
import shlex
import subprocess
from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tasks import skypilot_task
from tasks.clock import utc
from tests.e2e.aws_rental import CHEAPEST, KIND, SECRETS, SpotRental, spot_of
from tests.e2e.rental import PATIENCE, Launches, wait
from tests.e2e.steered import DOCUMENTS
from tests.support.clusters.aws import Aws
from tests.support.clusters.aws_machines import REGIONS
from tests.support.clusters.skyhome import CLOUD
from tests.support.webhook import Webhook, listening

pytestmark = pytest.mark.e2e

ZONES = ("us-east-1a", "us-west-2c")  # of the fleet, once the cheapest has no capacity
SHARDS = 60


@pytest.fixture
def hook() -> Generator[Webhook, None, None]:
    with listening() as found:
        yield found


BEFORE, AFTER = "0.3111", "0.4222"  # dollars an hour by EC2's own history


def change_prices(cloud: Aws, usd: str, at: datetime) -> None:
    for zone in ZONES:
        cloud.spot_price(KIND, zone, usd, at)


def charged(rental: Launches, run: str, moved: datetime) -> int:
    """Lives that were charged at the new price from when it came; all were at the old one until then."""
    shown = rental.run("report", run, "--json")
    assert shown.returncode == 0, shown.stderr
    lives: list[dict[str, Any]] = json.loads(shown.stdout)["machines"]
    for life in lives:
        over = life["ended"] is not None and datetime.fromisoformat(life["ended"]) <= moved
        began = datetime.fromisoformat(life["started"])
        assert life["usd_per_hour"] == (BEFORE if began < moved else AFTER), life
        changes = [] if over or began >= moved else [{"at": moved.isoformat(), "usd_per_hour": AFTER}]
        assert life["prices"] == changes, life
    return sum(bool(life["prices"]) for life in lives)


def messages(hook: Webhook, run: str, stray: str) -> list[str]:
    """What a run's launcher sent, from its start to the machine that it left."""
    sent = [body["text"] for body in hook.bodies]
    assert sent[0].startswith(f"{run}: started, ")
    assert any(text.startswith(f"{run}: done, ") for text in sent)
    assert f"{run}: {stray} is left although the run is over, and costs money: embedfleet down {run}" in sent
    return sent


def removed_by_its_remedy(cloud: Aws, rental: Launches, orphan: str) -> str:
    """What doctor says of a machine of a run that is not known here, and that what it advises takes it away."""
    found = rental.run("doctor", "--orphans", "--json")
    (line,) = [c for c in json.loads(found.stdout)["checks"] if c["name"] == f"orphan {orphan}"]
    assert re.search(
        r"g6\.xlarge spot in aws us-west-2\w, running, of run gone-1a2b3c4d, \d+\.\d hours, \$0\.\d\d so far",
        line["seen"],
    )
    words = shlex.split(line["hint"])
    subprocess.run(
        [str(CLOUD / "bin" / words[0]), *words[1:]], env=rental.environment, check=True, capture_output=True
    )
    assert not cloud.instances()
    return str(line["seen"])


def running(cloud: Aws, run: str) -> int:
    """Jobs that SkyPilot calls running: what is lost before it does not count as taken away, with SkyPilot."""
    done = cloud.sky.sky("jobs", "queue", "-o", "json")
    found: list[dict[str, str]] = (
        json.loads(done.stdout[done.stdout.index("[") :]) if "[" in done.stdout else []
    )
    return sum(job["job_name"].startswith(run) and job["status"].endswith("RUNNING") for job in found)


def test_spot_fleet_of_two_regions_survives_and_leaves_nothing(
    cloud: Aws, hook: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.no_capacity(CHEAPEST)
    orphan = cloud.plant(
        REGIONS[1], KIND, {skypilot_task.RUN_LABEL: "gone-1a2b3c4d", skypilot_task.GROUP_LABEL: "group-0"}
    )
    rental = SpotRental(cloud, "spot", SHARDS, hook.url)
    change_prices(cloud, BEFORE, utc() - timedelta(days=1))
    run = rental.plan()
    launcher = rental.start("launch", "plan.json", "--yes", "--max-cost", "5", *SECRETS)

    wait(lambda: rental.done(run) >= 3 or launcher.poll() is not None)
    assert launcher.poll() is None, rental.said()
    wait(
        lambda: running(cloud, run) == 3 or launcher.poll() is not None
    )  # by SkyPilot's word, which comes late
    assert launcher.poll() is None, rental.said()
    ours = [one for one in cloud.instances() if one.run == skypilot_task.label(run)]
    assert {one.region for one in ours} == set(REGIONS)
    assert all(one.spot for one in ours)
    assert CHEAPEST not in {one.zone for one in ours}
    assert any(asked["refused"] for asked in cloud.asked())
    taken = ours[0]
    cloud.terminate(taken)
    moved = utc().replace(microsecond=0)
    change_prices(cloud, AFTER, moved)
    # A machine of ours that SkyPilot does not know: only EC2 lists it.
    stray = cloud.plant(REGIONS[0], KIND, {skypilot_task.RUN_LABEL: skypilot_task.label(run)})
    assert launcher.wait(PATIENCE) == 0, rental.said()

    verified = rental.run("verify", run, "--json")
    assert verified.returncode == 0, verified.stderr
    verdict = json.loads(verified.stdout)
    assert (verdict["documents"], verdict["fault_count"], verdict["failed_rows"]) == (
        DOCUMENTS * SHARDS,
        0,
        0,
    )
    assert any(e.startswith("preempted: ") for e in rental.events(run))
    assert {(life.purchase, life.instance_type) for life in rental.lives(run)} == {("spot", KIND)}
    for life in rental.lives(run):
        assert life.usd_per_hour == spot_of(life.zone), f"{life.zone} is charged at another zone's price"

    assert charged(rental, run, moved) >= 2  # the one that was taken may have gone before

    remedy = f"aws ec2 terminate-instances --region {REGIONS[0]} --instance-ids {stray}"
    assert remedy in rental.said()
    assert any(e.startswith(f"orphan: {stray}: {KIND} in aws {REGIONS[0]}") for e in rental.events(run))
    sent = messages(hook, run, stray)
    left = rental.run("down", run, "--verify")
    assert left.returncode == 1
    assert remedy in left.stderr
    gone = rental.run("down", run, timeout=600)
    assert gone.returncode == 0, gone.stderr
    proof = rental.run("down", run, "--verify")
    assert proof.returncode == 0, proof.stderr + proof.stdout
    assert proof.stdout.startswith(
        f"0 machines have the label embedfleet-run={skypilot_task.label(run)}; asked: SkyPilot, aws "
    )
    assert [one.id for one in cloud.instances()] == [orphan]

    seen = removed_by_its_remedy(cloud, rental, orphan)
    with capsys.disabled():
        print(f"\n{taken.id} taken away in {taken.zone}; {rental.said().splitlines()[-1]}")
        print("\n".join([proof.stdout.strip(), seen, *rental.events(run), *sent]))
