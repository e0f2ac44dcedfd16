"""What earlier runs saw of a place, as the belief with which a run begins. Pure.

It counts for less the older it is, and for no more than a few events: what the run sees itself outweighs it soon. Only
how often a place falls and returns is taken over. What it had at the end of an earlier run says little of today.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from launcher.steering.market.beliefs import PRIOR_FALLS_PER_HOUR, PRIOR_RETURNS_PER_HOUR
from launcher.steering.situation import Belief, PlaceKey

HALF_LIFE = timedelta(days=3)  # after which the past counts half
MOST_AGE = timedelta(days=30)  # older runs are not read
# Hours of the past count as at most so many times those of the general prior (one event each).
MOST_WEIGHT = 3.0


@dataclass(frozen=True, slots=True)
class PastRun:
    """What one earlier run believed of its places at its end, from its own answers, and when it saw the last of them."""

    beliefs: Mapping[PlaceKey, Belief]
    ended: datetime


def priors_of(runs: Iterable[PastRun], now: datetime) -> dict[PlaceKey, Belief]:
    """The beliefs with which a run begins that is planned now. Places that no run saw for a while are not in it."""
    found: dict[PlaceKey, Belief] = {}
    for run in runs:
        age = max(timedelta(0), now - run.ended)
        if age > MOST_AGE:
            continue
        weight = 0.5 ** (age / HALF_LIFE)
        for key, belief in run.beliefs.items():
            found[key] = _sum(found.get(key, Belief()), belief, weight)
    return {key: _bounded(belief) for key, belief in found.items() if belief.hours_up or belief.hours_down}


def _sum(before: Belief, belief: Belief, weight: float) -> Belief:
    return Belief(
        falls=before.falls + weight * belief.falls,
        hours_up=before.hours_up + weight * belief.hours_up,
        returns=before.returns + weight * belief.returns,
        hours_down=before.hours_down + weight * belief.hours_down,
    )


def _bounded(belief: Belief) -> Belief:
    """The same rates, with no more weight than MOST_WEIGHT allows."""
    up = _share(belief.hours_up, PRIOR_FALLS_PER_HOUR)
    down = _share(belief.hours_down, PRIOR_RETURNS_PER_HOUR)
    return Belief(
        falls=round(belief.falls * up, 4),
        hours_up=round(belief.hours_up * up, 4),
        returns=round(belief.returns * down, 4),
        hours_down=round(belief.hours_down * down, 4),
    )


def _share(hours: float, prior_per_hour: float) -> float:
    """The share of so many hours that counts."""
    return min(1.0, MOST_WEIGHT / prior_per_hour / hours) if hours > 0 else 1.0
