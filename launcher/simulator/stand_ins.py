"""Which recorded place stands in for the spot market of which kind. Pure.

A kind takes a trace of its own cloud and region that no other kind has, else one that the seed draws. Where there are
more kinds than traces, a trace is used again at another time, which the seed draws, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from launcher.simulator.scenario import Kind, Scenario
from launcher.simulator.traces import PlaceTrace, TraceSet

MOST_SPOT_KINDS = 24  # the cheapest, beside those of the plan's own fleet
MOST_ON_DEMAND_KINDS = 4


@dataclass(frozen=True, slots=True)
class StandInTrace:
    """The trace of a kind. `drawn`: it is of another region. `later`: minutes by which it is used later than recorded."""

    trace: PlaceTrace
    drawn: bool = False
    later: int = 0


def simulated_kinds(scenario: Scenario) -> tuple[Scenario, int]:
    """The scenario with as many kinds as are simulated, and how many are left out: the dearest."""
    own = {
        (place.infra, place.instance_type, group.purchase or "")
        for group in scenario.fleet
        for place in group.places
    }
    spot, listed = scenario.spot, scenario.on_demand
    kept = {*spot[:MOST_SPOT_KINDS], *listed[:MOST_ON_DEMAND_KINDS]}
    kept |= {number for number, kind in enumerate(scenario.kinds) if kind.key in own}
    left_out = len(scenario.kinds) - len(kept)
    return replace(scenario, kinds=tuple(scenario.kinds[n] for n in sorted(kept))), left_out


def stand_ins(kinds: Sequence[Kind], traces: TraceSet, seed: int) -> dict[int, StandInTrace]:
    """A trace for each spot kind, by its position."""
    random = np.random.default_rng([seed, 404])
    free = list(traces.places)
    found: dict[int, StandInTrace] = {}
    spot = sorted((n for n, kind in enumerate(kinds) if kind.spot), key=lambda n: kinds[n].usd_per_token)
    for number in spot:
        near = [trace for trace in free if _region(trace.place) == _region(kinds[number].place.infra)]
        if near:
            found[number] = StandInTrace(near[0])
            free.remove(near[0])
    for number in spot:
        if number in found:
            continue
        if free:
            found[number] = StandInTrace(free.pop(int(random.integers(len(free)))), drawn=True)
        else:
            found[number] = _used_again(traces, random)
    return found


def _used_again(traces: TraceSet, random: Generator) -> StandInTrace:
    trace = traces.places[int(random.integers(len(traces.places)))]
    later = int(random.integers(1, max(2, traces.minutes)))
    usd = trace.usd_per_hour
    moved = replace(
        trace,
        available=np.roll(trace.available, -later),
        usd_per_hour=None if usd is None else np.roll(usd, -later),
    )
    return StandInTrace(moved, drawn=True, later=later)


def _region(place: str) -> tuple[str, ...]:
    """Cloud and region of a place."""
    return tuple(place.split("/")[:2])
