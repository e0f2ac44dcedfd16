"""Clouds whose spot prices are a fixed share of on-demand, whatever the type: a list, and no market.

Such a price is charged, but says nothing of how many machines there are, and does not fall when there are many. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from pricing.offer import Offer

LEAST_TYPES = 3  # GPU types; fewer may have the same share by chance
TOLERANCE = Decimal("0.005")  # prices are rounded


def fixed_spot_shares(offers: Iterable[Offer]) -> dict[str, tuple[Decimal, int]]:
    """The share of on-demand that every spot price of a cloud is, by cloud, and over how many GPU types."""
    on_demand: dict[tuple[str, str, str], Decimal] = {}
    spot: list[Offer] = []
    for offer in offers:
        if offer.spot:
            spot.append(offer)
        else:
            on_demand[offer.cloud, offer.region, offer.machine] = offer.usd_per_hour
    shares: defaultdict[str, list[tuple[Decimal, str]]] = defaultdict(list)
    for one in spot:
        full = on_demand.get((one.cloud, one.region, one.machine))
        if full:
            shares[one.cloud].append((one.usd_per_hour / full, one.gpu))
    found: dict[str, tuple[Decimal, int]] = {}
    for cloud, seen in shares.items():
        least, most = min(share for share, _ in seen), max(share for share, _ in seen)
        types = len({gpu for _, gpu in seen})
        if types >= LEAST_TYPES and most - least <= TOLERANCE:
            found[cloud] = least, types
    return found
