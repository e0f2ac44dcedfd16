"""What changed between two price books, by cloud and purchase kind.

Offers are compared by their key. Pure: knows no source and no clock.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from statistics import median

from pricing.offer import Offer, Purchase


@dataclass(frozen=True, slots=True)
class CloudChanges:
    """The changes of one cloud's prices of one purchase kind. The counts are of offers."""

    cloud: str
    purchase: Purchase
    added: int
    removed: int
    dearer: int
    cheaper: int
    same: int  # read again, at the same price
    not_read: int  # not read again: price and date are those of the book before
    median_change: float | None  # of those at another price: 0.1 is 10 % dearer; None: none moved
    oldest: date | None  # of the prices that the new book has; None: it has none


def book_changes(before: Iterable[Offer], after: Iterable[Offer]) -> tuple[CloudChanges, ...]:
    """Compare two books. Clouds without any change and without any price that was read again are included."""
    kinds: defaultdict[tuple[str, Purchase], tuple[dict[str, Offer], dict[str, Offer]]]
    kinds = defaultdict(lambda: (dict[str, Offer](), dict[str, Offer]()))
    for place, offers in enumerate((before, after)):
        for offer in offers:
            kinds[offer.cloud, offer.purchase][place][offer.key] = offer
    return tuple(_changes(*kind, *kinds[kind]) for kind in sorted(kinds))


def _changes(cloud: str, purchase: Purchase, old: dict[str, Offer], new: dict[str, Offer]) -> CloudChanges:
    both = [(old[key], offer) for key, offer in new.items() if key in old]
    moves = [float(n.usd_per_hour / o.usd_per_hour) - 1 for o, n in both if n.usd_per_hour != o.usd_per_hour]
    stayed = [(o, n) for o, n in both if n.usd_per_hour == o.usd_per_hour]
    not_read = sum(o.as_of == n.as_of and o.source == n.source for o, n in stayed)
    return CloudChanges(
        cloud=cloud,
        purchase=purchase,
        added=len(new.keys() - old.keys()),
        removed=len(old.keys() - new.keys()),
        dearer=sum(move > 0 for move in moves),
        cheaper=sum(move < 0 for move in moves),
        same=len(stayed) - not_read,
        not_read=not_read,
        median_change=median(moves) if moves else None,
        oldest=min((offer.as_of for offer in new.values()), default=None),
    )
