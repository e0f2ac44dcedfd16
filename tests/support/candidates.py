"""Machines for the tests of the planning core: one that is easy to reckon with, and whole markets drawn by seed."""

import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from launcher.planning.estimates.estimate import NO_PREEMPTION, Candidate
from launcher.throughput.spread import Spread

# Per GPU: dollars an hour on spot and tokens a second, of the right order.
GPUS = {
    "T4": (0.2, 1_500),
    "L4": (0.3, 5_000),
    "A10G": (0.4, 6_000),
    "L40S": (0.9, 16_000),
    "A100-80GB": (1.6, 15_000),
    "H100": (2.5, 40_000),
}


def sure(number: float) -> Spread:
    """A figure without any doubt."""
    return Spread(number, number, number)


def candidate(**changes: Any) -> Candidate:
    """3.6M tokens and one dollar an hour, and five minutes to start; nothing about it varies."""
    plain = Candidate(
        cloud="gcp",
        region="us-central1",
        gpu="L4",
        gpus=1.0,
        spot=False,
        usd_per_hour=Decimal(1),
        tokens_per_second=sure(1_000),
        speed_source="a test",
        cold_start=sure(300),
        disk_usd_per_hour=Decimal(0),
        egress_usd_per_token=Decimal(0),
    )
    return replace(plain, **changes)


def free(**changes: Any) -> Candidate:
    """The same, and it starts at once."""
    return candidate(cold_start=sure(0), **changes)


def candidates(seed: int, count: int, regions: int = 6) -> list[Candidate]:
    """A market such as clouds make it: half of it spot, one to eight GPUs, prices about a median."""
    dice = random.Random(seed)
    return [_drawn(dice, number, regions) for number in range(count)]


def _drawn(dice: random.Random, number: int, regions: int) -> Candidate:
    gpu, (usd, rate) = dice.choice(list(GPUS.items()))
    gpus, spot = dice.choice((1, 1, 1, 2, 4, 8)), dice.random() < 0.5
    price = usd * gpus * (1 if spot else 2.5) * dice.lognormvariate(0, 0.3)
    return candidate(
        cloud=dice.choice(("aws", "azure", "gcp")),
        region=f"r{dice.randrange(regions)}",
        gpu=gpu,
        gpus=float(gpus),
        spot=spot,
        floats=spot,
        usd_per_hour=Decimal(f"{price:.4f}"),
        tokens_per_second=Spread(rate * gpus / 2, rate * gpus, rate * gpus * 2),
        speed_source="predicted: a test",
        cold_start=Spread(200, 300, 500),
        instance_type=f"type-{number}",
        hazard=Spread(0.01, 0.1, 0.4) if spot else NO_PREEMPTION,
        disk_usd_per_hour=Decimal("0.01"),
    )


def groups(found: Sequence[Candidate], each: int) -> dict[tuple[str, str, str, bool], int]:
    """So many machines of each group are to be had."""
    return {one.group: each for one in found}
