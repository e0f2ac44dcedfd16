"""Which places of a group to try next: those that failed lately come last, after a cooldown with backoff. Pure.

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
RETRY = timedelta(
    minutes=5
)  # a place that had none is asked again after this; doubles with each that follows
MAX_RETRY = timedelta(minutes=20)
MAX_DOUBLINGS = 8  # of a backoff: by then every backoff here is at its limit
# Failures of a place within this time are one event: a launcher sees the machines of one look a few moments apart.
ONE_LOOK = timedelta(seconds=30)
PREEMPTED, NO_CAPACITY = "preempted", "no capacity"


@dataclass(frozen=True, slots=True)
class PlacementFailure:
    """A place preempted a machine, or had none to give."""

    infra: str
    at: datetime
    what: str  # PREEMPTED or NO_CAPACITY


def infra_of(site: Site, places: Sequence[Place]) -> str | None:
    """The place of a group that a machine is in, as precisely as the group names it; None: none of them."""
    for place in places:
        parts = place.infra.split("/")
        if (site.cloud, site.region) == (parts[0], parts[1]) and (len(parts) < 3 or site.zone == parts[2]):
            return place.infra
    return None


def failed_looks(failures: Sequence[PlacementFailure]) -> list[datetime]:
    """The moments at which a place failed: all failures of one look are one, however many machines it took."""
    moments = list[datetime]()
    for at in sorted(failure.at for failure in failures):
        if not moments or at - moments[-1] >= ONE_LOOK:
            moments.append(at)
    return moments


def cooldown_until(infra: str, failures: Sequence[PlacementFailure], now: datetime) -> datetime | None:
    """When a place may be tried first again; None: it may be now."""
    recent = failed_looks([f for f in failures if f.infra == infra and now - f.at < FAILURE_MEMORY])
    return _backoff_until(recent, COOLDOWN, MAX_COOLDOWN, now)


def refused_until(infra: str, failures: Sequence[PlacementFailure], now: datetime) -> datetime | None:
    """When a place that had no machine may be asked again at all; None: it may be now."""
    recent = [f for f in failures if f.infra == infra and f.what == NO_CAPACITY]
    looks = failed_looks([f for f in recent if now - f.at < FAILURE_MEMORY])
    return _backoff_until(looks, RETRY, MAX_RETRY, now)


def _backoff_until(
    failed: Sequence[datetime], first: timedelta, most: timedelta, now: datetime
) -> datetime | None:
    """The end of an exponential backoff after failures at these moments; None: it is over."""
    if not failed:
        return None
    doubled = min(len(failed) - 1, MAX_DOUBLINGS)
    until = failed[-1] + min(most, first * 2**doubled)
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
