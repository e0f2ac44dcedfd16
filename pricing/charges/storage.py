"""Storage prices of object stores and machine disks, and the size of vectors.

The price is the list price of the standard class in one region, in the first tier (AWS and Azure charge a little less
beyond 50 TB), without requests. A region without a price in the table gets an assumed price that says so; an unknown
cloud gets None.
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

from pricing.charges.egress import gigabytes

Dtype = Literal["float32", "float16", "int8", "binary"]
HOURS_PER_MONTH = 730  # the clouds' own conversion of monthly to hourly prices: 8,760 / 12

# Boot disks of machines: USD per GB and month at list price, of the default kind in one common region.
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
DISK_GB = 60  # of each machine, for the system, the engine and shards in progress; the model is added to it
INT8_SCALE_BYTES = 4  # of the scale that is stored with each int8 vector
BITS_PER_DIMENSION: dict[Dtype, int] = {"float32": 32, "float16": 16, "int8": 8, "binary": 1}


@dataclass(frozen=True, slots=True)
class StoragePrice:
    """A storage price in USD per GB and month, with the cloud's own definition of a GB."""

    usd_per_gb_month: Decimal
    kind: str  # the class, such as "S3 Standard"
    as_of: date
    source: str
    assumed: str | None = None  # why this is not the region's own price, if it is not


def storage_price(cloud: str, region: str) -> StoragePrice | None:
    """The storage price in a region; without one, the cloud's median price, and `assumed` says so."""
    known = _table().get(cloud)
    if known is None:
        return None
    rate = known.get(region) or known.get("*")
    if rate is not None:
        return rate
    middle = median_high(r.usd_per_gb_month for r in known.values())
    like, rate = next((place, r) for place, r in sorted(known.items()) if r.usd_per_gb_month == middle)
    why = f"no price for {cloud} {region}: the median of {len(known)} regions, that of {like}, is taken"
    return StoragePrice(
        usd_per_gb_month=rate.usd_per_gb_month,
        kind=rate.kind,
        as_of=rate.as_of,
        source=rate.source,
        assumed=why,
    )


def storage_month_usd(cloud: str, region: str, size: int) -> Decimal | None:
    """USD to store `size` bytes for a month; None if unknown."""
    rate = storage_price(cloud, region)
    return None if rate is None else rate.usd_per_gb_month * gigabytes(cloud, size)


def disk_price(cloud: str) -> StoragePrice | None:
    """The price of a machine's disk; None if unknown, or if the cloud has no separate price for disks."""
    known = DISKS.get(cloud)
    if known is None:
        return None
    usd, kind, region, source = known
    return StoragePrice(
        usd_per_gb_month=Decimal(usd),
        kind=kind,
        as_of=DISKS_AS_OF,
        source=source,
        assumed=f"the price of {region} is taken everywhere",
    )


def dearest_disk() -> tuple[Decimal, str]:
    """The highest known price of a GB of disk and month, in USD, and whose it is: an upper bound for other clouds."""
    return max((Decimal(usd), f"{cloud} {kind}") for cloud, (usd, kind, _, _) in DISKS.items())


def vector_bytes(count: int, dimensions: int, dtype: Dtype) -> int:
    """Bytes of `count` vectors in Parquet: bits packed, each vector padded to whole bytes, int8 with its scales."""
    return count * (
        -(-dimensions * BITS_PER_DIMENSION[dtype] // 8) + (INT8_SCALE_BYTES if dtype == "int8" else 0)
    )


@cache
def _table() -> dict[str, dict[str, StoragePrice]]:
    found: dict[str, dict[str, StoragePrice]] = {}
    text = files("pricing").joinpath("snapshot", "storage.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(StringIO(text)):
        rate = StoragePrice(
            usd_per_gb_month=Decimal(row["usd_per_gb_month"]),
            kind=row["kind"],
            as_of=date.fromisoformat(row["as_of"]),
            source=row["source"],
        )
        found.setdefault(row["cloud"], {})[row["region"]] = rate
    return found
