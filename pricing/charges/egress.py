"""Egress prices: data sent to the internet, to another cloud, or to another region.

Prices are list prices before free allowances (AWS's and Azure's first 100 GB a month, the 200 GB of GCP's Standard
Tier), because a job shares its account's allowance with everything else in the account. Tiers are marginal and monthly;
the month is assumed to hold nothing but the job. Unknown is None, never 0.

GCP and Azure sell two networks. The price is that of the default network of a machine or bucket where it is known,
else that of the cheaper network; `network` says which.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from itertools import pairwise

from pricing.snapshot_files import rows as snapshot_rows

# Bytes in the "GB" that a cloud bills. The tier edges of AWS and GCP are multiples of 1,024, and GCP's price list says
# gibibyte. For other clouds a GB is assumed to be decimal, the definition that gives more GB.
GB_BYTES = {"aws": 2**30, "gcp": 2**30, "do": 2**30}
DECIMAL_GB = 10**9

# Clouds without a charge for egress: survey of public price lists, 2026-11; R2's page also read 2026-08-11.
FREE_CLOUDS = frozenset({"lambda", "r2", "runpod"})
# The networks of each cloud, the default one first.
NETWORKS: dict[str, tuple[str, ...]] = {
    "aws": ("internet",),
    "azure": ("microsoft global network", "routing preference internet"),
    "do": ("internet",),
    "gcp": ("premium tier", "standard tier"),
}


@dataclass(frozen=True, slots=True)
class EgressTier:
    """One tier of a monthly price list: the price of a GB from `from_gb` on."""

    from_gb: Decimal
    usd_per_gb: Decimal
    as_of: date
    source: str


@dataclass(frozen=True, slots=True)
class RegionPairPrice:
    """A price from region to region inside a cloud; `*` matches any characters."""

    cloud: str
    from_region: str
    to_region: str
    usd_per_gb: Decimal | None  # None: the pair has another price, which is not known
    as_of: date
    source: str


def gigabytes(cloud: str, size: int) -> Decimal:
    """Convert bytes to the GB that a cloud bills."""
    return Decimal(size) / GB_BYTES.get(cloud, DECIMAL_GB)


@lru_cache(maxsize=4096)
def internet_usd(cloud: str, region: str, gb: Decimal) -> Decimal | None:
    """USD for `gb` in a month from a region to the internet or another cloud; None if unknown."""
    _check_size(gb)
    if cloud in FREE_CLOUDS:
        return Decimal(0)
    steps = tiers(cloud, region)
    return tiered_usd(steps, gb) if steps else None


def network(cloud: str, region: str) -> str | None:
    """The network that `internet_usd` prices, such as "standard tier"; None if there is no price."""
    return next(
        (n for n in NETWORKS.get(cloud, ()) if _price_lists().get((cloud, _price_region(cloud, region), n))),
        None,
    )


def tiers(cloud: str, region: str) -> tuple[EgressTier, ...]:
    """The price list of a region, lowest tier first; empty if there is none."""
    known = network(cloud, region)
    return _price_lists()[cloud, _price_region(cloud, region), known] if known is not None else ()


@lru_cache(maxsize=4096)
def transfer_usd(cloud_a: str, region_a: str, cloud_b: str, region_b: str, gb: Decimal) -> Decimal | None:
    """USD for `gb` from a region (its object store or a machine) to a machine in another one; None if unknown."""
    _check_size(gb)
    if cloud_a in FREE_CLOUDS or (cloud_a, region_a) == (cloud_b, region_b):
        return Decimal(0)
    if cloud_a != cloud_b:
        return internet_usd(cloud_a, region_a, gb)
    link = _exact_pairs().get((cloud_a, region_a, region_b)) or next(
        (w for w in _wildcard_pairs() if w.cloud == cloud_a and _covers(w, region_a, region_b)), None
    )
    return link.usd_per_gb * gb if link is not None and link.usd_per_gb is not None else None


@cache
def dearest() -> tuple[Decimal, str]:
    """The highest price of a GB that any list has, in USD, and whose it is: an upper bound for a leg without a price."""
    lists = (
        (steps[0].usd_per_gb, f"{cloud} {region}") for (cloud, region, _), steps in _price_lists().items()
    )
    pairs = (
        (p.usd_per_gb, f"{p.cloud} {p.from_region}")
        for p in _region_pair_prices()
        if p.usd_per_gb is not None
    )
    return max((*lists, *pairs))


def tiered_usd(steps: Sequence[EgressTier], gb: Decimal) -> Decimal:
    """USD for `gb` by a tiered price list: each GB at the price of its tier."""
    total = Decimal(0)
    for step, above in zip(steps, [*(s.from_gb for s in steps[1:]), gb], strict=True):
        total += max(Decimal(0), min(gb, above) - step.from_gb) * step.usd_per_gb
    return total


def tier_errors(steps: Sequence[EgressTier]) -> Iterator[str]:
    """What is implausible about a price list: it must start at 0, and prices must not rise with volume."""
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


def _covers(link: RegionPairPrice, from_region: str, to_region: str) -> bool:
    return fnmatchcase(from_region, link.from_region) and fnmatchcase(to_region, link.to_region)


def _price_region(cloud: str, region: str) -> str:
    return "*" if cloud == "do" else region  # DigitalOcean has one price for all regions


def _check_size(gb: Decimal) -> None:
    if not gb >= 0:
        raise ValueError(f"{gb} GB is not a size")


@cache
def _price_lists() -> dict[tuple[str, str, str], tuple[EgressTier, ...]]:
    lists: dict[tuple[str, str, str], list[EgressTier]] = {}
    for row in snapshot_rows("egress.csv"):
        tier = EgressTier(
            from_gb=Decimal(row["from_gb"]),
            usd_per_gb=Decimal(row["usd_per_gb"]),
            as_of=date.fromisoformat(row["as_of"]),
            source=row["source"],
        )
        lists.setdefault((row["cloud"], row["region"], row["network"]), []).append(tier)
    return {place: tuple(sorted(steps, key=lambda s: s.from_gb)) for place, steps in lists.items()}


@cache
def _region_pair_prices() -> tuple[RegionPairPrice, ...]:
    return tuple(
        RegionPairPrice(
            cloud=row["cloud"],
            from_region=row["from_region"],
            to_region=row["to_region"],
            usd_per_gb=Decimal(row["usd_per_gb"]) if row["usd_per_gb"] else None,
            as_of=date.fromisoformat(row["as_of"]),
            source=row["source"],
        )
        for row in snapshot_rows("egress_between.csv")
    )


@cache
def _exact_pairs() -> dict[tuple[str, str, str], RegionPairPrice]:
    return {
        (k.cloud, k.from_region, k.to_region): k
        for k in _region_pair_prices()
        if "*" not in k.from_region + k.to_region
    }


@cache
def _wildcard_pairs() -> tuple[RegionPairPrice, ...]:
    """Prices for groups of regions, in the order of the file: the first that covers a pair applies."""
    return tuple(k for k in _region_pair_prices() if "*" in k.from_region + k.to_region)
