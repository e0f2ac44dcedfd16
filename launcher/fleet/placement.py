"""Which places of a lot to try next: those that failed lately come last.

Pure. SkyPilot's own recovery goes back to the region that has just taken a machine away (its issue 10021), so
where a machine is asked for next is decided here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from launcher.ledger.records import Site
from tasks.skypilot_task import Place, ranked

COOLDOWN = timedelta(
    minutes=10
)  # that a place is avoided after a first trouble; doubles with each that follows
MAX_COOLDOWN = timedelta(hours=2)
FAILURE_MEMORY = timedelta(hours=4)  # that a trouble is held against a place


@dataclass(frozen=True, slots=True)
class PlacementFailure:
    """A place took a machine away, or had none."""

    infra: str
    at: datetime
    what: str  # "preempted" or "no capacity"


def cooldown_until(infra: str, troubles: Sequence[PlacementFailure], now: datetime) -> datetime | None:
    """Until when a place is not asked first; None: it may be."""
    mine = [t.at for t in troubles if t.infra == infra and now - t.at < FAILURE_MEMORY]
    if not mine:
        return None
    until = max(mine) + min(MAX_COOLDOWN, COOLDOWN * 2 ** (len(mine) - 1))
    return until if until > now else None


def is_healthy(infra: str, troubles: Sequence[PlacementFailure], now: datetime) -> bool:
    return cooldown_until(infra, troubles, now) is None


def home_place(places: Sequence[Place], counts: Sequence[int], slot: int) -> Place | None:
    """The place that the plan has for a slot: so many slots for each, in the plan's order."""
    for place, count in zip(places, counts, strict=True):
        if slot < count:
            return place
        slot -= count
    return places[0] if places else None


def order_places(
    places: Sequence[Place], first: Place | None, troubles: Sequence[PlacementFailure], now: datetime
) -> tuple[Place, ...]:
    """All places: the slot's own, then by price; those in trouble last, whose time is up soonest before the others."""
    listed = ranked([*([first] if first else []), *places])
    if first:
        listed.sort(
            key=lambda place: (place.infra, place.instance_type) != (first.infra, first.instance_type)
        )
    until = {place.infra: cooldown_until(place.infra, troubles, now) for place in listed}
    good = [place for place in listed if until[place.infra] is None]
    bad = [place for place in listed if until[place.infra] is not None]
    return tuple(good + sorted(bad, key=lambda place: until[place.infra] or now))


def infra_of(site: Site, places: Sequence[Place]) -> str | None:
    """The place of a lot that a machine is in, as precisely as the lot names it."""
    for place in places:
        parts = place.infra.split("/")
        if (site.cloud, site.region) == (parts[0], parts[1]) and (len(parts) < 3 or site.zone == parts[2]):
            return place.infra
    return None
