"""What data costs on its way: out to the internet or to another cloud, and from region to region.

Prices are at list, before free allowances (AWS's and Azure's first 100 GB a month, the 200 GB of GCP's Standard
Tier): a job shares its account's allowance with everything else there. Tiers are marginal and monthly, and it is
taken that the month holds nothing but the job. Unknown is None, never 0.

GCP and Azure sell two networks. Where it is known, the price is that of the one a machine or bucket uses unless
told otherwise; elsewhere it is that of the cheaper one, and `network` says which.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from io import StringIO
from itertools import pairwise

# Bytes in the "GB" a cloud bills. The tier edges of AWS and GCP are multiples of 1,024 and GCP's price list says
# gibibyte. Where a cloud does not say, a GB is taken to be decimal: the reading that makes more of them.
GB_BYTES = {"aws": 2**30, "gcp": 2**30, "do": 2**30}
DECIMAL_GB = 10**9

# These bill nothing for data that leaves: survey of public price lists, 2026-11; R2's page also read 2026-08-11.
FREE = frozenset({"lambda", "r2", "runpod"})
# The networks of a cloud, the one used unless told otherwise first.
NETWORKS: dict[str, tuple[str, ...]] = {
    "aws": ("internet",),
    "azure": ("microsoft global network", "routing preference internet"),
    "do": ("internet",),
    "gcp": ("premium tier", "standard tier"),
}


@dataclass(frozen=True, slots=True)
class Tier:
    """One step of a monthly price list: what a GB costs from `from_gb` on."""

    from_gb: Decimal
    usd_per_gb: Decimal
    as_of: date
    source: str


@dataclass(frozen=True, slots=True)
class Link:
    """A price from region to region inside a cloud; `*` stands for any letters."""

    cloud: str
    from_region: str
    to_region: str
    usd_per_gb: Decimal | None  # None: known to be priced otherwise, but not how
    as_of: date
    source: str


def gigabytes(cloud: str, size: int) -> Decimal:
    """So many bytes in the unit that a cloud bills."""
    return Decimal(size) / GB_BYTES.get(cloud, DECIMAL_GB)


def internet(cloud: str, region: str, gb: Decimal) -> Decimal | None:
    """USD for so many GB in a month from a region to the internet or another cloud; None: unknown."""
    _not_negative(gb)
    if cloud in FREE:
        return Decimal(0)
    steps = tiers(cloud, region)
    return marginal(steps, gb) if steps else None


def network(cloud: str, region: str) -> str | None:
    """Which network `internet` prices there, such as "standard tier"; None where it prices none."""
    return next(
        (n for n in NETWORKS.get(cloud, ()) if _internet().get((cloud, _place(cloud, region), n))), None
    )


def tiers(cloud: str, region: str) -> tuple[Tier, ...]:
    """The price list of a region, lowest edge first; empty where there is none."""
    known = network(cloud, region)
    return _internet()[cloud, _place(cloud, region), known] if known is not None else ()


def between(cloud_a: str, region_a: str, cloud_b: str, region_b: str, gb: Decimal) -> Decimal | None:
    """USD for so many GB from a region (its object store, or a machine) to a machine of another; None: unknown."""
    _not_negative(gb)
    if cloud_a in FREE or (cloud_a, region_a) == (cloud_b, region_b):
        return Decimal(0)
    if cloud_a != cloud_b:
        return internet(cloud_a, region_a, gb)
    link = _pairs().get((cloud_a, region_a, region_b)) or next(
        (w for w in _wild() if w.cloud == cloud_a and _covers(w, region_a, region_b)), None
    )
    return link.usd_per_gb * gb if link is not None and link.usd_per_gb is not None else None


def marginal(steps: Sequence[Tier], gb: Decimal) -> Decimal:
    """USD of a tiered price list: each GB at the price of the tier it falls in."""
    total = Decimal(0)
    for step, above in zip(steps, [*(s.from_gb for s in steps[1:]), gb], strict=True):
        total += max(Decimal(0), min(gb, above) - step.from_gb) * step.usd_per_gb
    return total


def mistakes(steps: Sequence[Tier]) -> Iterator[str]:
    """What makes a price list unbelievable: it has to start at 0, and to fall as it goes on."""
    if steps and steps[0].from_gb != 0:
        yield f"the first tier starts at {steps[0].from_gb} GB"
    for step in steps:
        if not step.usd_per_gb.is_finite() or step.usd_per_gb <= 0:
            yield f"the price {step.usd_per_gb} is not above 0"
    for low, high in pairwise(steps):
        if high.from_gb <= low.from_gb:
            yield f"the tier from {high.from_gb} GB follows the tier from {low.from_gb} GB"
        if high.usd_per_gb > low.usd_per_gb:
            yield f"a GB costs more from {high.from_gb} GB on: {high.usd_per_gb} instead of {low.usd_per_gb}"


def _covers(link: Link, from_region: str, to_region: str) -> bool:
    return fnmatchcase(from_region, link.from_region) and fnmatchcase(to_region, link.to_region)


def _place(cloud: str, region: str) -> str:
    return "*" if cloud == "do" else region  # one price wherever it leaves


def _not_negative(gb: Decimal) -> None:
    if not gb >= 0:
        raise ValueError(f"{gb} GB cannot be moved")


@cache
def _internet() -> dict[tuple[str, str, str], tuple[Tier, ...]]:
    lists: dict[tuple[str, str, str], list[Tier]] = {}
    for row in _rows("egress.csv"):
        tier = Tier(
            from_gb=Decimal(row["from_gb"]),
            usd_per_gb=Decimal(row["usd_per_gb"]),
            as_of=date.fromisoformat(row["as_of"]),
            source=row["source"],
        )
        lists.setdefault((row["cloud"], row["region"], row["network"]), []).append(tier)
    return {place: tuple(sorted(steps, key=lambda s: s.from_gb)) for place, steps in lists.items()}


@cache
def _links() -> tuple[Link, ...]:
    return tuple(
        Link(
            cloud=row["cloud"],
            from_region=row["from_region"],
            to_region=row["to_region"],
            usd_per_gb=Decimal(row["usd_per_gb"]) if row["usd_per_gb"] else None,
            as_of=date.fromisoformat(row["as_of"]),
            source=row["source"],
        )
        for row in _rows("egress_between.csv")
    )


@cache
def _pairs() -> dict[tuple[str, str, str], Link]:
    return {
        (k.cloud, k.from_region, k.to_region): k for k in _links() if "*" not in k.from_region + k.to_region
    }


@cache
def _wild() -> tuple[Link, ...]:
    """The prices for groups of regions, in the order of the file: the first that covers a pair holds."""
    return tuple(k for k in _links() if "*" in k.from_region + k.to_region)


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = files("pricing").joinpath("snapshot", name).read_text(encoding="utf-8")
    yield from csv.DictReader(StringIO(text))
