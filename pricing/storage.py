"""What keeping vectors costs: the list price of a GB for a month, and how many bytes vectors are.

The price is that of the standard class in one region, in the first tier (AWS and Azure take a little off beyond
50 TB), without requests. A region we have no price for gets a price that says it is assumed; a cloud we know
nothing of gets None.
"""

import csv
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from io import StringIO
from statistics import median_high
from typing import Literal

from pricing.egress import gigabytes

Dtype = Literal["float32", "float16", "int8", "binary"]
HOURS_OF_A_MONTH = 730  # as clouds turn a month's price into an hour's: 8,760 / 12

# Boot disks of machines, USD per GB and month at list: the default kind in one common region.
DISKS: dict[str, tuple[str, str, str, str]] = {
    "aws": ("0.08", "gp3", "us-east-1", "list price of EBS gp3, as public code tables agree, 2026-11"),
    "gcp": (
        "0.10",
        "balanced persistent disk",
        "us-central1",
        "list price of pd-balanced, as public pages agree (c3x.dev), 2026-11",
    ),
}

DISKS_AS_OF = date(2026, 11, 22)
SCALE = 4  # bytes of the number beside each vector of int8
BITS: dict[Dtype, int] = {"float32": 32, "float16": 16, "int8": 8, "binary": 1}


@dataclass(frozen=True, slots=True)
class Rate:
    """A price of storage: USD per GB and month, a GB being what the cloud means by it."""

    usd_per_gb_month: Decimal
    kind: str  # the class, such as "S3 Standard"
    as_of: date
    source: str
    assumed: str | None = None  # why this is not the region's own price, if it is not


def storage(cloud: str, region: str) -> Rate | None:
    """The price in a region; in one that has none of its own, the cloud's median price, and `assumed` says so."""
    known = _table().get(cloud)
    if known is None:
        return None
    rate = known.get(region) or known.get("*")
    if rate is not None:
        return rate
    middle = median_high(r.usd_per_gb_month for r in known.values())
    like, rate = next((place, r) for place, r in sorted(known.items()) if r.usd_per_gb_month == middle)
    why = f"no price for {cloud} {region}: the median of {len(known)} regions, that of {like}, is taken"
    return Rate(rate.usd_per_gb_month, rate.kind, rate.as_of, rate.source, why)


def month(cloud: str, region: str, size: int) -> Decimal | None:
    """USD for keeping so many bytes for a month; None: unknown."""
    rate = storage(cloud, region)
    return None if rate is None else rate.usd_per_gb_month * gigabytes(cloud, size)


def disk(cloud: str) -> Rate | None:
    """The price of a machine's disk; None: unknown, or part of the machine where the cloud says nothing of disks."""
    known = DISKS.get(cloud)
    if known is None:
        return None
    usd, kind, region, source = known
    return Rate(Decimal(usd), kind, DISKS_AS_OF, source, f"the price of {region} is taken everywhere")


def vector_bytes(count: int, dimensions: int, dtype: Dtype) -> int:
    """Bytes of so many vectors as Parquet stores them: bits packed, each vector to whole bytes; int8 with its scales."""
    return count * (-(-dimensions * BITS[dtype] // 8) + (SCALE if dtype == "int8" else 0))


@cache
def _table() -> dict[str, dict[str, Rate]]:
    found: dict[str, dict[str, Rate]] = {}
    text = files("pricing").joinpath("snapshot", "storage.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(StringIO(text)):
        rate = Rate(
            usd_per_gb_month=Decimal(row["usd_per_gb_month"]),
            kind=row["kind"],
            as_of=date.fromisoformat(row["as_of"]),
            source=row["source"],
        )
        found.setdefault(row["cloud"], {})[row["region"]] = rate
    return found


DISK_GB = 60  # of each machine, for the system, the engine and shards on their way; its model comes on top
