"""Spot traces: how many machines each place could give, and at which price, minute by minute. Pure.

A trace is a step function on a grid of one minute from its first row on. A run may begin at any minute of it; a
trace that is shorter than the run starts over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from launcher.errors import Usage

MINUTE = 60.0  # seconds
MOST_CELLS = 50_000_000  # minutes of all places together that are held in memory: 400 MB


@dataclass(frozen=True, slots=True)
class PlaceTrace:
    """One place: machines that can be had in each minute, and USD per machine-hour; None: the trace has no prices."""

    place: str
    available: NDArray[np.int32]
    usd_per_hour: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class TraceSet:
    """Places of the same time span."""

    name: str
    about: str  # what it is, in words
    places: tuple[PlaceTrace, ...]

    @property
    def minutes(self) -> int:
        return len(self.places[0].available)

    @property
    def counts_machines(self) -> bool:
        """Whether it says how many machines there are, and not only whether there is one."""
        return any(int(place.available.max()) > 1 for place in self.places)


@dataclass(frozen=True, slots=True)
class TraceRow:
    """A row of a trace: what holds from `at` (seconds) on. `line` is where it stands in its file."""

    place: str
    at: float
    available: int
    usd_per_hour: float | None
    line: int


def trace_set(name: str, about: str, rows: Sequence[TraceRow]) -> TraceSet:
    """The traces of these rows, which are in order within each place.

    All places begin at the first row of all and end with the last; before its own first row a place is as in that row.

    Raises:
        Usage: there is no row, or the rows span more time than is kept in memory.
    """
    if not rows:
        raise Usage(f"{name} has no row", hint="give a trace with the columns place, at, available")
    by_place: dict[str, list[TraceRow]] = {}
    for row in rows:
        by_place.setdefault(row.place, []).append(row)
    first, last = min(row.at for row in rows), max(row.at for row in rows)
    minutes = int((last - first) // MINUTE) + 1
    if minutes * len(by_place) > MOST_CELLS:
        raise Usage(
            f"{name} spans {minutes * len(by_place):,} minutes of all its places, more than {MOST_CELLS:,}",
            hint="cut the trace, and check that its times are in seconds",
        )
    return TraceSet(
        name, about, tuple(_place_trace(place, found, first, minutes) for place, found in by_place.items())
    )


def _place_trace(place: str, rows: Sequence[TraceRow], first: float, minutes: int) -> PlaceTrace:
    at = np.array([row.at - first for row in rows])
    index = np.maximum(np.searchsorted(at, np.arange(minutes) * MINUTE, side="right") - 1, 0)
    available = np.array([row.available for row in rows], np.int32)[index]
    prices = [row.usd_per_hour for row in rows]
    known = [usd for usd in prices if usd is not None]
    if not known:
        return PlaceTrace(place, available)
    held, filled = known[0], list[float]()  # an empty price: the one before it holds
    for usd in prices:
        held = held if usd is None else usd
        filled.append(held)
    return PlaceTrace(place, available, np.array(filled)[index])


def with_machines(traces: TraceSet, each: int) -> TraceSet:
    """A trace that only says whether a place has machines, with `each` machines where it has.

    Raises:
        Usage: the trace says how many there are.
    """
    if traces.counts_machines:
        raise Usage(f"{traces.name} counts machines already", hint="leave --each out")
    places = [replace(place, available=place.available * np.int32(each)) for place in traces.places]
    return replace(traces, places=tuple(places))


def only_places(traces: TraceSet, beginning: str) -> TraceSet:
    """The places whose names begin so."""
    return replace(traces, places=tuple(p for p in traces.places if p.place.startswith(beginning)))
