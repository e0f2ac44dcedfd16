"""How old a price is, and when it is stale and should be fetched again.

Decides by date and kind of price; does not know whether the price changed. The caller passes `now`.
"""

from datetime import datetime

from pricing.offer import Offer

# GCP sets new spot prices about every 14 days (its L4 rose by 41 % in four months), so an older one is out of date.
SPOT_DAYS = 14
# A list price holds for months, and the feeds give no bound. Half a year is a precaution, so that a book forgotten in
# a cache is not taken for today's.
LIST_DAYS = 180
# Clouds that resell machines of others: their on-demand price is a bid, and moves like a spot price.
MARKETS = frozenset({"vast"})


def age_in_days(offer: Offer, now: datetime) -> int:
    """Whole days since the price was seen; at least 0, also for a date that has only begun in another time zone."""
    return max(0, (now.date() - offer.as_of).days)


def is_stale(offer: Offer, now: datetime) -> bool:
    """Whether the price is older than prices of its kind hold."""
    return age_in_days(offer, now) > (SPOT_DAYS if is_market_price(offer) else LIST_DAYS)


def is_market_price(offer: Offer) -> bool:
    """Whether the price is set by a market and not by a price list."""
    return offer.spot or offer.cloud in MARKETS
