"""The validation gate: which rows of a price feed are plausible.

Feeds contain prices at which no machine can be bought: administrative spot prices, spot prices copied from on-demand,
types in regions that never had them. Validation accepts plausible prices and returns all others with reasons. Pure: it
compares a row with the other rows, and cannot know that a plausible price is out of date.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from pricing.offer import Offer, Purchase, Quote
from pricing.staleness import is_market_price

# Azure publishes a spot price of exactly this share of on-demand for types it never sells on spot.
AZURE_PLACEHOLDER = Decimal("0.1848")
# Half of the last digit of AZURE_PLACEHOLDER: feeds round the product to 5 or 6 significant digits.
SHARE_TOLERANCE = Decimal("0.00005")
# The lowest price of AWS: its spot prices have a floor of a tenth of on-demand, which it lists where there are no bids.
AWS_FLOOR = Decimal("0.1")
# A spot price of at most this share of on-demand is at the floor, and gets a flag. Floors are 10 % (AWS, Azure) of an
# on-demand price that may be another by now: GCP's H100 in europe-north1 is at 10.5 %. The lowest shares that moved
# with a market are 11.6 to 12.3 % (AWS's V100).
FLOOR_SHARE = Decimal("0.115")
# GCP lists reservations (DWS) as on-demand: 43 to 59 % of the on-demand price (H100, H200: catalogs of 2026-09).
# Prices of one machine differ between regions by a factor of up to 1.6 (L4: 0.62 of the highest).
RESERVATION_SHARE = Decimal("0.6")
# Every region lists a reservation of the B200: 8.06 (flex start) and 11.28 (calendar) a GPU-hour, where on-demand is
# 16.11 (SKUs for the Americas as public tables quote them, 2026-07-30). A price below this is not on-demand.
RESERVATION_BELOW = {"B200": Decimal(12)}
# Numbers above these are errors of units: the snapshot's highest is 23.33 USD per GPU-hour (H100, Azure in
# southafricawest), and the largest machines on sale join 72 GPUs.
MAX_USD_PER_GPU_HOUR = Decimal(1000)  # USD per GPU-hour
MAX_GPUS = 72
# The factor by which a price may change between two books before it is flagged. The largest recorded change of a market
# price is GCP's L4, +41 % in four months; AWS's L4 changed by 3 % in 32 hours. List prices hardly change, so their
# bound is 10 %.
SPOT_JUMP = Decimal("1.5")
LIST_JUMP = Decimal("1.1")

# The GPUs that each cloud of the snapshot is known to rent: prices of that cloud without one of them are incomplete.
# For vast, a market whose offers change hourly, only GPUs with several offers in April 2026.
EXPECTED: dict[str, tuple[str, ...]] = {
    "aws": (
        "T4",
        "V100",
        "A10G",
        "L4",
        "L40S",
        "RTX-PRO-6000",
        "A100-40GB",
        "A100-80GB",
        "H100",
        "H200",
        "B200",
    ),
    "azure": ("T4", "V100", "A10", "A100-80GB", "H100", "H100-NVL", "H200", "MI300X"),
    "cudo": ("V100", "A40", "A5000", "A6000", "L40S", "A100-80GB", "H100"),
    "do": ("H100",),
    "fluidstack": ("L40", "A100-80GB", "H100-PCIe"),
    "gcp": ("T4", "V100", "L4", "RTX-PRO-6000", "A100-40GB", "A100-80GB", "H100", "H200", "B200"),
    "hyperbolic": ("H100",),
    "hyperstack": ("A6000", "L40", "A100-80GB", "H100-PCIe", "H100"),
    "ibm": ("V100",),
    "lambda": (
        "V100",
        "A10",
        "RTX6000",
        "A6000",
        "A100-40GB",
        "A100-80GB",
        "H100",
        "H100-PCIe",
        "GH200",
        "B200",
    ),
    "nebius": ("L40S", "H100", "H200", "B200"),
    "oci": ("V100", "A10", "L40S", "A100-40GB", "A100-80GB", "H100", "H200", "B200", "MI300X"),
    "paperspace": ("V100", "V100-32GB", "A100-80GB", "H100"),
    "primeintellect": ("A100-80GB", "H200"),
    "runpod": ("A100-80GB",),
    "seeweb": ("L40S", "H200"),
    "shadeform": ("A6000", "L40S", "A100-80GB", "H100"),
    "vast": ("RTX3090", "RTX4090", "RTX5090", "A100-40GB", "H100", "H200"),
    "verda": ("A100-80GB", "H100", "H200", "B200"),
    "yotta": ("RTX5090",),
}


@dataclass(frozen=True, slots=True)
class Rejected:
    """A rejected quote, or one of its two prices, with the reason."""

    quote: Quote
    purchase: Purchase | None  # None: the quote has no price
    reason: str

    @property
    def price(self) -> Decimal | None:
        if self.purchase is None:
            return None
        return self.quote.spot if self.purchase == "spot" else self.quote.on_demand


def validate_quotes(
    quotes: Iterable[Quote],
    canonical: Callable[[str], str | None],
    *,
    offerings: frozenset[tuple[str, str]] | None = None,
    previous: Mapping[str, Offer] | None = None,
    today: date | None = None,
) -> tuple[tuple[Offer, ...], tuple[Rejected, ...]]:
    """Split the prices of quotes into offers and rejections.

    Every price of every quote ends in one of the two, except that on-demand is priced by region: rows of several zones
    with the same price make one offer. Idempotent: accepted prices are accepted again.

    Args:
        quotes: the rows of one feed or one book.
        canonical: the canonical name of a GPU, or None for a GPU without known specifications.
        offerings: the (instance type, region) pairs that exist, if the feed has them: see `split_by_offerings`.
        previous: the offers of the previous book by key; prices that differ much from them get the flag "jump".
        today: rows dated later than tomorrow are rejected.
    """
    rejected: list[Rejected] = []
    if offerings is not None:
        quotes, rejected = split_by_offerings(quotes, offerings)
    plausible, refused = _plausible(quotes, canonical, today)
    rejected += refused
    offers: dict[str, Offer] = {}
    on_demand_prices: dict[tuple[str, str, str], Decimal] = {}  # by cloud, region and machine
    highest = _highest_on_demand(plausible)
    for spot in (False, True):  # in this order: a spot price is compared with the on-demand price
        for quote, gpu in plausible:
            price = quote.spot if spot else quote.on_demand
            if price is None:
                continue
            offer = _offer(quote, gpu, price, spot=spot)
            place = (offer.cloud, offer.region, offer.machine)
            on_demand = on_demand_prices.get(place) if spot else None
            reason = (
                _price_error(offer, on_demand)
                or _reservation_error(offer, highest)
                or _duplicate_error(offer, offers.get(offer.key))
            )
            if reason is not None:
                rejected.append(Rejected(quote, offer.purchase, reason))
            elif offer.key not in offers:
                offers[offer.key] = _with_flags(offer, on_demand, previous)
                if not spot:
                    on_demand_prices[place] = price
            elif quote.zone is None:
                rejected.append(
                    Rejected(quote, offer.purchase, f"duplicate of a row of {offers[offer.key].as_of}")
                )
    return tuple(offers.values()), tuple(rejected)


def split_by_offerings(
    quotes: Iterable[Quote],
    offerings: frozenset[tuple[str, str]],
    name: Callable[[Quote], str] = lambda quote: quote.instance_type,
) -> tuple[list[Quote], list[Rejected]]:
    """Split quotes into those of machines that exist in their region, and rejections of the others.

    A list of offerings, (name, region) pairs, says nothing about names that are not in it: quotes with such a name are
    kept unchanged.
    """
    kinds = {kind for kind, _ in offerings}
    kept: list[Quote] = []
    rejected: list[Rejected] = []
    for quote in quotes:
        if name(quote) not in kinds:
            kept.append(quote)
        elif (name(quote), quote.region) in offerings:
            kept.append(replace(quote, flags=_without_flags(quote.flags, "region_unverified")))
        else:
            rejected += reject_prices(quote, f"{name(quote)} is priced, but not offered, in {quote.region}")
    return kept, rejected


def missing_gpus(offers: Iterable[Offer], clouds: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The (cloud, GPU) pairs that these clouds are known to rent and that are in no offer."""
    here = {(o.cloud, o.gpu) for o in offers}
    return tuple(
        (cloud, gpu)
        for cloud in sorted(set(clouds))
        for gpu in EXPECTED.get(cloud, ())
        if (cloud, gpu) not in here
    )


def reject_prices(quote: Quote, reason: str) -> list[Rejected]:
    """Reject every price of a quote for one reason."""
    found: list[Purchase] = []
    if quote.on_demand is not None:
        found.append("on-demand")
    if quote.spot is not None:
        found.append("spot")
    return [Rejected(quote, purchase, reason) for purchase in found] or [Rejected(quote, None, reason)]


def _plausible(
    quotes: Iterable[Quote], canonical: Callable[[str], str | None], today: date | None
) -> tuple[list[tuple[Quote, str]], list[Rejected]]:
    """Split quotes into those that are plausible apart from their prices, with canonical GPU names, and rejections.

    Newest first, so that of duplicates the newest row is kept. Sorting is stable: of one date the first row is kept.
    """
    kept: list[tuple[Quote, str]] = []
    rejected: list[Rejected] = []
    for quote in sorted(quotes, key=lambda q: q.as_of, reverse=True):
        reason, gpu = _quote_error(quote, canonical, today)
        if reason is None:
            kept.append((quote, gpu))
        else:
            rejected += reject_prices(quote, reason)
    return kept, rejected


def _quote_error(
    quote: Quote, canonical: Callable[[str], str | None], today: date | None
) -> tuple[str | None, str]:
    """Why a quote as a whole is rejected, or None; and the canonical name of its GPU."""
    reason, gpu = None, canonical(quote.gpu) if quote.gpu else None
    if not (quote.cloud and quote.region and quote.instance_type):
        reason = "no cloud, region or instance type"
    elif not quote.region[0].isalnum():
        reason = f"the region {quote.region!r} has no name: the host does not say where it is"
    elif not quote.gpu:
        reason = "no accelerator named"
    elif gpu is None:
        reason = f"no facts about GPU {quote.gpu!r}"
    elif not 0 < quote.gpus <= MAX_GPUS:
        reason = f"{quote.gpus:g} GPUs"
    elif (quote.vcpus is not None and quote.vcpus <= 0) or (
        quote.memory_gb is not None and not 0 < quote.memory_gb < float("inf")
    ):
        reason = f"a host of {quote.vcpus} vCPUs and {quote.memory_gb} GB"
    elif quote.on_demand is None and quote.spot is None:
        reason = "no price"
    elif today is not None and quote.as_of > today + timedelta(days=1):
        reason = f"dated {quote.as_of}, after today"
    return reason, gpu or ""


def _price_error(offer: Offer, on_demand: Decimal | None) -> str | None:
    """Why a price is rejected, by itself or as a spot price compared with on-demand; None if it is plausible."""
    price = offer.usd_per_hour
    reason = None
    if not price.is_finite() or price <= 0:
        reason = f"the price {price} is not above 0"
    elif price > MAX_USD_PER_GPU_HOUR * max(1, Decimal(str(offer.gpus))):
        reason = f"the price {price} is above {MAX_USD_PER_GPU_HOUR} per GPU-hour: a slip of units"
    elif on_demand is None:
        reason = None
    elif price == on_demand:
        reason = "spot equals on-demand: no spare capacity, or copied, but no offer"
    elif price > on_demand:
        reason = f"spot {price} is above on-demand {on_demand}"
    elif offer.cloud == "aws" and abs(price / on_demand - AWS_FLOOR) < SHARE_TOLERANCE:
        reason = (
            "exactly a tenth of on-demand: AWS's floor, which says that nobody bids, not that it can be had"
        )
    elif offer.cloud == "azure" and abs(price / on_demand - AZURE_PLACEHOLDER) < SHARE_TOLERANCE:
        reason = "a placeholder: Azure lists 18.48 % of on-demand where it has no spot market"
    return reason


def _highest_on_demand(quotes: Iterable[tuple[Quote, str]]) -> dict[str, Decimal]:
    """The highest on-demand price of each GCP machine over all regions."""
    found: dict[str, Decimal] = {}
    for quote, gpu in quotes:
        if quote.cloud == "gcp" and quote.on_demand is not None and quote.on_demand.is_finite():
            machine = _offer(quote, gpu, quote.on_demand, spot=False).machine
            found[machine] = max(found.get(machine, quote.on_demand), quote.on_demand)
    return found


def _reservation_error(offer: Offer, highest: Mapping[str, Decimal]) -> str | None:
    """Why an on-demand price of GCP looks like the price of a reservation; None if it does not."""
    if offer.cloud != "gcp" or offer.spot:
        return None
    most, least = highest[offer.machine], RESERVATION_BELOW.get(offer.gpu)
    if offer.usd_per_hour < RESERVATION_SHARE * most:
        share = 100 * offer.usd_per_hour / most
        return f"{share:.0f} % of the dearest region's {most}: a reservation (DWS), not on-demand"
    if least is not None and offer.usd_per_gpu_hour < least:
        return f"under {least} a GPU-hour: a reservation (DWS), not on-demand"
    return None


def _duplicate_error(offer: Offer, kept: Offer | None) -> str | None:
    """Why a second offer with the same key is rejected regardless of its zone; None if it is not."""
    if kept is None:
        return None
    if offer.usd_per_hour != kept.usd_per_hour:
        return f"contradicts {kept.usd_per_hour} of {kept.as_of}"
    return f"duplicate of a row of {kept.as_of}" if offer.spot else None


def _offer(quote: Quote, gpu: str, price: Decimal, *, spot: bool) -> Offer:
    return Offer(
        cloud=quote.cloud,
        region=quote.region,
        zone=quote.zone if spot else None,
        instance_type=quote.instance_type,
        gpu=gpu,
        gpus=quote.gpus,
        vcpus=quote.vcpus,
        memory_gb=quote.memory_gb,
        spot=spot,
        usd_per_hour=price,
        as_of=quote.as_of,
        source=quote.source,
        flags=quote.flags if spot else _without_flags(quote.flags, "zone_id", "on_demand_unknown"),
    )


def _with_flags(offer: Offer, on_demand: Decimal | None, previous: Mapping[str, Offer] | None) -> Offer:
    """Set the flags that depend on the other offers and on the previous book."""
    flags = offer.flags
    if offer.spot:
        flags = _without_flags(flags, "on_demand_unknown")
        flags = flags if on_demand is not None else (*flags, "on_demand_unknown")
        at_floor = on_demand is not None and offer.usd_per_hour <= FLOOR_SHARE * on_demand
        flags = _without_flags(flags, "floor") if on_demand is not None else flags
        flags = (*flags, "floor") if at_floor else flags
    if previous is not None:
        flags = _without_flags(flags, "jump")
        before = previous.get(offer.key)
        flags = (*flags, "jump") if before is not None and _is_jump(offer, before) else flags
    return offer if flags == offer.flags else replace(offer, flags=flags)


def _is_jump(offer: Offer, before: Offer) -> bool:
    prices = (offer.usd_per_hour, before.usd_per_hour)
    return max(prices) > min(prices) * (SPOT_JUMP if is_market_price(offer) else LIST_JUMP)


def _without_flags(flags: tuple[str, ...], *names: str) -> tuple[str, ...]:
    return tuple(f for f in flags if f not in names) if flags else flags
