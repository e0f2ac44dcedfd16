"""How old a price is, and from when on it should be asked for again.

Knows the calendar and what kind of price it is, not whether the price did change. `now` is the caller's.
"""

from datetime import datetime

from pricing.offer import Offer

# GCP sets new spot prices about every 14 days (its L4 rose by 41 % in four months), so an older one has passed.
SPOT_DAYS = 14
# A list price stands for months: no bound follows from the feeds. Half a year is prudence, so that a book
# forgotten in a cache is not taken for today's.
LIST_DAYS = 180
# Clouds that resell other people's machines: what they call on demand is a bid, and moves like spot.
MARKETS = frozenset({"vast"})


def days(offer: Offer, now: datetime) -> int:
    """Whole days since the price was seen; a price of a day that has only begun elsewhere is 0 days old."""
    return max(0, (now.date() - offer.as_of).days)


def stale(offer: Offer, now: datetime) -> bool:
    """Whether the price is older than prices of its kind stand."""
    return days(offer, now) > (SPOT_DAYS if floats(offer) else LIST_DAYS)


def floats(offer: Offer) -> bool:
    """Whether the price is made by a market, not set on a list."""
    return offer.spot or offer.cloud in MARKETS
