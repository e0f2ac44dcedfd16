"""The gate: which rows of a price feed may be believed.

Feeds state prices nobody can buy at: administrative spot prices, spot copied from on-demand, types in
regions that never had them. The gate lets through what could be true and gives back all the rest with
reasons. It is pure: it judges a row by the row and its neighbours, and cannot know that a plausible price
is out of date.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from pricing.offer import Offer, Purchase, Quote
from pricing.staleness import floats

# Azure publishes a spot price of exactly this share of on-demand for types it never sells on spot.
AZURE_PLACEHOLDER = Decimal("0.1848")
# Half of the last digit above: feeds round the product to 5 or 6 significant digits.
ROUNDING = Decimal("0.00005")
# The least that AWS asks: its spot prices end at a tenth of on-demand, which is what it lists where nobody bids.
AWS_FLOOR = Decimal("0.1")
# GCP files reservations (DWS) under on-demand: 43 to 59 % of the on-demand price (H100, H200: catalogs of 2026-09).
# Between its regions the prices of one machine differ by up to 1.6 (L4: 0.62 of the dearest).
RESERVED = Decimal("0.6")
# Of the B200 every region lists a reservation: 8.06 (flex start) and 11.28 (calendar) a GPU-hour, where on-demand is
# 16.11 (SKUs for the Americas as public tables quote them, 2026-07-30). Below this is no on-demand.
RESERVED_BELOW = {"B200": Decimal(12)}
# Beyond these a number is a slip of units: the snapshot's dearest is 23.33 USD per GPU-hour (H100, Azure in
# southafricawest), and the largest machines on sale join 72 GPUs.
DEAREST = Decimal(1000)  # USD per GPU-hour
MOST_GPUS = 72
# How far a price may move between two books before it is flagged. The largest move on record of a market price is
# GCP's L4, +41 % in four months; AWS's L4 moved by 3 % in 32 hours. List prices hardly move, so a tenth
# is far.
SPOT_JUMP = Decimal("1.5")
LIST_JUMP = Decimal("1.1")

# What each cloud of the snapshot is known to rent. An answer of that cloud without one of them has a hole in it.
# Of vast, a market whose shelves change by the hour, only what had several offers in April 2026.
EXPECTED: dict[str, tuple[str, ...]] = {
    "aws": ("T4", "V100", "A10G", "L4", "L40S", "A100-40GB", "A100-80GB", "H100", "H200", "B200"),
    "azure": ("T4", "V100", "A10", "A100-80GB", "H100", "H100-NVL", "H200", "MI300X"),
    "do": ("H100",),
    "gcp": ("T4", "V100", "L4", "A100-40GB", "A100-80GB", "H100", "H200", "B200"),
    "hyperstack": ("A6000", "L40", "A100-80GB", "H100-PCIe", "H100"),
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
    "runpod": ("A100-80GB",),
    "vast": ("RTX3090", "RTX4090", "RTX5090", "A100-40GB", "H100", "H200"),
}


@dataclass(frozen=True, slots=True)
class Rejected:
    """A quote, or one of its two prices, that was not believed."""

    quote: Quote
    purchase: Purchase | None  # None: the quote holds no price at all
    reason: str

    @property
    def price(self) -> Decimal | None:
        if self.purchase is None:
            return None
        return self.quote.spot if self.purchase == "spot" else self.quote.on_demand


def gate(
    quotes: Iterable[Quote],
    canonical: Callable[[str], str | None],
    *,
    offerings: frozenset[tuple[str, str]] | None = None,
    previous: Mapping[str, Offer] | None = None,
    today: date | None = None,
) -> tuple[tuple[Offer, ...], tuple[Rejected, ...]]:
    """The offers to trust, and the refusals.

    Every price of every quote ends in one of the two, except that on-demand is priced by region: rows of
    several zones that agree on it make one offer. What passed passes again.

    Args:
        quotes: the rows of one feed or one book.
        canonical: names a GPU, or says None to one whose memory and speed are not known.
        offerings: the (instance type, region) pairs that exist, where the feed knows: see `placed`.
        previous: the offers of the book before by key; what moved far from them is flagged.
        today: a row dated later than tomorrow is refused.
    """
    rejected: list[Rejected] = []
    if offerings is not None:
        quotes, rejected = placed(quotes, offerings)
    judged, refused = _believable(quotes, canonical, today)
    rejected += refused
    offers: dict[str, Offer] = {}
    lists: dict[tuple[str, str, str], Decimal] = {}  # on-demand prices by cloud, region and machine
    dearest = _dearest(judged)
    for spot in (False, True):  # in this order: a spot price is judged beside the list price
        for quote, gpu in judged:
            price = quote.spot if spot else quote.on_demand
            if price is None:
                continue
            offer = _offer(quote, gpu, price, spot=spot)
            place = (offer.cloud, offer.region, offer.machine)
            beside = lists.get(place) if spot else None  # on demand, of the same machine
            reason = (
                _price(offer, beside) or _reservation(offer, dearest) or _twice(offer, offers.get(offer.key))
            )
            if reason is not None:
                rejected.append(Rejected(quote, offer.purchase, reason))
            elif offer.key not in offers:
                offers[offer.key] = _flagged(offer, beside, previous)
                if not spot:
                    lists[place] = price
            elif quote.zone is None:
                rejected.append(
                    Rejected(quote, offer.purchase, f"duplicate of a row of {offers[offer.key].as_of}")
                )
    return tuple(offers.values()), tuple(rejected)


def placed(
    quotes: Iterable[Quote],
    offerings: frozenset[tuple[str, str]],
    name: Callable[[Quote], str] = lambda quote: quote.instance_type,
) -> tuple[list[Quote], list[Rejected]]:
    """The quotes of machines that exist where they say, and the others.

    A list of offerings, of (name, region) pairs, speaks of the names in it and of no other: a quote of another name
    keeps whatever flag it has.
    """
    kinds = {kind for kind, _ in offerings}
    kept: list[Quote] = []
    rejected: list[Rejected] = []
    for quote in quotes:
        if name(quote) not in kinds:
            kept.append(quote)
        elif (name(quote), quote.region) in offerings:
            kept.append(replace(quote, flags=_without(quote.flags, "region_unverified")))
        else:
            rejected += refuse(quote, f"{name(quote)} is priced, but not offered, in {quote.region}")
    return kept, rejected


def absent(offers: Iterable[Offer], clouds: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The (cloud, GPU) pairs that these clouds are known to rent and that no offer has."""
    here = {(o.cloud, o.gpu) for o in offers}
    return tuple(
        (cloud, gpu)
        for cloud in sorted(set(clouds))
        for gpu in EXPECTED.get(cloud, ())
        if (cloud, gpu) not in here
    )


def refuse(quote: Quote, reason: str) -> list[Rejected]:
    """Every price of a quote, refused for one reason."""
    found: list[Purchase] = []
    if quote.on_demand is not None:
        found.append("on-demand")
    if quote.spot is not None:
        found.append("spot")
    return [Rejected(quote, purchase, reason) for purchase in found] or [Rejected(quote, None, reason)]


def _believable(
    quotes: Iterable[Quote], canonical: Callable[[str], str | None], today: date | None
) -> tuple[list[tuple[Quote, str]], list[Rejected]]:
    """The quotes that could be true but for their prices, with the names of their GPUs, and the others.

    Newest first, so that the row that stays is the youngest; sorting is stable, so the first of a day wins.
    """
    kept: list[tuple[Quote, str]] = []
    rejected: list[Rejected] = []
    for quote in sorted(quotes, key=lambda q: q.as_of, reverse=True):
        reason, gpu = _whole(quote, canonical, today)
        if reason is None:
            kept.append((quote, gpu))
        else:
            rejected += refuse(quote, reason)
    return kept, rejected


def _whole(
    quote: Quote, canonical: Callable[[str], str | None], today: date | None
) -> tuple[str | None, str]:
    """What is wrong with a quote as a whole, if anything, and the canonical name of its GPU."""
    reason, gpu = None, canonical(quote.gpu) if quote.gpu else None
    if not (quote.cloud and quote.region and quote.instance_type):
        reason = "no cloud, region or instance type"
    elif not quote.gpu:
        reason = "no accelerator named"
    elif gpu is None:
        reason = f"no facts about GPU {quote.gpu!r}"
    elif not 0 < quote.gpus <= MOST_GPUS:
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


def _price(offer: Offer, on_demand: Decimal | None) -> str | None:
    """Why a price is none, by itself or as a spot price beside the one on demand."""
    price = offer.usd_per_hour
    reason = None
    if not price.is_finite() or price <= 0:
        reason = f"the price {price} is not above 0"
    elif price > DEAREST * max(1, Decimal(str(offer.gpus))):
        reason = f"the price {price} is above {DEAREST} per GPU-hour: a slip of units"
    elif on_demand is None:
        reason = None
    elif price == on_demand:
        reason = "spot equals on-demand: no spare capacity, or copied, but no offer"
    elif price > on_demand:
        reason = f"spot {price} is above on-demand {on_demand}"
    elif offer.cloud == "aws" and abs(price / on_demand - AWS_FLOOR) < ROUNDING:
        reason = (
            "exactly a tenth of on-demand: AWS's floor, which says that nobody bids, not that it can be had"
        )
    elif offer.cloud == "azure" and abs(price / on_demand - AZURE_PLACEHOLDER) < ROUNDING:
        reason = "a placeholder: Azure lists 18.48 % of on-demand where it has no spot market"
    return reason


def _dearest(judged: Iterable[tuple[Quote, str]]) -> dict[str, Decimal]:
    """The dearest on-demand price of each of GCP's machines, over its regions."""
    found: dict[str, Decimal] = {}
    for quote, gpu in judged:
        if quote.cloud == "gcp" and quote.on_demand is not None and quote.on_demand.is_finite():
            machine = _offer(quote, gpu, quote.on_demand, spot=False).machine
            found[machine] = max(found.get(machine, quote.on_demand), quote.on_demand)
    return found


def _reservation(offer: Offer, dearest: Mapping[str, Decimal]) -> str | None:
    """Why an on-demand price of GCP is what a reservation costs, if it looks like one."""
    if offer.cloud != "gcp" or offer.spot:
        return None
    most, least = dearest[offer.machine], RESERVED_BELOW.get(offer.gpu)
    if offer.usd_per_hour < RESERVED * most:
        return f"{offer.usd_per_hour / most:.0%} of the dearest region's {most}: a reservation (DWS), not on-demand"
    if least is not None and offer.usd_per_gpu_hour < least:
        return f"under {least} a GPU-hour: a reservation (DWS), not on-demand"
    return None


def _twice(offer: Offer, kept: Offer | None) -> str | None:
    """Why a second offer under one key is refused whatever zone it is of."""
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
        flags=quote.flags if spot else _without(quote.flags, "zone_id", "on_demand_unknown"),
    )


def _flagged(offer: Offer, on_demand: Decimal | None, previous: Mapping[str, Offer] | None) -> Offer:
    """The offer with the flags that only its neighbours and the book before can give."""
    flags = offer.flags
    if offer.spot:
        flags = _without(flags, "on_demand_unknown")
        flags = flags if on_demand is not None else (*flags, "on_demand_unknown")
    if previous is not None:
        flags = _without(flags, "jump")
        before = previous.get(offer.key)
        flags = (*flags, "jump") if before is not None and _jumped(offer, before) else flags
    return offer if flags == offer.flags else replace(offer, flags=flags)


def _jumped(offer: Offer, before: Offer) -> bool:
    prices = (offer.usd_per_hour, before.usd_per_hour)
    return max(prices) > min(prices) * (SPOT_JUMP if floats(offer) else LIST_JUMP)


def _without(flags: tuple[str, ...], *names: str) -> tuple[str, ...]:
    return tuple(f for f in flags if f not in names) if flags else flags
