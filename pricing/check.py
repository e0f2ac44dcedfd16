"""The gate: which rows of a price feed may be believed.

Feeds state prices nobody can buy at: administrative spot prices, spot copied from on-demand, types in
regions that never had them. The gate lets through what could be true and gives back all the rest with
reasons. It is pure: it judges a row by the row and its neighbours, and cannot know that a plausible price
is out of date.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from pricing.offer import Offer, Quote

# Azure publishes a spot price of exactly this share of on-demand for types it never sells on spot.
AZURE_PLACEHOLDER = Decimal("0.1848")
# Half of the last digit above: feeds round the product to 5 or 6 significant digits.
ROUNDING = Decimal("0.00005")

Purchase = Literal["on-demand", "spot", "both"]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A quote, or one of its two prices, that was not believed."""

    quote: Quote
    purchase: Purchase
    reason: str


def gate(
    quotes: Iterable[Quote], canonical: Callable[[str], str | None]
) -> tuple[tuple[Offer, ...], tuple[Rejected, ...]]:
    """The offers to trust, and the refusals. `canonical` names a GPU, or says None to one it does not know.

    Every price of every quote ends in one of the two, except that on-demand is priced by region: rows of
    several zones that agree on it make one offer.
    """
    offers: dict[str, Offer] = {}
    rejected: list[Rejected] = []
    # Newest first, so that the row that stays is the youngest; sorting is stable, so the first of a day wins.
    for quote in sorted(quotes, key=lambda q: q.as_of, reverse=True):
        reason, gpu = _whole(quote, canonical)
        if reason is not None:
            rejected.append(Rejected(quote, "both", reason))
            continue
        for spot, price in ((False, quote.on_demand), (True, quote.spot)):
            if price is None:
                continue
            reason = _price(price) or (_spot(quote.cloud, price, quote.on_demand) if spot else None)
            offer = _offer(quote, gpu, price, spot=spot)
            if reason is None and offer.key in offers:
                reason = _twice(offer, offers[offer.key], zoned=quote.zone is not None)
                if reason is None:
                    continue
            if reason is not None:
                rejected.append(Rejected(quote, "spot" if spot else "on-demand", reason))
            else:
                offers[offer.key] = offer
    return tuple(offers.values()), tuple(rejected)


def _whole(quote: Quote, canonical: Callable[[str], str | None]) -> tuple[str | None, str]:
    """What is wrong with a quote as a whole, if anything, and the canonical name of its GPU."""
    if not (quote.cloud and quote.region and quote.instance_type):
        return "no cloud, region or instance type", ""
    if not quote.gpu:
        return "no accelerator named", ""
    gpu = canonical(quote.gpu)
    if gpu is None:
        return f"no facts about GPU {quote.gpu!r}", ""
    if not quote.gpus > 0:
        return f"{quote.gpus:g} GPUs", ""
    if quote.on_demand is None and quote.spot is None:
        return "no price", ""
    return None, gpu


def _price(price: Decimal) -> str | None:
    if not price.is_finite() or price <= 0:
        return f"the price {price} is not above 0"
    return None


def _spot(cloud: str, spot: Decimal, on_demand: Decimal | None) -> str | None:
    """Why this is no market price, if it is none."""
    if on_demand is None or not on_demand.is_finite() or on_demand <= 0:
        return None
    if spot == on_demand:
        return "spot equals on-demand: no spare capacity, or copied, but no offer"
    if spot > on_demand:
        return f"spot {spot} is above on-demand {on_demand}"
    if cloud == "azure" and abs(spot / on_demand - AZURE_PLACEHOLDER) < ROUNDING:
        return "a placeholder: Azure lists 18.48 % of on-demand where it has no spot market"
    return None


def _twice(offer: Offer, kept: Offer, *, zoned: bool) -> str | None:
    """Why a second offer under one key is refused; None when two zones merely say the same."""
    if offer.usd_per_hour != kept.usd_per_hour:
        return f"contradicts {kept.usd_per_hour} of {kept.as_of}"
    return None if zoned and not offer.spot else f"duplicate of a row of {kept.as_of}"


def _offer(quote: Quote, gpu: str, price: Decimal, *, spot: bool) -> Offer:
    offer = Offer(
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
        flags=tuple(f for f in quote.flags if spot or f != "zone_id"),
    )
    if spot and quote.on_demand is None and "on_demand_unknown" not in offer.flags:
        return replace(offer, flags=(*offer.flags, "on_demand_unknown"))
    return offer
