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
from decimal import Decimal
from pathlib import Path

import pytest

from pricing import catalog
from tasks import spec
from tests.beds import aws, machine
from tests.beds.aws import BUCKET, REGIONS, Aws
from tests.beds.skyhome import CLOUD
from tests.e2e.rental import PATIENCE, SLOW, Launches, lot, place, rented, wait
from tests.launching import records

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
    bed = Aws(folder)
    try:
        bed.up()
        yield bed
    finally:
        bed.down()
        if not request.session.testsfailed:  # else its logs tell why
            shutil.rmtree(folder, ignore_errors=True)


def running(cloud: Aws, run: str) -> int:
    """Jobs that SkyPilot calls running: what is lost before it does not count as taken away, with SkyPilot."""
    done = cloud.sky.sky("jobs", "queue", "-o", "json")
    found: list[dict[str, str]] = (
        json.loads(done.stdout[done.stdout.index("[") :]) if "[" in done.stdout else []
    )
    return sum(job["job_name"].startswith(run) and job["status"].endswith("RUNNING") for job in found)


class Spot(Launches):
    """A job in the bed's object store, with a plan for three spot machines in two regions."""

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
        for o in catalog.load()
        if (o.cloud, o.region, o.instance_type, o.purchase) == ("aws", region, KIND, "spot")
    ]
    best = min(offers, key=lambda o: o.usd_per_hour or Decimal("inf"))
    return best.zone, KIND, 0, best.usd_per_hour


# The zones of the fleet by the name that means the same to all, as moto has them.
ZONE_IDS = {"us-east-1a": "use1-az6", "us-west-2c": "usw2-az3"}


def spot_of(zone: str | None) -> Decimal | None:
    """What an hour costs on spot in this zone."""
    (found,) = [o for o in catalog.load() if o.instance_type == KIND and o.zone == ZONE_IDS[str(zone)]]
    return found.usd_per_hour


def test_a_spot_fleet_of_two_regions_survives_and_leaves_nothing(
    cloud: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.no_capacity(CHEAPEST)
    orphan = cloud.plant(REGIONS[1], KIND, {spec.RUN_LABEL: "gone-1a2b3c4d", spec.LOT_LABEL: "lot-0"})
    rental = Spot(cloud, "spot")
    run = rental.plan()
    secrets = ["--secret", "AWS_ACCESS_KEY_ID", "--secret", "AWS_SECRET_ACCESS_KEY"]
    launcher = rental.start("launch", "plan.json", "--yes", "--max-cost", "5", *secrets)

    wait(lambda: rental.done(run) >= 3 or launcher.poll() is not None)
    assert launcher.poll() is None, rental.said()
    wait(
        lambda: running(cloud, run) == 3 or launcher.poll() is not None
    )  # by SkyPilot's word, which comes late
    assert launcher.poll() is None, rental.said()
    ours = [one for one in cloud.instances() if one.run == spec.label(run)]
    assert {one.region for one in ours} == set(REGIONS)
    assert all(one.spot for one in ours)
    assert CHEAPEST not in {one.zone for one in ours}
    assert any(asked["refused"] for asked in cloud.asked())
    taken = ours[0]
    cloud.terminate(taken)
    assert launcher.wait(PATIENCE) == 0, rental.said()

    verified = rental.run("verify", run, "--json")
    assert verified.returncode == 0, verified.stderr
    verdict = json.loads(verified.stdout)
    assert (verdict["documents"], verdict["fault_count"], verdict["failed_rows"]) == (32 * SHARDS, 0, 0)
    assert any(e.startswith("preempted: ") for e in rental.events(run))
    assert {life.purchase for life in rental.lives(run)} == {"spot"}
    for life in rental.lives(run):
        assert life.usd_per_hour == spot_of(life.zone), f"{life.zone} is charged at another zone's price"

    # A machine of ours that SkyPilot does not know: EC2 alone tells of it.
    stray = cloud.plant(REGIONS[0], KIND, {spec.RUN_LABEL: spec.label(run)})
    left = rental.run("down", run, "--verify")
    assert left.returncode == 1
    assert f"aws ec2 terminate-instances --region {REGIONS[0]} --instance-ids {stray}" in left.stderr
    gone = rental.run("down", run, timeout=600)
    assert gone.returncode == 0, gone.stderr
    proof = rental.run("down", run, "--verify")
    assert proof.returncode == 0, proof.stderr + proof.stdout
    assert proof.stdout.startswith(f"0 machines bear embedfleet-run={spec.label(run)}; asked: SkyPilot, aws ")
    assert [one.id for one in cloud.instances()] == [orphan]

    found = rental.run("doctor", "--orphans", "--json")
    (line,) = [c for c in json.loads(found.stdout)["checks"] if c["name"] == f"orphan {orphan}"]
    assert re.search(
        r"g6\.xlarge spot in aws us-west-2\w, running, of run gone-1a2b3c4d, \d+\.\d hours, \$0\.\d\d so far",
        line["seen"],
    )
    remedy = shlex.split(line["hint"])
    subprocess.run(
        [str(CLOUD / "bin" / remedy[0]), *remedy[1:]], env=rental.environment, check=True, capture_output=True
    )
    assert not cloud.instances()
    with capsys.disabled():
        print(f"\n{taken.id} taken away in {taken.zone}; {rental.said().splitlines()[-1]}")
        print("\n".join([proof.stdout.strip(), line["seen"], *rental.events(run)]))
