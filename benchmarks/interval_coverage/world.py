"""Drawn worlds: true prices and the older quotes that the planner sees, and how the chosen fleet does in them.

What is drawn, and from what evidence:

- prices: the snapshot's prices are taken as the true ones. A quote that is so many days old differs by a random walk of
  DAILY, shared in part by the offers of one GPU type and cloud. Spot prices of GCP drift upwards (1.09 to 1.62 times in
  126 days of 2026, as price histories of its L4, T4 and A100 show); those of AWS moved by 0.008 in a day.
- speeds: the plan's own P10, P50 and P90, one part of the error common to all GPUs and one of each GPU. Whether those
  widths are right is for the benchmark of speeds to say.
- starts: boot and setup between the low and high figure of cold_start.csv, log-normal, common and own parts; the download
  of the weights between 92 and 682 MB/s; the engine's start 36 to 70 s, as vLLM took on an H200.
- waits for capacity: every fifth launch of a spot machine waits, 10 minutes on average; every twentieth on demand.
- SkyPilot's controller: 2 to 5 minutes before the first launch, assumed; paid until 10 minutes after the last machine.
- preemptions: the rate between the low and high of hazard.csv, the same for all machines of a type.
"""

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from math import exp, log, sqrt
from pathlib import Path
from typing import Any

from benchmarks.interval_coverage.simulator import MachineKind, Outcome, run
from pricing.offer import Offer

P90 = 1.2816
SNAPSHOT = Path(__file__).parents[2] / "pricing" / "snapshot"
DAILY = {
    "gcp": 0.012,
    "aws": 0.008,
}  # standard deviation of a spot price's logarithm, per square root of a day
DAILY_ELSEWHERE = 0.02
GCP_RISE = log(1.33) / 126  # of the logarithm of a spot price, by day
COMMON = 0.7  # of the variance of prices of one type, and of speeds, that is shared
QUOTE_DAYS = 45.0  # the age of a quote, on average
ENGINE_SECONDS = (36.0, 70.0)
DOWNLOAD_BYTES = (92e6, 682e6)  # per second
CONTROLLER_SECONDS, CONTROLLER_USD = (120.0, 300.0), 0.192  # m6i.xlarge in us-east-1, by the hour
WAITING_SHARE, WAITING_HOURS = {True: 0.2, False: 0.05}, 10 / 60
UNKNOWN_HAZARD = (0.005, 0.05)  # where no row of hazard.csv names the machine


@dataclass(frozen=True)
class View:
    """What the planner sees, and the true price of each quote it may choose, by place, machine and purchase."""

    offers: tuple[Offer, ...]
    true_usd: dict[tuple[str, str, str | None, str, bool], float]


def key_of(offer: Offer) -> tuple[str, str, str | None, str, bool]:
    """What a place of a plan is found by."""
    return offer.cloud, offer.region, offer.zone, offer.machine, offer.spot


def view_of(offers: Sequence[Offer], dice: random.Random, now: Any) -> View:
    """Quotes of another day for the prices that are true today. List prices are known exactly."""
    shared: dict[tuple[str, str], float] = {}
    seen: list[Offer] = []
    true: dict[tuple[str, str, str | None, str, bool], float] = {}
    for offer in offers:
        true[key_of(offer)] = float(offer.usd_per_hour)
        if not offer.spot:
            seen.append(replace(offer, as_of=now.date()))
            continue
        days = dice.expovariate(1 / QUOTE_DAYS)
        group = offer.cloud, offer.gpu
        shared.setdefault(group, dice.gauss(0, 1))
        walk = sqrt(COMMON) * shared[group] + sqrt(1 - COMMON) * dice.gauss(0, 1)
        moved = DAILY.get(offer.cloud, DAILY_ELSEWHERE) * sqrt(days) * walk
        moved += GCP_RISE * days if offer.cloud == "gcp" else 0.0
        quote = Decimal(f"{float(offer.usd_per_hour) * exp(-moved):.4f}")
        seen.append(replace(offer, usd_per_hour=quote, as_of=now.date() - timedelta(days=round(days))))
    return View(tuple(seen), true)


def carry_out(plan: dict[str, Any], view: View, parameters: float, dice: random.Random) -> dict[str, float]:
    """Hours and dollars of a plan's fleet in one drawing of the world that it was planned in."""
    common, slow_start = dice.gauss(0, 1), dict[str, float]()
    kinds: list[MachineKind] = []
    factors: dict[str, float] = {}
    speed = plan["totals"]["tokens_per_second"]
    for group in plan["lots"]:
        own = sqrt(COMMON) * common + sqrt(1 - COMMON) * dice.gauss(0, 1)
        end = speed["p90"] if own > 0 else speed["p10"]
        factor = factors.setdefault(group["gpu"], exp(abs(own) * log(end / speed["p50"]) / P90))
        hazard = _hazard(group, dice) if group["spot"] else 0.0
        slow = slow_start.setdefault(group["cloud"], dice.gauss(0, 1))
        for place in group["places"]:
            key = group["cloud"], place["region"], place["zone"], place["instance_type"], group["spot"]
            kinds.append(
                MachineKind(
                    count=place["machines"],
                    tokens_per_hour=group["tokens_per_second"] * factor * 3600,
                    usd_per_hour=view.true_usd[key],
                    preemptions_per_hour=hazard,
                    start_hours=_starts(group["cloud"], slow, parameters, dice),
                    wait_hours=_waits(group["spot"], dice),
                )
            )
    came = run(kinds, plan["profile"]["tokens"], dice, dice.uniform(*CONTROLLER_SECONDS) / 3600)
    return {"hours": came.hours, "usd": _usd(plan, came), "preemptions": came.preemptions}


def _usd(plan: dict[str, Any], came: Outcome) -> float:
    """Dollars of a run: its machines and the controller, and what the plan's items say about disks and data."""
    totals = plan["totals"]
    items = {name: float(usd or 0) for name, usd in totals["items"].items()}
    others = {"disk", "storage", "egress", "controller"}
    machine = sum(usd for name, usd in items.items() if name not in others)
    mean = (
        sum(float(group["usd_per_hour"]) * group["machines"] for group in plan["lots"]) / totals["machines"]
    )
    disk = items["disk"] * came.machine_hours / (machine / mean)
    controller = CONTROLLER_USD * came.controller_hours
    return came.machine_usd + disk + items["storage"] + items["egress"] + controller


def _starts(cloud: str, slow: float, parameters: float, dice: random.Random) -> Any:
    rows = {row["cloud"]: row for row in _rows("cold_start.csv")}
    row = rows.get(cloud, rows["*"])
    low, mid, high = (
        float(row[f"boot_{end}"]) + float(row[f"setup_{end}"]) for end in ("low", "mid", "high")
    )

    def draw() -> float:
        z = sqrt(COMMON) * slow + sqrt(1 - COMMON) * dice.gauss(0, 1)
        boot = mid * exp(z * log((high if z > 0 else mid * mid / low) / mid) / P90)
        rate = exp(dice.uniform(log(DOWNLOAD_BYTES[0]), log(DOWNLOAD_BYTES[1])))
        return (boot + 2 * parameters / rate + dice.uniform(*ENGINE_SECONDS)) / 3600

    return draw


def _waits(spot: bool, dice: random.Random) -> Any:
    share = WAITING_SHARE[spot]
    return lambda: dice.expovariate(1 / WAITING_HOURS) if dice.random() < share else 0.0


def _hazard(group: dict[str, Any], dice: random.Random) -> float:
    """Preemptions per hour of a type, log-uniform between the low and the high of the evidence."""
    found = [row for row in _rows("hazard.csv") if row["gpu"] == group["gpu"]]
    found = found or [row for row in _rows("hazard.csv") if row["gpu"] == "*"]
    low = min((float(row["per_hour_low"]) for row in found), default=UNKNOWN_HAZARD[0])
    high = max((float(row["per_hour_high"]) for row in found), default=UNKNOWN_HAZARD[1])
    return exp(dice.uniform(log(max(low, 1e-4)), log(high)))


def _rows(name: str) -> list[dict[str, str]]:
    with (SNAPSHOT / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
