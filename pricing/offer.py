"""An Offer: one machine type, in one place, under one purchase kind, at one price.

A price source reads a feed into `Quote`s; `validate.validate_quotes` turns those that are plausible into Offers. An
Offer says what a machine costs, not whether one is available. Pure: knows no feed and no clock.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

# What each flag on an offer means. A flag never changes a price; it says how far to trust it.
FLAGS: dict[str, str] = {
    "as_of_estimated": "the source gives a span or a guess for its date; as_of is its early end or the guess",
    "as_of_unknown": "the source is undated; as_of is the latest day it can be",
    "derived": "computed from the price of another size of its family in this region, by AWS's proportion of sizes",
    "floor": "spot at about a tenth of on-demand, or the least bid of an auction: says that nobody bids, not its price",
    "gpu_by_instance_type": "the source names a sibling GPU; the instance type says which one it is",
    "gpu_variant_unsure": "the source does not say which memory size or form this is; the smaller or slower is assumed",
    "jump": "the price differs from the previous book by more than prices are known to move",
    "not_launchable": "SkyPilot launches no machine on this cloud: for comparison only",
    "on_demand_unknown": "a spot price with no on-demand price to compare it with",
    "opt_in": "an account must ask for this place before it launches there: limits.opt_in allows it",
    "region_unverified": "no list of offerings has this type in this region, and a price list alone does not prove it",
    "single_host": "one machine of one host of a market: nobody else can have it, and there is no second",
    "unmoved": "the same spot price for months, while most of its type moved: probably no longer maintained",
    "zone_id": "zone is a provider's zone id (apne1-az1), which cannot be used to launch",
}

Purchase = Literal["on-demand", "spot"]


@dataclass(frozen=True, slots=True)
class Quote:
    """One row of a price feed as its source states it, not yet validated."""

    cloud: str
    region: str
    zone: str | None
    instance_type: str
    gpu: str  # any name the feed uses; validation makes it canonical
    gpus: float
    vcpus: int | None
    memory_gb: float | None
    on_demand: Decimal | None  # USD per machine-hour
    spot: Decimal | None  # USD per machine-hour
    as_of: date
    source: str
    flags: tuple[str, ...] = ()

    @property
    def machine(self) -> str:
        return _machine(self.cloud, self.instance_type, self.gpus, self.gpu)


@dataclass(frozen=True, slots=True)
class Offer:
    """A validated price, and a row of a price book. A Quote with both prices becomes two Offers."""

    cloud: str
    region: str
    zone: str | None  # None for on-demand, which is priced by region; may be a zone id, see FLAGS
    instance_type: str
    gpu: str  # canonical, see gpu.py
    gpus: float  # a fraction where the provider cuts one GPU into slices
    vcpus: int | None
    memory_gb: float | None  # of the host, not of the GPU
    spot: bool
    usd_per_hour: Decimal  # of the whole machine
    as_of: date
    source: str
    flags: tuple[str, ...] = ()

    @property
    def machine(self) -> str:
        """The instance type, with its GPUs where the type alone does not say them (GCP's n1 family)."""
        return _machine(self.cloud, self.instance_type, self.gpus, self.gpu)

    @property
    def purchase(self) -> Purchase:
        return "spot" if self.spot else "on-demand"

    @property
    def key(self) -> str:
        """The name of this offer, such as "gcp/us-central1-a/g2-standard-8/spot"."""
        return f"{self.cloud}/{self.zone or self.region}/{self.machine}/{self.purchase}"

    @property
    def usd_per_gpu_hour(self) -> Decimal:
        """The price of one whole GPU for an hour, also where a machine has several GPUs or a fraction of one."""
        return self.usd_per_hour / Decimal(str(self.gpus))


def as_quote(offer: Offer) -> Quote:
    """Convert an offer back to a quote, to validate it again together with others."""
    return Quote(
        cloud=offer.cloud,
        region=offer.region,
        zone=offer.zone,
        instance_type=offer.instance_type,
        gpu=offer.gpu,
        gpus=offer.gpus,
        vcpus=offer.vcpus,
        memory_gb=offer.memory_gb,
        on_demand=None if offer.spot else offer.usd_per_hour,
        spot=offer.usd_per_hour if offer.spot else None,
        as_of=offer.as_of,
        source=offer.source,
        flags=offer.flags,
    )


def _machine(cloud: str, instance_type: str, gpus: float, gpu: str) -> str:
    if cloud == "gcp" and instance_type.startswith("n1-"):
        return f"{instance_type}+{gpus:g}x{gpu}"
    return instance_type
