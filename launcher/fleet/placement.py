"""Which places of a group to try next: those that failed lately come last. Pure.

SkyPilot's own recovery goes back to the region that has just preempted a machine (its issue 10021), so where a machine
is requested next is decided here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from launcher.ledger.records import Site
from tasks.skypilot_task import Place, by_price

COOLDOWN = timedelta(
    minutes=10
)  # a place is avoided so long after one failure; doubles with each that follows
MAX_COOLDOWN = timedelta(hours=2)
FAILURE_MEMORY = timedelta(hours=4)  # older failures do not count


@dataclass(frozen=True, slots=True)
class PlacementFailure:
    """A place preempted a machine, or had none to give."""

    infra: str
    at: datetime
    what: str  # "preempted" or "no capacity"


def infra_of(site: Site, places: Sequence[Place]) -> str | None:
    """The place of a group that a machine is in, as precisely as the group names it; None: none of them."""
    for place in places:
        parts = place.infra.split("/")
        if (site.cloud, site.region) == (parts[0], parts[1]) and (len(parts) < 3 or site.zone == parts[2]):
            return place.infra
    return None


def cooldown_until(infra: str, failures: Sequence[PlacementFailure], now: datetime) -> datetime | None:
    """When a place may be tried first again; None: it may be now."""
    recent = [f.at for f in failures if f.infra == infra and now - f.at < FAILURE_MEMORY]
    if not recent:
        return None
    until = max(recent) + min(MAX_COOLDOWN, COOLDOWN * 2 ** (len(recent) - 1))
    return until if until > now else None


def is_healthy(infra: str, failures: Sequence[PlacementFailure], now: datetime) -> bool:
    return cooldown_until(infra, failures, now) is None


def home_place(places: Sequence[Place], counts: Sequence[int], slot: int) -> Place | None:
    """The place that the plan has for a slot: `counts` slots for each place, in the plan's order."""
    for place, count in zip(places, counts, strict=True):
        if slot < count:
            return place
        slot -= count
    return places[0] if places else None


def order_places(
    places: Sequence[Place], first: Place | None, failures: Sequence[PlacementFailure], now: datetime
) -> tuple[Place, ...]:
    """All places in the order to try: the slot's own, then by price; those in cooldown last, the soonest over first."""
    listed = by_price([*([first] if first else []), *places])
    if first:
        listed.sort(
            key=lambda place: (place.infra, place.instance_type) != (first.infra, first.instance_type)
        )
    until = {place.infra: cooldown_until(place.infra, failures, now) for place in listed}
    healthy = [place for place in listed if until[place.infra] is None]
    cooling = [place for place in listed if until[place.infra] is not None]
    return tuple(healthy + sorted(cooling, key=lambda place: until[place.infra] or now))
