"""Merge two price books: newly fetched offers over those of the previous book.

Handles that clouds name one place in several ways (region, zone id, zone name). Validates no price: the merged offers
go through `validate.validate_quotes` again. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

from pricing.offer import Offer

# cloud, region, machine, spot: the offers of one group differ in their zone alone.
OfferGroup = tuple[str, str, str, bool]


def merge(base: Iterable[Offer], fresh: Iterable[Offer]) -> tuple[Offer, ...]:
    """Keep the newer offer of each place, `fresh` if both have the same date, in the order of `ordered`.

    A place that only one of the two books has is kept. Books may name the zone of the same machine differently: by
    region instead of by zone, or by zone id instead of by zone name. Such offers are the same, and the newer stands.
    """
    old, new = _grouped(base), _grouped(fresh)
    kept: list[Offer] = []
    for kind in old.keys() | new.keys():
        before, now = old.get(kind, []), new.get(kind, [])
        kept += [b for b in before if not any(_same_place(b, n) and n.as_of >= b.as_of for n in now)]
        kept += [n for n in now if not any(_same_place(b, n) and b.as_of > n.as_of for b in before)]
    return ordered(kept)


def remove_withdrawn(
    offers: Iterable[Offer], clouds: frozenset[str], offerings: frozenset[tuple[str, str]]
) -> tuple[tuple[Offer, ...], tuple[Offer, ...]]:
    """Split offers into those that still exist and those that were withdrawn.

    `offerings` lists the (instance type, region) pairs that exist on `clouds`. It says nothing about types and regions
    that are not in it: a region that was not asked has not closed.
    """
    types, regions = {kind for kind, _ in offerings}, {region for _, region in offerings}
    kept: list[Offer] = []
    gone: list[Offer] = []
    for offer in offers:
        spoken_of = offer.cloud in clouds and offer.instance_type in types and offer.region in regions
        (gone if spoken_of and (offer.instance_type, offer.region) not in offerings else kept).append(offer)
    return tuple(kept), tuple(gone)


def ordered(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    """Sort offers by place, machine and purchase kind, so that the same offers make the same book."""
    return tuple(sorted(offers, key=lambda o: (o.cloud, o.region, o.zone or "", o.machine, o.spot)))


def _grouped(offers: Iterable[Offer]) -> dict[OfferGroup, list[Offer]]:
    found: defaultdict[OfferGroup, list[Offer]] = defaultdict(list)
    for offer in offers:
        found[offer.cloud, offer.region, offer.machine, offer.spot].append(offer)
    return found


def _same_place(one: Offer, other: Offer) -> bool:
    """Whether two offers of a group are in one place, or name places in forms that cannot be compared."""
    return one.zone == other.zone or _place_form(one) != _place_form(other)


def _place_form(offer: Offer) -> Literal["region", "id", "name"]:
    if offer.zone is None:
        return "region"
    return "id" if "zone_id" in offer.flags else "name"
