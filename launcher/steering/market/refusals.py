"""The chance that on-demand machines are refused when the safety net needs them. Pure.

A place on demand has machines or has none, as a two-state process: `share` of the time it has some, and where it has none
that lasts OUTAGE_HOURS on the mean, longer where it seldom has any. Places that fail independently must all have none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp

from launcher.steering.market.supply import SECONDS_PER_HOUR
from launcher.steering.situation import Kind

OUTAGE_HOURS = 1.0  # assumed; the simulator draws outages about it
# Share of the time in which a place has machines on demand, where nothing is known of it. No public trace records on
# demand: it is an assumption, and plans say so.
ASSUMED_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Refusals:
    """How on demand may be refused. `share`: of the time that a place has machines; `places`: independent ones."""

    share: float = 1.0
    places: int = 1


CERTAIN = Refusals()  # on demand is always there


def chance_refused(refusals: Refusals, patience: float) -> float:
    """The chance that every place has none when machines are asked for, and still has none `patience` seconds later."""
    if refusals.places < 1:
        return 1.0
    return (1 - refusals.share) ** refusals.places * _lasts(refusals, patience)


def chance_refused_later(refusals: Refusals, patience: float, hours: float) -> float:
    """The chance that within `hours` of asking no place has any machine for longer than `patience` seconds."""
    if refusals.places < 1:
        return 1.0
    begin = (1 - refusals.share) ** refusals.places * refusals.places / OUTAGE_HOURS  # times an hour
    return 1 - exp(-begin * max(0.0, hours) * _lasts(refusals, patience))


def _lasts(refusals: Refusals, patience: float) -> float:
    """The chance that a time without machines anywhere goes on for `patience` seconds more."""
    return exp(-refusals.places * patience / SECONDS_PER_HOUR / OUTAGE_HOURS * min(1.0, refusals.share))


def independent_places(kinds: Iterable[Kind]) -> int:
    """Regions that have a kind on demand: zones of a region, and its GPU types, are taken to fail together."""
    return len({region_of(kind) for kind in kinds if not kind.spot})


def region_of(kind: Kind) -> str:
    """Cloud and region of a kind."""
    return "/".join(kind.key[0].split("/")[:2])
