"""Spot machines of AWS, through SkyPilot's own provisioner: no capacity, preemption, an orphan, and proof of the end.

Needs root, overlayfs, Debian's openssh-server and sudo, moto in `.venv` and the environment `.venv-cloud`:
`make e2e-fleet` sets all of them up.
"""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Generator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pricing.book import price_book
from tasks import skypilot_task
from tasks.clock import utc
from tests.e2e.rental import PATIENCE, SLOW, Launches, lot, place, rented, wait
from tests.support.cli_runs import records
from tests.support.clusters import aws, machine
from tests.support.clusters.aws import BUCKET, REGIONS, Aws
from tests.support.clusters.skyhome import CLOUD
from tests.support.webhook import Webhook, listening

pytestmark = pytest.mark.e2e

KIND = "g6.xlarge"  # with one L4
CHEAPEST = "us-east-1c"  # of its zones on spot, as moto names use1-az2: what SkyPilot tries first
SHARDS = 60


@pytest.fixture(scope="module")
def cloud(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Aws, None, None]:
    lacking = aws.missing()
    if lacking:
        pytest.skip("; ".join(lacking))
    folder = Path("/tmp") / f"aws-{tmp_path_factory.getbasetemp().name}"  # every user may enter it
    shutil.rmtree(folder, ignore_errors=True)
    cluster = Aws(folder)
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.down()
        if not request.session.testsfailed:  # else its logs say why
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def hook() -> Generator[Webhook, None, None]:
    with listening() as found:
        yield found


BEFORE, AFTER = "0.3111", "0.4222"  # dollars an hour by EC2's own history


def change_prices(cloud: Aws, usd: str, at: datetime) -> None:
    for zone in ZONE_IDS:
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


class Spot(Launches):
    """A job in the cluster's object store, with a plan for three spot machines in two regions."""

    def __init__(self, cloud: Aws, name: str) -> None:
        super().__init__(cloud.sky, cloud.folder / name, machine.HERE / "worker-env")
        self.cloud = cloud
        self.settings = dict(SLOW)

    def plan(self) -> str:
        """The plan of a corpus of so many shards; the run's name."""
        lines = "".join(json.dumps(record) + "\n" for record in records("d", [510] * 32 * SHARDS))
        self.cloud.s3.put_object(Bucket=BUCKET, Key="in/a.jsonl", Body=lines.encode())
        (self.folder / "job.yaml").write_text(
            f"name: {self.folder.name}\ncorpus: {{path: 's3://{BUCKET}/in/*.jsonl', text: text, id: id}}\nmodel: hash\n"
            f"engine: hash\nchunk: {{tokens: 128, overlap: 16}}\noutput: {{path: 's3://{BUCKET}/out'}}\n"
            "notify: $WEBHOOK\n"
        )
        planned = self.run("plan", "job.yaml", "-o", "plan.json", "--on", "local", "--offline")
        assert planned.returncode == 0, planned.stderr
        path = self.folder / "plan.json"
        places = [place(region, *cheapest(region)) for region in REGIONS]
        places[0]["machines"], places[1]["machines"] = 2, 1
        body = rented(
            json.loads(path.read_text()), [lot("aws", "L4", places, spot=True, rate=2000.0)], "hash"
        )
        path.write_text(json.dumps(body))
        return str(body["run"])

    def done(self, run: str) -> int:
        """Shards with a receipt."""
        pages = self.cloud.s3.get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=BUCKET, Prefix=f"out/_embedfleet/{run}/receipts/")
        return sum(page.get("KeyCount", 0) for page in found)


def cheapest(region: str) -> tuple[str | None, str, int, Decimal | None]:
    """The zone, the type, no machines yet, and the price of an hour on spot, by the snapshot of prices."""
    offers = [
        o
        for o in price_book.load()
        if (o.cloud, o.region, o.instance_type, o.purchase) == ("aws", region, KIND, "spot")
    ]
    best = min(offers, key=lambda o: o.usd_per_hour or Decimal("inf"))
    return best.zone, KIND, 0, best.usd_per_hour


# The zones of the fleet by the name that means the same to all, as moto has them.
ZONE_IDS = {"us-east-1a": "use1-az6", "us-west-2c": "usw2-az3"}


def spot_of(zone: str | None) -> Decimal | None:
    """What an hour costs on spot in this zone."""
    (found,) = [o for o in price_book.load() if o.instance_type == KIND and o.zone == ZONE_IDS[str(zone)]]
    return found.usd_per_hour


def test_spot_fleet_of_two_regions_survives_and_leaves_nothing(
    cloud: Aws, hook: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.no_capacity(CHEAPEST)
    orphan = cloud.plant(
        REGIONS[1], KIND, {skypilot_task.RUN_LABEL: "gone-1a2b3c4d", skypilot_task.LOT_LABEL: "lot-0"}
    )
    rental = Spot(cloud, "spot")
    rental.settings["WEBHOOK"] = hook.url
    change_prices(cloud, BEFORE, utc() - timedelta(days=1))
    run = rental.plan()
    secrets = ["--secret", "AWS_ACCESS_KEY_ID", "--secret", "AWS_SECRET_ACCESS_KEY"]
    launcher = rental.start("launch", "plan.json", "--yes", "--max-cost", "5", *secrets)

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
    assert (verdict["documents"], verdict["fault_count"], verdict["failed_rows"]) == (32 * SHARDS, 0, 0)
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
