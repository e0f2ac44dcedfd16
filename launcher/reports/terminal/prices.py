"""Offers as a person asks for them: which, in what order, how many on a screen, and what is nearest when none is left.

Knows offers, not where they come from; `now` is the caller's.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.format import money, plain
from pricing.offer import FLAGS, Offer
from pricing.price_book import STALE, offer_row
from pricing.staleness import LIST_DAYS, SPOT_DAYS, age_in_days, is_stale

NEAR = 3  # suggestions in one hint
WIDTH = 110  # characters of a line where the terminal does not say
FIXED = 77  # of these, what all columns but place and type need

# How a flag is said in a column; those about the date are said by the age itself.
WORDS = {
    "gpu_by_instance_type": "gpu",
    "gpu_variant_unsure": "gpu?",
    "jump": "jump",
    "on_demand_unknown": "list?",
    "region_unverified": "place?",
    STALE: "stale",
    "zone_id": "zone",
}
MEANING = FLAGS | {STALE: f"a spot price older than {SPOT_DAYS} days, a list price older than {LIST_DAYS}"}
ABOUT = {"as_of_estimated": "~", "as_of_unknown": "\N{GREATER-THAN OR EQUAL TO}"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the offers must be; an empty part asks for nothing."""

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


@dataclass(frozen=True, slots=True)
class Line:
    """Offers that differ in their place alone, as one line of the table."""

    offer: Offer  # the first of them
    places: tuple[str, ...]


def ordered(offers: Iterable[Offer], order: str, now: datetime) -> list[Offer]:
    """In the order asked for; among equals the cheapest GPU-hour first, then by name."""
    by: dict[str, Callable[[Offer], Any]] = {
        "gpu-hour": lambda o: o.usd_per_gpu_hour,
        "machine-hour": lambda o: o.usd_per_hour,
        "gpu": lambda o: o.gpu,
        "cloud": lambda o: o.cloud,
        "age": lambda o: age_in_days(o, now),
    }
    return sorted(offers, key=lambda o: (by[order](o), o.usd_per_gpu_hour, o.key))


def cheapest(offers: Iterable[Offer]) -> list[Offer]:
    """Of each GPU the offers at its lowest price per GPU-hour: one machine, in every place that has it so cheap."""
    best: dict[str, Offer] = {}
    found: dict[str, list[Offer]] = {}
    for offer in sorted(offers, key=lambda o: (o.usd_per_gpu_hour, o.key)):
        first = best.setdefault(offer.gpu, offer)
        if _kind(offer) == _kind(first):
            found.setdefault(offer.gpu, []).append(offer)
    return [offer for group in found.values() for offer in group]


def lines(offers: Iterable[Offer]) -> list[Line]:
    """One line for each machine and price, in the order in which they come."""
    groups: dict[object, list[Offer]] = {}
    for offer in offers:
        groups.setdefault(_kind(offer), []).append(offer)
    return [Line(g[0], tuple(o.zone or o.region for o in g)) for g in groups.values()]


def to_json(offers: Iterable[Offer], now: datetime) -> list[dict[str, Any]]:
    """The offers in the fields of a price book, and what follows from them. Written as CSV this is a price book."""
    found: list[dict[str, Any]] = []
    for offer in offers:
        old = is_stale(offer, now)
        each = f"{offer.usd_per_gpu_hour:.6f}".rstrip("0").rstrip(".")
        found.append(
            offer_row(offer)
            | {
                "flags": " ".join((*offer.flags, STALE) if old else offer.flags),
                "usd_per_gpu_hour": each,
                "age_days": age_in_days(offer, now),
                "stale": old,
            }
        )
    return found


def nearest(offers: Sequence[Offer], wanted: Wanted) -> str:
    """What to ask for instead, when nothing is all that was wanted."""
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
                f"without {what} {len(left):,} {'is' if len(left) == 1 else 'are'} left, from {_named(best)}"
            )
    near = _regions(offers, wanted)
    if near:
        hints.insert(0, f"regions by a like name: {', '.join(near)}")
    return "; ".join(hints[:NEAR]) or "ask for less at once; embedfleet prices shows the cheapest of each GPU"


def table(shown: Sequence[Line], now: datetime, width: int = WIDTH) -> RenderableType:
    """The lines as a table, and what the flags in it mean."""
    spare = max(24, width - FIXED)
    out = _columns(spare)
    told: dict[str, None] = {}
    for line in shown:
        offer = line.offer
        flags = [f for f in (STALE, *offer.flags) if f in WORDS and (f != STALE or is_stale(offer, now))]
        told |= dict.fromkeys(flags)
        about = next((ABOUT[f] for f in offer.flags if f in ABOUT), "")
        out.add_row(
            f"{offer.gpus:g} x {plain(offer.gpu)}",
            money(offer.usd_per_gpu_hour),
            money(offer.usd_per_hour),
            offer.purchase,
            plain(offer.cloud),
            _places(line.places, spare * 9 // 20),
            plain(offer.instance_type).removeprefix("Standard_"),  # which all of Azure's begin with
            f"{about}{age_in_days(offer, now)} d",
            " ".join(WORDS[f] for f in flags),
        )
    return Group(out, *(Text(f"{WORDS[f]}: {MEANING[f]}", style="dim") for f in told))


def _columns(spare: int) -> Table:
    """The columns; place and type share what the others leave."""
    out = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    out.add_column("machine", no_wrap=True)
    for name in ("$/GPU-h", "$/hour"):
        out.add_column(name, justify="right", no_wrap=True)
    for name in ("purchase", "cloud"):
        out.add_column(name, no_wrap=True)
    out.add_column("place", no_wrap=True, overflow="ellipsis", max_width=spare * 9 // 20)
    out.add_column("type", no_wrap=True, overflow="ellipsis", max_width=spare - spare * 9 // 20)
    out.add_column("age", justify="right", no_wrap=True)
    out.add_column("flags", no_wrap=True, overflow="ellipsis")
    return out


def _kind(offer: Offer) -> object:
    price = (offer.usd_per_hour, offer.as_of, offer.flags)
    return offer.cloud, offer.machine, offer.gpu, offer.gpus, offer.spot, price


def _places(places: Sequence[str], room: int) -> str:
    """The first place, and how many others there are at the same price."""
    first = plain(places[0]).strip(", ")
    if len(places) == 1:
        return first
    more = f" +{len(places) - 1}"
    return (
        first if len(first + more) <= room else f"{first[: room - len(more) - 1]}\N{HORIZONTAL ELLIPSIS}"
    ) + more


def _named(offer: Offer) -> str:
    place = plain(f"{offer.cloud}/{offer.zone or offer.region}")
    return f"{money(offer.usd_per_gpu_hour)} per GPU-hour ({plain(offer.gpu)} {offer.purchase}, {place})"


def _regions(offers: Sequence[Offer], wanted: Wanted) -> list[str]:
    """Regions of the offers that look like the patterns, when no region is like any of them."""
    regions = sorted({o.region for o in offers if replace(wanted, regions=())(o)})
    everywhere = {o.region.casefold() for o in offers}
    misspelt = [p for p in wanted.regions if not any(fnmatchcase(r, p.casefold()) for r in everywhere)]
    return [near for p in misspelt for near in get_close_matches(p.strip("*"), regions, n=NEAR)][:NEAR]
