"""What a market price is likely to be now, given a quote of some days ago.

A quote of a market ages. Two things are known of what became of it. The market as a whole may have a trend: GCP's did
(see `TREND`). And places of one type come back to each other: the spread between places stays what it is although
each price moves, so a price that is low by chance has probably risen. The lowest of many old quotes is low by chance
more than any other, so that without this a plan rests on prices that nobody can have. List prices are as quoted. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from math import exp, log, sqrt
from statistics import fmean, median

from pricing.account.access import gated_place
from pricing.offer import Offer
from pricing.staleness import assumed_age_in_days, is_market_price, oldest_market_days

# How far the price of one place moves beside the others of its type: standard deviation of the logarithm, per square
# root of a day. Nine AWS zones of the V100 over 14 days of 2023: 0.020 to 0.024, for spans of 1 to 13 days.
LOG_MOVE_PER_ROOT_DAY = 0.021
# The trend of a cloud's spot prices: how many times they rose in so many days, least and most over its GPU types. GCP's
# rose 1.09 to 1.62 times in 126 days of 2026. Of other clouds no trend is known. A trend is not continued beyond the
# days in which it was seen.
TREND: Mapping[str, tuple[float, float, int]] = {"gcp": (1.09, 1.62, 126)}
LEAST_PLACES = (
    4  # fewer quotes of a type say nothing about the spread between its places: that of others is taken
)
LEAST_QUOTES = 2  # one place has no other to come back to

Kind = tuple[str, str, bool]  # cloud, GPU, spot


@dataclass(frozen=True, slots=True)
class ExpectedPrice:
    """The price of a machine-hour that is likely now. `usd_per_hour` is the quote where nothing better is known."""

    usd_per_hour: Decimal
    own_weight: float  # of the quote itself; the rest is the type's median
    trend: float  # times the price rose since the quote, by the cloud's trend


@dataclass(frozen=True, slots=True)
class TypePrices:
    """The quotes of one cloud, GPU and purchase kind, one for each place: the logarithm of USD per GPU-hour."""

    middle: float  # median
    variance: float  # between places
    places: int
    borrowed: bool = False  # whether the variance is that of other types


def expected_prices(offers: Sequence[Offer], now: datetime) -> dict[str, ExpectedPrice]:
    """The price that is likely now of each offer, by its key."""
    types, oldest = with_borrowed(_types(offers)), oldest_market_days(offers, now)
    ceilings = {_machine(o): o.usd_per_hour for o in offers if not o.spot}
    return {
        o.key: _expected(
            o, types.get(_kind(o)), ceilings.get(_machine(o)), assumed_age_in_days(o, now, oldest)
        )
        for o in offers
    }


def own_weight(quotes: TypePrices, age_days: float) -> float:
    """The weight of one place's own quote beside the median of its type, by age and number of quotes.

    If the variance V between places is the same at both dates, and a price moved with a variance M since, then
    M = 2 V (1 - w), where w is how much of the quote's distance from the middle is left. The factor for few quotes is
    that of James and Stein; a variance that is borrowed does not come of these quotes, and needs none.
    """
    if quotes.places < (LEAST_QUOTES if quotes.borrowed else LEAST_PLACES):
        return 1.0
    moved = LOG_MOVE_PER_ROOT_DAY**2 * age_days
    if not moved:
        return 1.0
    if not quotes.variance:
        return 0.0
    few = 1.0 if quotes.borrowed else (quotes.places - 3) / (quotes.places - 1)
    return max(0.0, 1 - few * moved / (2 * quotes.variance))


def trend(cloud: str, age_days: float) -> float:
    """How many times the cloud's spot prices are likely to have risen in so many days."""
    if cloud not in TREND:
        return 1.0
    least, most, days = TREND[cloud]
    return sqrt(least * most) ** (min(age_days, days) / days)


def _expected(offer: Offer, quotes: TypePrices | None, ceiling: Decimal | None, age: int) -> ExpectedPrice:
    if quotes is None or not is_market_price(offer):
        return ExpectedPrice(offer.usd_per_hour, 1.0, 1.0)
    weight, rise = own_weight(quotes, age), trend(offer.cloud, age) if offer.spot else 1.0
    own = log(offer.usd_per_gpu_hour)
    # Never below the quote: the ask of a host is firm, and a plan promises no price that nobody has offered.
    factor = max(1.0, exp((1 - weight) * (quotes.middle - own)) * rise)
    usd = (offer.usd_per_hour * Decimal(f"{factor:.6f}")).quantize(Decimal("0.00000001"))
    if offer.spot and ceiling is not None:
        usd = min(usd, max(ceiling, offer.usd_per_hour))  # spot does not cost more than on demand
    return ExpectedPrice(offer.usd_per_hour if factor == 1 else usd.normalize(), weight, rise)


def _types(offers: Iterable[Offer]) -> dict[Kind, TypePrices]:
    """The quotes of each type by place. Those at the floor, and in places that are not open to all, are no evidence."""
    found: dict[Kind, dict[tuple[str, str | None], list[float]]] = {}
    for offer in offers:
        if not is_market_price(offer) or "floor" in offer.flags:
            continue
        if gated_place(offer.cloud, offer.region, offer.zone) is None:
            places = found.setdefault(_kind(offer), {})
            places.setdefault((offer.region, offer.zone), []).append(log(offer.usd_per_gpu_hour))
    return {
        kind: _type_prices([fmean(prices) for prices in places.values()]) for kind, places in found.items()
    }


def with_borrowed(types: Mapping[Kind, TypePrices]) -> dict[Kind, TypePrices]:
    """The types; those of few places have the median variance of others: of their cloud, else of all clouds."""
    many = {kind: found for kind, found in types.items() if found.places >= LEAST_PLACES}

    def borrowed(cloud: str, *, spot: bool) -> float | None:
        alike = [(kind[0], found.variance) for kind, found in many.items() if kind[2] == spot]
        own = [variance for other, variance in alike if other == cloud]
        found = own or [variance for _, variance in alike]
        return median(found) if found else None

    out = dict(types)
    for kind, found in types.items():
        variance = borrowed(kind[0], spot=kind[2]) if kind not in many else None
        if variance is not None:
            out[kind] = replace(found, variance=variance, borrowed=True)
    return out


def _type_prices(logs: Sequence[float]) -> TypePrices:
    mean = fmean(logs)
    variance = sum((x - mean) ** 2 for x in logs) / (len(logs) - 1) if len(logs) > 1 else 0.0
    return TypePrices(median(logs), variance, len(logs))


def _kind(offer: Offer) -> Kind:
    return offer.cloud, offer.gpu, offer.spot


def _machine(offer: Offer) -> tuple[str, str, str]:
    return offer.cloud, offer.region, offer.machine
