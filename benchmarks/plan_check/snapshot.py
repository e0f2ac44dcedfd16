"""The price snapshot, read from its CSV files with nothing of `pricing`."""

import csv
import re
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).parents[2]
SNAPSHOT = ROOT / "pricing" / "snapshot"
MODELS = ROOT / "launcher" / "data" / "models.csv"

GIB_CLOUDS = {"aws", "gcp", "do"}  # bill 2^30 bytes as a GB
FREE_EGRESS = {"lambda", "r2", "runpod"}
NETWORKS = {
    "aws": ["internet"], "do": ["internet"], "gcp": ["premium tier", "standard tier"],
    "azure": ["microsoft global network", "routing preference internet"],
}  # fmt: skip
# AWS ids of zones, such as use1-az4: a task file leaves these zones open. usw2-lax1-az1 is a local zone.
ZONE_ID = re.compile(r"^[a-z]{2,5}\d+-az\d+$")
LOCAL_ZONE = re.compile(
    r"^[a-z]{2}(-[a-z]+)+-\d-[a-z]{3}-\d[a-z]?$|-wl\d|\d-[a-z]{3}\d-az\d"
)  # us-west-2-lax-1a
NOT_LAUNCHABLE = {"not_launchable"}  # flags of an offer that must not be chosen
NOT_A_PRICE = {"floor", "unmoved"}  # of one that must not be chosen at its own price
# Of one that is left out where cheaper fleets are looked for: it may be right not to choose it.
DOUBTFUL = (
    NOT_LAUNCHABLE
    | NOT_A_PRICE
    | {"zone_id", "region_unverified", "opt_in", "single_host", "jump", "as_of_unknown"}
)
SINGLE_HOST = "single_host"


@dataclass(frozen=True)
class Row:
    """A row of offers.csv."""

    cloud: str
    region: str
    zone: str
    instance_type: str
    gpu: str
    gpus: float
    vcpus: str
    spot: bool
    usd: Decimal
    as_of: str
    flags: frozenset[str]


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file; none where the file is not there."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


class Snapshot:
    """All that is checked against. Amounts are USD; None is unknown."""

    def __init__(self, folder: Path = SNAPSHOT) -> None:
        self.offers = [
            Row(
                row["cloud"], row["region"], row["zone"], row["instance_type"], row["gpu"], float(row["gpus"]),
                row["vcpus"], row["purchase"] == "spot", Decimal(row["usd_per_hour"]), row["as_of"],
                frozenset(row["flags"].split()),
            )
            for row in rows(folder / "offers.csv")
        ]  # fmt: skip
        self.models = {row["name"]: row for row in rows(MODELS)}
        self.launchable = {row["cloud"]: row["launchable"] == "yes" for row in rows(folder / "clouds.csv")}
        self.access = {(row["cloud"], row["region"]): row["access"] for row in rows(folder / "access.csv")}
        self.starts = {row["cloud"]: row for row in rows(folder / "cold_start.csv")}
        self.hazards = rows(folder / "hazard.csv")
        self._storage = {
            (row["cloud"], row["region"]): Decimal(row["usd_per_gb_month"])
            for row in rows(folder / "storage.csv")
        }
        self._tiers: dict[tuple[str, str, str], list[tuple[Decimal, Decimal]]] = defaultdict(list)
        for row in rows(folder / "egress.csv"):
            tier = (Decimal(row["from_gb"]), Decimal(row["usd_per_gb"]))
            self._tiers[row["cloud"], row["region"], row["network"]].append(tier)
        self._pairs = rows(folder / "egress_between.csv")

    def storage_month(self, cloud: str, region: str, size: float) -> Decimal | None:
        """A month of `size` bytes; None where the region has no price of its own."""
        price = self._storage.get((cloud, region), self._storage.get((cloud, "*")))
        return None if price is None else price * _gb(cloud, size)

    def transfer(self, one: tuple[str, str], other: tuple[str, str], size: float) -> Decimal | None:
        """`size` bytes from a (cloud, region) to another; None is unknown."""
        cloud, region = one
        if cloud in FREE_EGRESS or cloud == "local" or one == other:
            return Decimal(0)
        gb = _gb(cloud, size)
        if other[0] == cloud:
            exact = [r for r in self._pairs if _is_pair(r, cloud, region, other[1], exact=True)]
            like = exact or [r for r in self._pairs if _is_pair(r, cloud, region, other[1], exact=False)]
            price = like[0]["usd_per_gb"] if like else ""
            return Decimal(price) * gb if price else None
        for network in NETWORKS.get(cloud, []):
            tiers = sorted(self._tiers.get((cloud, "*" if cloud == "do" else region, network), []))
            if tiers:
                edges = [edge for edge, _ in tiers[1:]] + [gb]
                parts = (
                    max(Decimal(0), min(gb, above) - below) * price
                    for (below, price), above in zip(tiers, edges, strict=True)
                )
                return sum(parts, Decimal(0))
        return None

    def quotes(
        self, cloud: str, region: str, instance_type: str, gpu: str, *, gpus: float, spot: bool
    ) -> list[Row]:
        """The rows of a machine in a region; GCP's n1 machines are named with their GPUs in a plan."""
        name = instance_type.partition("+")[0]
        return [
            row
            for row in self.offers
            if (row.cloud, row.region, row.gpu, row.gpus, row.spot) == (cloud, region, gpu, gpus, spot)
            and row.instance_type in (name, instance_type)
        ]

    def why_not_launchable(self, cloud: str, region: str, zone: str | None, allowed: set[str]) -> str | None:
        """Why nothing can be launched in a place; None where it can."""
        if self.launchable and not self.launchable.get(cloud, False):
            return f"SkyPilot launches nothing on {cloud}"
        if cloud == "aws" and zone and ZONE_ID.match(zone):
            zone = None
        if cloud == "aws" and (LOCAL_ZONE.search(region) or (zone and LOCAL_ZONE.search(zone))):
            return f"{zone or region} is a local or wavelength zone"
        if zone and cloud in ("aws", "gcp") and not zone.startswith(region):
            return f"{zone} is no zone of {region}"
        if self.access.get((cloud, region), "open") != "open" and not any(
            fnmatchcase(region, pattern.partition("/")[2] or pattern) for pattern in allowed
        ):
            return f"an account must opt in to {cloud} {region}"
        return None


def _gb(cloud: str, size: float) -> Decimal:
    return Decimal(round(size)) / (2**30 if cloud in GIB_CLOUDS else 10**9)


def _is_pair(row: dict[str, str], cloud: str, one: str, other: str, *, exact: bool) -> bool:
    if row["cloud"] != cloud:
        return False
    if exact:
        return (row["from_region"], row["to_region"]) == (one, other)
    wild = "*" in row["from_region"] + row["to_region"]
    return wild and fnmatchcase(one, row["from_region"]) and fnmatchcase(other, row["to_region"])
