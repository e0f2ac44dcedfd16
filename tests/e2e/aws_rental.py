"""Jobs on the AWS cluster: corpus, vectors and leases in its object store, machines with one L4 in two regions."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from launcher.planning.saved import plan_file
from pricing.book import price_book
from tests.e2e.rental import SLOW, Launches, group, place, rented
from tests.e2e.steered import (
    COLD_START_SECONDS,
    DOCUMENTS,
    GPU,
    MACHINES,
    TOKENS_PER_SECOND,
    kind,
    steering,
)
from tests.support.cli_runs import records
from tests.support.clusters import machine
from tests.support.clusters.aws import BUCKET, Aws
from tests.support.clusters.aws_machines import REGIONS

KIND = "g6.xlarge"  # with one L4
CHEAPEST = "us-east-1c"  # of its zones on spot: what SkyPilot tries first
# Zones by the name that moto's account has for them, and by the id that means the same to all, as price books do.
ZONE_IDS = {"us-east-1a": "use1-az6", "us-east-1c": "use1-az2", "us-west-2c": "usw2-az3"}
SECRETS = ("--secret", "AWS_ACCESS_KEY_ID", "--secret", "AWS_SECRET_ACCESS_KEY")


class AwsRental(Launches):
    """A folder to launch a job of the hash engine over `shards` shards from; `more` is a line of its job file."""

    def __init__(self, cloud: Aws, name: str, shards: int, more: str) -> None:
        super().__init__(cloud.sky, cloud.folder / name, machine.HERE / "worker-env")
        self.cloud = cloud
        self.shards = shards
        self.more = more
        self.settings = dict(SLOW)

    def planned(self) -> dict[str, Any]:
        """The plan of this machine for the corpus, which it writes into the object store first."""
        lines = "".join(json.dumps(record) + "\n" for record in records("d", [510] * DOCUMENTS * self.shards))
        name = self.folder.name
        self.cloud.s3.put_object(Bucket=BUCKET, Key=f"{name}/in/a.jsonl", Body=lines.encode())
        (self.folder / "job.yaml").write_text(
            f"name: {name}\ncorpus: {{path: 's3://{BUCKET}/{name}/in/*.jsonl', text: text, id: id}}\nmodel: hash\n"
            f"engine: hash\nchunk: {{tokens: 128, overlap: 16}}\noutput: {{path: 's3://{BUCKET}/{name}/out'}}\n"
            f"{self.more}\n"
        )
        done = self.run("plan", "job.yaml", "-o", "plan.json", "--on", "local", "--offline")
        assert done.returncode == 0, done.stderr
        body: dict[str, Any] = json.loads((self.folder / "plan.json").read_text())
        return body

    def write(self, body: dict[str, Any]) -> str:
        """Write a plan that is to be launched; the run's name."""
        (self.folder / "plan.json").write_text(json.dumps(body))
        return str(body["run"])

    def done(self, run: str) -> int:
        """Shards with a receipt."""
        pages = self.cloud.s3.get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=BUCKET, Prefix=f"{self.folder.name}/out/_embedfleet/{run}/receipts/")
        return sum(page.get("KeyCount", 0) for page in found)


class SpotRental(AwsRental):
    """Its plan has three spot machines, two of them in the first region, and its launcher tells a webhook."""

    def __init__(self, cloud: Aws, name: str, shards: int, webhook: str) -> None:
        super().__init__(cloud, name, shards, "notify: $WEBHOOK")
        self.settings["WEBHOOK"] = webhook

    def plan(self) -> str:
        """Write the plan; the run's name."""
        places = [place(region, *cheapest(region)) for region in REGIONS]
        places[0]["machines"], places[1]["machines"] = 2, 1
        groups = [group("aws", GPU, places, spot=True, rate=TOKENS_PER_SECOND)]
        return self.write(rented(self.planned(), groups, "hash"))


class SteeredSpotRental(AwsRental):
    """Its plan may rent `MACHINES` machines: spot in these zones, the first of which it is planned in, or on demand."""

    def __init__(self, cloud: Aws, name: str, shards: int, deadline: str, zones: Sequence[str]) -> None:
        super().__init__(cloud, name, shards, f"limits: {{deadline: {deadline}, budget: $5}}")
        self.zones = zones
        self.settings["EMBEDFLEET_COLD_START_SECONDS"] = str(COLD_START_SECONDS)

    def plan(self) -> str:
        """Write the plan; the run's name."""
        first = place(self.zones[0][:-1], self.zones[0], KIND, MACHINES, spot_of(self.zones[0]))
        groups = [group("aws", GPU, [first], spot=True, rate=TOKENS_PER_SECOND)]
        body = rented(self.planned(), groups, "hash")
        body.pop("digest")
        kinds = [
            kind("aws", zone[:-1], zone, KIND, spot=True, usd=spot_of(zone) or Decimal(0))
            for zone in self.zones
        ]
        kinds += [kind("aws", region, None, KIND, spot=False, usd=on_demand_of(region)) for region in REGIONS]
        body["steering"] = steering(kinds)
        return self.write(plan_file.signed(body))


def cheapest(region: str) -> tuple[str | None, str, int, Decimal | None]:
    """The zone, the type, no machines yet, and the price of an hour on spot, by the snapshot of prices."""
    offers = [
        o
        for o in price_book.load()
        if (o.cloud, o.region, o.instance_type, o.purchase) == ("aws", region, KIND, "spot")
    ]
    best = min(offers, key=lambda o: o.usd_per_hour or Decimal("inf"))
    return best.zone, KIND, 0, best.usd_per_hour


def spot_of(zone: str | None) -> Decimal | None:
    """What an hour costs on spot in this zone."""
    (found,) = [o for o in price_book.load() if o.instance_type == KIND and o.zone == ZONE_IDS[str(zone)]]
    return found.usd_per_hour


def on_demand_of(region: str) -> Decimal:
    """What an hour costs on demand in this region."""
    (found,) = [
        o.usd_per_hour
        for o in price_book.load()
        if (o.region, o.instance_type, o.purchase) == (region, KIND, "on-demand") and o.usd_per_hour
    ]
    return found
