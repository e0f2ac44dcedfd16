"""Two price books made one: what was asked just now over what was known before.

Knows that clouds name one place in several ways. Judges no price: what comes out of here goes through the gate again.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

from pricing.offer import Offer

Kind = tuple[
    str, str, str, bool
]  # cloud, region, machine, spot: the offers of one differ in their zone alone


def merge(base: Iterable[Offer], fresh: Iterable[Offer]) -> tuple[Offer, ...]:
    """The younger offer of each place, `fresh` where both are of one day, in the order of `ordered`.

    A place that only one of the two knows is kept. But the same machine spoken of in another way, by region where
    the other goes by zone, or by zone id where the other has names, is the same offer: the younger way stands.
    """
    old, new = _kinds(base), _kinds(fresh)
    kept: list[Offer] = []
    for kind in old.keys() | new.keys():
        before, now = old.get(kind, []), new.get(kind, [])
        kept += [b for b in before if not any(_same(b, n) and n.as_of >= b.as_of for n in now)]
        kept += [n for n in now if not any(_same(b, n) and b.as_of > n.as_of for b in before)]
    return ordered(kept)


def retire(
    offers: Iterable[Offer], clouds: frozenset[str], offerings: frozenset[tuple[str, str]]
) -> tuple[tuple[Offer, ...], tuple[Offer, ...]]:
    """The offers that still exist, and those that do not by a list of the (instance type, region) pairs that do.

    The list speaks of these clouds, and only of the types and the regions that are in it: a region that was not
    asked has not closed.
    """
    types, regions = {kind for kind, _ in offerings}, {region for _, region in offerings}
    kept: list[Offer] = []
    gone: list[Offer] = []
    for offer in offers:
        spoken_of = offer.cloud in clouds and offer.instance_type in types and offer.region in regions
        (gone if spoken_of and (offer.instance_type, offer.region) not in offerings else kept).append(offer)
    return tuple(kept), tuple(gone)


def ordered(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    """Sorted by place, machine and purchase kind: the same offers make the same book."""
    return tuple(sorted(offers, key=lambda o: (o.cloud, o.region, o.zone or "", o.machine, o.spot)))


def _kinds(offers: Iterable[Offer]) -> dict[Kind, list[Offer]]:
    found: defaultdict[Kind, list[Offer]] = defaultdict(list)
    for offer in offers:
        found[offer.cloud, offer.region, offer.machine, offer.spot].append(offer)
    return found


def _same(one: Offer, other: Offer) -> bool:
    """Whether two offers of a kind are in one place, or speak of places in ways that cannot be told apart."""
    return one.zone == other.zone or _way(one) != _way(other)


def _way(offer: Offer) -> Literal["region", "id", "name"]:
    if offer.zone is None:
        return "region"
    return "id" if "zone_id" in offer.flags else "name"
