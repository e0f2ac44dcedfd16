"""Spot prices that have not moved for months while those of other places of their type did: the flag "unmoved".

Such a quote is probably one that its cloud no longer maintains. It takes a history to see it: the snapshot, and the
earlier books of this laptop. Undated prices say nothing here. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from pricing.offer import Offer, Quote
from pricing.staleness import is_undated

FLAG = "unmoved"
# GCP sets spot prices anew about every 14 days, and zones of AWS's V100 moved by 2 % in a day (expected_price.py): after
# two months a maintained price of a market that moves is another.
UNMOVED_FOR = timedelta(days=60)
LEAST_NEIGHBOURS = 4  # other places of the type with a history; fewer say nothing of the market
MOVED_SHARE = 0.5  # of these, more than this share must have moved


@dataclass(frozen=True, slots=True)
class Seen:
    """A spot price that a place had on a day."""

    key: str  # of the offer
    usd_per_hour: Decimal
    as_of: date


def seen_prices(quotes: Iterable[Quote]) -> tuple[Seen, ...]:
    """The dated spot prices of an earlier book."""
    return tuple(
        Seen(f"{q.cloud}/{q.zone or q.region}/{q.machine}/spot", q.spot, q.as_of)
        for q in quotes
        if q.spot is not None and "as_of_unknown" not in q.flags
    )


def flag_unmoved(offers: Sequence[Offer], history: Iterable[Seen]) -> tuple[Offer, ...]:
    """Set the flag on unmoved spot offers, and remove it from all others."""
    past: defaultdict[str, list[Seen]] = defaultdict(list)
    for seen in history:
        past[seen.key].append(seen)
    moved = {o.key: _moved(o, past[o.key]) for o in offers if o.spot and not is_undated(o) and o.key in past}
    kinds: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
    for offer in offers:
        known = moved.get(offer.key)
        if known is not None:
            kinds[offer.cloud, offer.gpu].append(known)
    return tuple(_flagged(o, moved.get(o.key) is False and _moves(kinds[o.cloud, o.gpu])) for o in offers)


def _moved(offer: Offer, past: Sequence[Seen]) -> bool | None:
    """Whether the price is another than one of earlier; None: its history is too short to tell."""
    if any(seen.usd_per_hour != offer.usd_per_hour for seen in past):
        return True
    return None if min(seen.as_of for seen in past) > offer.as_of - UNMOVED_FOR else False


def _moves(moved: Sequence[bool]) -> bool:
    """Whether the places of a type moved, besides one that did not."""
    return len(moved) > LEAST_NEIGHBOURS and sum(moved) > MOVED_SHARE * (len(moved) - 1)


def _flagged(offer: Offer, unmoved: bool) -> Offer:
    if unmoved is (FLAG in offer.flags):
        return offer
    flags = tuple(flag for flag in offer.flags if flag != FLAG)
    return replace(offer, flags=(*flags, FLAG) if unmoved else flags)
