"""Offers as a user asks for them: which, in which order, and which filter to loosen if none is left.

Pure: knows offers, and not where they come from; the caller gives the time.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from launcher.format import money, plain
from pricing.account.access import derived_flags
from pricing.book.price_book import STALE, offer_row
from pricing.offer import Offer
from pricing.staleness import age_in_days, is_stale

SUGGESTIONS = 3  # in one hint
WITHHELD = frozenset(
    {"floor", "unmoved", "not_launchable", "opt_in"}
)  # flags of offers that no plan takes by itself


@dataclass(frozen=True, slots=True)
class OfferFilter:
    """Which offers are wanted; an empty field allows all."""

    gpus: tuple[str, ...] = ()  # canonical
    clouds: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()  # patterns such as us-*
    spot: bool | None = None

    def __call__(self, offer: Offer) -> bool:
        region = offer.region.casefold()
        return (
            (not self.gpus or offer.gpu in self.gpus)
            and (not self.clouds or offer.cloud in self.clouds)
            and (not self.regions or any(fnmatchcase(region, p.casefold()) for p in self.regions))
            and (self.spot is None or offer.spot == self.spot)
        )

    def __str__(self) -> str:
        kind = {None: "offer", True: "spot offer", False: "on-demand offer"}[self.spot]
        parts = (("of", self.gpus), ("on", self.clouds), ("in", self.regions))
        return " ".join([kind, *(f"{word} {' or '.join(names)}" for word, names in parts if names)])


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """An offer as `prices --json` prints it: the columns of a price book, and what follows from them."""

    cloud: str
    region: str
    zone: str | None
    instance_type: str
    gpu: str
    gpus: int | float
    vcpus: int | float | None
    memory_gb: int | float | None
    purchase: str
    usd_per_hour: str  # of the machine, with the digits of the price book
    as_of: str
    source: str
    flags: str  # separated by spaces
    usd_per_gpu_hour: str  # to a millionth
    age_days: int
    stale: bool


@dataclass(frozen=True, slots=True)
class PriceLine:
    """Offers that differ only in their place, as one line of the table."""

    offer: Offer  # the first of them
    places: tuple[str, ...]


def sort_offers(offers: Iterable[Offer], order: str, now: datetime) -> list[Offer]:
    """Sort by `order`, the value of --sort; among equals by the price of a GPU-hour, then by name."""
    by: dict[str, Callable[[Offer], Any]] = {
        "gpu-hour": lambda o: o.usd_per_gpu_hour,
        "machine-hour": lambda o: o.usd_per_hour,
        "gpu": lambda o: o.gpu,
        "cloud": lambda o: o.cloud,
        "age": lambda o: age_in_days(o, now),
    }
    return sorted(offers, key=lambda o: (by[order](o), o.usd_per_gpu_hour, o.key))


def cheapest_offers(offers: Iterable[Offer]) -> list[Offer]:
    """For each GPU the machine with the lowest price per GPU-hour, in every place that has it at that price.

    Offers that a plan does not take by itself (another's cloud, an opt-in region, a floor quote) come after all others.
    """
    best: dict[str, Offer] = {}
    found: dict[str, list[Offer]] = {}
    for offer in sorted(offers, key=lambda o: (_is_withheld(o), o.usd_per_gpu_hour, o.key)):
        first = best.setdefault(offer.gpu, offer)
        if _machine_and_price(offer) == _machine_and_price(first):
            found.setdefault(offer.gpu, []).append(offer)
    return [offer for group in found.values() for offer in group]


def _is_withheld(offer: Offer) -> bool:
    return not WITHHELD.isdisjoint((*offer.flags, *derived_flags(offer)))


def group_places(offers: Iterable[Offer]) -> list[PriceLine]:
    """One line for each machine and price, in the order of the offers."""
    groups: dict[object, list[Offer]] = {}
    for offer in offers:
        groups.setdefault(_machine_and_price(offer), []).append(offer)
    return [PriceLine(g[0], tuple(o.zone or o.region for o in g)) for g in groups.values()]


def price_rows(offers: Iterable[Offer], now: datetime) -> list[PriceRow]:
    """The offers as rows of `prices --json`. Written as CSV, they are a price book."""
    return [_row(offer, now) for offer in offers]


def suggest_filters(offers: Sequence[Offer], wanted: OfferFilter) -> str:
    """A hint for filters that leave no offer: what is left without one of them, and regions of similar names."""
    hints: list[str] = []
    for what, looser in (
        ("--region", replace(wanted, regions=())),
        ("--cloud", replace(wanted, clouds=())),
        ("--spot" if wanted.spot else "--on-demand", replace(wanted, spot=None)),
        ("--gpu", replace(wanted, gpus=())),
    ):
        left = [o for o in offers if looser(o)] if looser != wanted else []
        if left:
            best = min(left, key=lambda o: (o.usd_per_gpu_hour, o.key))
            hints.append(
                f"without {what} {len(left):,} {'is' if len(left) == 1 else 'are'} left, from {_offer_in_words(best)}"
            )
    near = _similar_regions(offers, wanted)
    if near:
        hints.insert(0, f"regions with similar names: {', '.join(near)}")
    return (
        "; ".join(hints[:SUGGESTIONS])
        or "use fewer filters; embedfleet prices shows the cheapest of each GPU"
    )


def _row(offer: Offer, now: datetime) -> PriceRow:
    stale = is_stale(offer, now)
    more: dict[str, Any] = {
        "flags": " ".join((*offer.flags, *derived_flags(offer), *([STALE] if stale else []))),
        "usd_per_gpu_hour": f"{offer.usd_per_gpu_hour:.6f}".rstrip("0").rstrip("."),
        "age_days": age_in_days(offer, now),
        "stale": stale,
    }
    return msgspec.convert(offer_row(offer) | more, PriceRow)


def _machine_and_price(offer: Offer) -> object:
    price = (offer.usd_per_hour, offer.as_of, offer.flags)
    return offer.cloud, offer.machine, offer.gpu, offer.gpus, offer.spot, price


def _offer_in_words(offer: Offer) -> str:
    place = plain(f"{offer.cloud}/{offer.zone or offer.region}")
    return f"{money(offer.usd_per_gpu_hour)} per GPU-hour ({plain(offer.gpu)} {offer.purchase}, {place})"


def _similar_regions(offers: Sequence[Offer], wanted: OfferFilter) -> list[str]:
    """Regions whose names are similar to the patterns that match no region."""
    regions = sorted({o.region for o in offers if replace(wanted, regions=())(o)})
    everywhere = {o.region.casefold() for o in offers}
    misspelt = [p for p in wanted.regions if not any(fnmatchcase(r, p.casefold()) for r in everywhere)]
    return [near for p in misspelt for near in get_close_matches(p.strip("*"), regions, n=SUGGESTIONS)][
        :SUGGESTIONS
    ]
