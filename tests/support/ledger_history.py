"""The whole history of a fleet, written into a ledger as the controller would: 3 clouds, 40 machines, 60 preemptions.

Two prices change while machines run, the clock of one machine is wrong by five hours, and the end of one is not known.
`HISTORY` is the truth from which the tests compute what they expect.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from launcher.ledger.ledger import Ledger
from launcher.ledger.records import (
    LeaseOutcome,
    LifeEnd,
    MachineState,
    ObservedLease,
    ObservedPrice,
    RunState,
    Site,
)
from tasks.protocol.receipt import Receipt
from tasks.protocol.shard import Shard, Slice
from tests.support import sample_plan

START = datetime(2026, 11, 2, 8, tzinfo=UTC)
RUN = "reviews-0a1b2c3d"
AWS_PRICE_CHANGE_SECONDS, GCP_PRICE_CHANGE_SECONDS = 7_000, 9_500  # when spot prices changed
WRONG_CLOCK = "m05"  # its worker is five hours ahead
NO_END = "m11"
FINISH_SECONDS = 16_200
NOW_SECONDS = 18_000
CLOCK_ERROR_SECONDS = 18_000

PLACES = {
    "aws": ("us-east-1", "g6.xlarge", "0.3217", "0.4111"),
    "gcp": ("us-central1", "g2-standard-4", "0.2894", "0.2533"),
    "azure": ("eastus", "Standard_NV36ads_A10_v5", "0.6402", "0.6402"),
}
OTHER_REGION = {"aws": "us-west-2", "gcp": "europe-west4", "azure": "westeurope"}


@dataclass
class ScriptedLife:
    """Seconds since START. `prices`: (from when, dollars an hour), the first from `up`."""

    machine: str
    number: int
    cloud: str
    region: str
    up: int
    ready: int
    end: int | None
    preempted: bool
    prices: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def draw_lives() -> list[ScriptedLife]:
    """Draw which machine ran when and where. 60 of the lives end with a preemption."""
    dice = Random(20261102)
    machines = [f"m{i:02d}" for i in range(40)]
    taken = [dice.choice(machines[:36]) for _ in range(60)]
    lives: list[ScriptedLife] = []
    for i, name in enumerate(machines):
        cloud = ("aws", "gcp", "azure")[i % 3]
        region, _, before, after = PLACES[cloud]
        preemptions = taken.count(name)
        starts = sorted(dice.sample(range(1_500, 15_000), preemptions))
        up = 60 + dice.randrange(400)
        for number in range(preemptions + 1):
            last = number == preemptions
            place = region if number % 2 == 0 else OTHER_REGION[cloud]
            price = before if place == region else f"{Decimal(before) * Decimal('1.15'):.4f}"
            end = FINISH_SECONDS + dice.randrange(20, 200) if last else max(up + 45, starts[number])
            life = ScriptedLife(name, number, cloud, place, up, up + 140 + dice.randrange(90), end, not last)
            life.prices.append((up, price))
            change = {"aws": AWS_PRICE_CHANGE_SECONDS, "gcp": GCP_PRICE_CHANGE_SECONDS}.get(cloud)
            if change and place == region:
                if up >= change:
                    life.prices[0] = (up, after)
                elif life.end and change < life.end:
                    life.prices.append((change, after))
            if name == NO_END and last:
                life.end = None
            lives.append(life)
            up = (life.end or 0) + 90 + dice.randrange(300)
    return lives


HISTORY = draw_lives()


def plan() -> dict[str, Any]:
    """The plan of the run: three machine groups, slightly too fast, at the prices before they changed."""
    groups: list[dict[str, Any]] = []
    tokens = {"aws": 260_000_000, "gcp": 250_000_000, "azure": 250_000_000}
    compute = Decimal(0)
    for cloud, (region, machine, price, _) in PLACES.items():
        gpu = "A10" if cloud == "azure" else "L4"
        speed = 1_500.0
        compute += Decimal(tokens[cloud]) / Decimal(speed) / 3600 * Decimal(price)
        groups.append(
            {
                "gpu": gpu, "gpus_per_machine": 1, "cloud": cloud, "regions": [region], "spot": True,
                "machines": 13, "workers": 1, "threads": None, "tokens": tokens[cloud],
                "tokens_per_second": speed, "speed_source": "predicted", "usd_per_hour": price,
                "usd_per_million_tokens": None, "places": [
                    {"region": region, "zone": None, "instance_type": machine, "machines": 13, "usd_per_hour": price}
                ],
            }
        )  # fmt: skip
    items = {
        "compute": f"{compute:.8f}", "cold_start": "0.71", "preemption": "1.20", "idle_tail": "0.10",
        "disk": "0.62", "storage": "0.31", "egress": "1.84", "controller": "0.80",
    }  # fmt: skip
    total = sum(map(Decimal, items.values()), Decimal(0))
    sample = sample_plan.plan()
    job = {
        "name": "reviews", "model": "BAAI/bge-m3", "limits": {"budget": "90"},
        "corpus": {"path": "s3://reviews", "region": "aws/us-east-1"},
        "output": {"path": "s3://vectors", "region": "aws/us-east-1"},
    }  # fmt: skip
    return sample | {
        "run": RUN,
        "work": sample["work"] | {"job": job, "model": "BAAI/bge-m3", "engine": "vllm"},
        "profile": sample["profile"] | {
            "documents": 7_000_000, "chunks": 7_000_000, "tokens": 760_000_000, "bytes": 3_000_000_000,
            "lengths": [[1.0, 108.0]],
        },
        "cheaper": None,
        "lots": groups,
        "totals": {
            "usd": _quantiles(total),
            "hours": {"p10": 3.6, "p50": 4.1, "p90": 5.2},
            "usd_per_million_tokens": f"{total / 760:.6f}",
            "machines": 39,
            "items": items,
        },
        "frontier": [],
        "alternatives": [sample["alternatives"][0] | {"name": "on demand alone", "usd": _quantiles(Decimal("148.20"))}],
        "kinds": [
            sample["kinds"][0] | {
                "gpu": gpu, "cloud": cloud, "region": region, "spot": True, "usd": _quantiles(Decimal(usd)),
            }
            for gpu, cloud, region, usd in (
                ("H100", "gcp", "us-central1", "93.10"), ("T4", "aws", "us-east-1", "121.50"),
            )
        ],
        "hosted": [
            sample["hosted"][0] | {
                "provider": "openai", "model": "text-embedding-3-small", "comparable": False,
                "usd_per_million_tokens": "0.02", "as_of": "2026-11-01",
            }
        ],
        "quota_needed": [],
        "binding": [],
        "not_priced": [],
        "left_out": {},
        "prices_as_of": "2026-11-01",
        "digest": "0a1b2c3d",
    }  # fmt: skip


def _quantiles(usd: Decimal) -> dict[str, str]:
    return {"p10": f"{usd * Decimal('0.8'):.4f}", "p50": f"{usd}", "p90": f"{usd * Decimal('1.4'):.4f}"}


def write_history(ledger: Ledger, name: str = "reviews", place_suffix: str = "") -> None:
    """Write the history as the controller writes it while it happens."""
    import json

    ledger.runs.create(RUN, name, json.dumps(plan()), "0a1b2c3d", "s3://vectors", START, "fleet")
    ledger.runs.set_state(RUN, RunState.RUNNING, START)
    for i in range(40):
        cloud = ("aws", "gcp", "azure")[i % 3]
        region, machine, price, _ = PLACES[cloud]
        site = Site(cloud, region + place_suffix, None, "spot", machine, 1, 100)
        gpu = "A10" if cloud == "azure" else "L4"
        ledger.machines.intend(RUN, f"m{i:02d}", i, Decimal(price), at(0), gpu=gpu, lot=i % 3, site=site)
        ledger.machines.confirm(f"m{i:02d}", f"job-{i}", at(2))
    receipts: list[Receipt] = []
    lost: list[ObservedLease] = []
    for life in HISTORY:
        _write_life(ledger, life, receipts, lost, place_suffix)
    ledger.shards.add(
        RUN, [Shard(r.shard, r.position, (Slice("a", "1", "jsonl"),), 1, r.tokens) for r in receipts]
    )
    ledger.shards.record_receipts(RUN, receipts)
    ledger.shards.record_leases(RUN, lost)
    ledger.runs.set_state(RUN, RunState.DONE, at(FINISH_SECONDS + 230))


def _write_life(
    ledger: Ledger, life: ScriptedLife, receipts: list[Receipt], lost: list[ObservedLease], place_suffix: str
) -> None:
    worker = f"{life.machine}-0" + (f"r{life.number}" if life.number else "")
    clock = CLOCK_ERROR_SECONDS if life.machine == WRONG_CLOCK else 0
    site = Site(life.cloud, life.region + place_suffix, None, "spot", PLACES[life.cloud][1], 1, 100)
    ledger.machines.begin_life(life.machine, life.number, at(life.up), site, Decimal(life.prices[0][1]))
    ledger.costs.record_prices(
        ObservedPrice(life.machine, at(since), "spot history", Decimal(usd), life.number)
        for since, usd in life.prices[1:]
    )
    moment = life.ready
    end = FINISH_SECONDS if life.end is None or not life.preempted else life.end
    if moment < end:
        ledger.machines.mark_ready(life.machine, at(moment))
    while moment + 64 <= end:
        receipts.append(_receipt(len(receipts), worker, moment + 2 + clock, moment + 62 + clock))
        moment += 64
    if life.preempted:
        if moment + 4 < end:
            claimed = at(moment + 2 + clock)
            shard = f"{len(receipts):016x}"  # another worker takes the shard next
            lost.append(ObservedLease(shard, 1, worker, claimed, at(end), at(end), LeaseOutcome.LOST))
        ledger.machines.end_life(life.machine, life.number, at(end), LifeEnd.PREEMPTED)
    elif life.end is not None:
        ledger.machines.mark_stopping(life.machine, at(FINISH_SECONDS + 5))
        ledger.machines.end(life.machine, MachineState.STOPPED, at(life.end), "the run is done", 0)
        ledger.machines.mark_gone(life.machine, at(life.end + 30))


def _receipt(position: int, worker: str, started: float, finished: float) -> Receipt:
    return Receipt(
        run=RUN, shard=f"{position:016x}", position=position, worker=worker, generation=2, nonce="n",
        key=f"data/{position:016x}-2.parquet", digest="0" * 64, output_bytes=5_000_000,
        input_bytes=400_000, documents=800, chunks=800, tokens=84_000 + position % 5 * 100, tokens_cut=3,
        failed_rows=0, quarantine=None, started=at(started), finished=at(finished),
        stages={"engine": 55.0, "read": 2.0},
    )  # fmt: skip


def ledger_of(folder: Path) -> Ledger:
    ledger = Ledger.open(folder / "ledger.db")
    write_history(ledger)
    return ledger
