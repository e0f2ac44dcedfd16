"""How old a price is, and when it is stale and should be fetched again.

Decides by date and kind of price; does not know whether the price changed. The caller passes `now`.
"""

from collections.abc import Iterable
from datetime import datetime

from pricing.offer import Offer

# GCP sets new spot prices about every 14 days (its L4 rose by 41 % in four months), so an older one is out of date.
SPOT_DAYS = 14
# A list price holds for months, and the feeds give no bound. Half a year is a precaution, so that a book forgotten in
# a cache is not taken for today's.
LIST_DAYS = 180
# Clouds that resell machines of others: their on-demand price is a bid, and moves like a spot price.
MARKETS = frozenset({"vast"})
BOOK_DAYS = 60  # a plan says so when it uses prices older than this, of whatever kind


def age_in_days(offer: Offer, now: datetime) -> int:
    """Whole days since the price was seen; at least 0, also for a date that has only begun in another time zone."""
    return max(0, (now.date() - offer.as_of).days)


def is_undated(offer: Offer) -> bool:
    """Whether the source of the price has no date, so that `as_of` is only the latest day it can be."""
    return "as_of_unknown" in offer.flags


def assumed_age_in_days(offer: Offer, now: datetime, oldest_days: int = 0) -> int:
    """The age to reckon with: of an undated price at least `BOOK_DAYS`, and at least that of the book's oldest price.

    `oldest_days`: that of the oldest dated price of a market in the book (`oldest_market_days`).
    """
    age = age_in_days(offer, now)
    return max(age, BOOK_DAYS, oldest_days) if is_undated(offer) else age


def oldest_market_days(offers: Iterable[Offer], now: datetime) -> int:
    """Whole days since the oldest dated price of a market was seen; 0: there is none."""
    dated = (age_in_days(o, now) for o in offers if is_market_price(o) and not is_undated(o))
    return max(dated, default=0)


def is_stale(offer: Offer, now: datetime) -> bool:
    """Whether the price is older than prices of its kind hold. An undated price of a market is."""
    return assumed_age_in_days(offer, now) > days_of_validity(offer.cloud, spot=offer.spot)


def days_of_validity(cloud: str, *, spot: bool) -> int:
    """For how many days a price of its kind holds."""
    return SPOT_DAYS if spot or cloud in MARKETS else LIST_DAYS


def is_market_price(offer: Offer) -> bool:
    """Whether the price is set by a market and not by a price list."""
    return offer.spot or offer.cloud in MARKETS
