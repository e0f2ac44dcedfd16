"""The chance that machines which are asked for in their own places alone are late, by draws with a fixed seed. Pure.

A place has machines or has none, by rates at which it takes them and has some again. Rates differ between markets and,
less, between the places of one: the rates of a market are log-normal, those of a place Gamma about its market's. So what
one place is known for says something of the others of its cloud and GPU type. Each drawn market has a weight by how well
it explains what earlier runs saw (a Gamma-Poisson likelihood), and its places have the Gamma posterior of their own.
Before any run all markets are drawn alike, and the chance has a wide range: it is said with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from launcher.money import SECONDS_PER_HOUR
from launcher.steering.forecast import P90_SIGMAS
from launcher.steering.market.refusals import ASSUMED_SHARE, OUTAGE_HOURS
from launcher.steering.situation import SPOT, Belief, Kind, PlaceKey

Draws = NDArray[np.float64]

MARKETS, RUNS = 150, 40  # markets drawn, and runs in each
SEED = 18
# Medians of rates an hour over markets, the spreads of their logarithms between markets, and the shape of the Gamma
# distribution of places within one: by the places of the tuning half of `make bench-calibration`.
FALLS, FALLS_SPREAD = 0.55, 0.8
RETURNS, RETURNS_SPREAD = 0.4, 0.5
PLACE_SHAPE = 3.0
# Seconds that a start loses beside the cold start: the answer to a request, and half a shard of what was taken.
LOST_SECONDS = 150.0
# Of the time in which a place has machines that is used where it seldom has them: it is not asked at once, and may have
# fewer. All of it is used where it always has them. Tuned as the rates are.
USED_WHERE_SELDOM = 0.6


@dataclass(frozen=True, slots=True)
class LateChance:
    """From 0 to 1: over all markets (`mean`), and its P10 and P90 over markets."""

    mean: float
    low: float
    high: float

    @property
    def range(self) -> tuple[float, float]:
        return self.low, self.high


@dataclass(frozen=True, slots=True)
class StaticWork:
    """What is to be done: tokens at P50 and P97.5, and the seconds until the deadline."""

    tokens: float
    tokens_high: float
    seconds: float


def late_chance(
    kinds: Sequence[Kind], work: StaticWork, beliefs: Mapping[PlaceKey, Belief] | None = None
) -> LateChance:
    """The chance that these machines alone do not do the work in time. `beliefs`: what earlier runs saw of places."""
    known = beliefs or {}
    if work.seconds <= 0:
        return LateChance(1.0, 1.0, 1.0)
    random = np.random.default_rng(SEED)
    shape, normal = (MARKETS, RUNS), random.standard_normal
    groups = {market: _rates(random) for market in dict.fromkeys(_market(k.key) for k in kinds if k.spot)}
    weights = np.zeros(MARKETS)
    for key, one in known.items():
        if key[2] == SPOT and _market(key) in groups:
            falls, returns = groups[_market(key)]
            weights += _log_likelihood(one.falls, one.hours_up, falls)
            weights += _log_likelihood(one.returns, one.hours_down, returns)
    done, speed = np.zeros(shape), normal(shape)
    for kind in kinds:
        cold = kind.cold_start * np.exp(_sigma(kind.cold_start_p90, kind.cold_start) * normal(shape))
        if kind.spot:
            belief = known.get(kind.key, Belief())
            worked = _spot_hours(random, groups[_market(kind.key)], belief, work.seconds, cold)
        else:
            worked = _on_demand_hours(random, work.seconds, cold)
        sigma = _sigma(kind.tokens_per_second, kind.tokens_per_second_p10)
        rate = kind.cap * kind.tokens_per_second * np.exp(sigma * speed)
        done += rate * worked * SECONDS_PER_HOUR
    spread = log(work.tokens_high / work.tokens) / 1.96 if work.tokens_high > work.tokens > 0 else 0.0
    late = (done < work.tokens * np.exp(spread * normal(shape))).mean(axis=1)
    return _weighed(late, np.exp(weights - weights.max()))


def _market(key: PlaceKey) -> tuple[str, str]:
    """What places share a market: a cloud and a GPU type."""
    return key[0].partition("/")[0], key[1]


def _rates(random: Generator) -> tuple[Draws, Draws]:
    """Falls and returns an hour of each drawn market."""
    falls = FALLS * np.exp(FALLS_SPREAD * random.standard_normal(MARKETS))
    return falls, RETURNS * np.exp(RETURNS_SPREAD * random.standard_normal(MARKETS))


def _log_likelihood(events: float, hours: float, rates: Draws) -> Draws:
    """Of so many events of a place in so many hours, given the rate of its market: Gamma-Poisson, without constants."""
    scale = PLACE_SHAPE / rates
    return PLACE_SHAPE * np.log(scale / (scale + hours)) - events * np.log(scale + hours)


def _spot_hours(
    random: Generator, rates: tuple[Draws, Draws], belief: Belief, seconds: float, cold: Draws
) -> Draws:
    """Hours of work of one machine in a spot place.

    The share of the time in which a place has machines is Beta, with mean and variance of a process of two states: where
    it seldom changes, nearly all or nearly nothing. Of the time up with rate `f`, starts of length `c` leave exp(-f c).
    """
    hours = seconds / SECONDS_PER_HOUR
    falls = _place_rates(random, rates[0], belief.falls, belief.hours_up)
    returns = _place_rates(random, rates[1], belief.returns, belief.hours_down)
    both, up = (falls + returns) * hours, returns / (falls + returns)
    settled = np.where(both < 1e-4, 1.0, 2 / both * (1 - -np.expm1(-both) / both))
    size = 1 / np.clip(settled, 1e-6, 1 - 1e-6) - 1
    share = random.beta(np.maximum(up * size, 1e-4), np.maximum((1 - up) * size, 1e-4))
    lost = (cold + LOST_SECONDS) / SECONDS_PER_HOUR
    share = share * (USED_WHERE_SELDOM + (1 - USED_WHERE_SELDOM) * share)
    worked = share * hours * np.exp(-falls * lost) - lost * np.exp(-falls * share * hours)
    return np.maximum(worked, 0.0)


def _place_rates(random: Generator, market: Draws, events: float, hours: float) -> Draws:
    """The rates of a place in each run: the Gamma posterior about its market's rate."""
    scale = 1 / (PLACE_SHAPE / market + hours)
    return random.gamma(PLACE_SHAPE + events, size=(MARKETS, RUNS)) * scale[:, np.newaxis]


def _on_demand_hours(random: Generator, seconds: float, cold: Draws) -> Draws:
    """Hours of work of a machine on demand: refused at first as often as is assumed, and never taken."""
    waits = random.exponential(OUTAGE_HOURS, cold.shape) * (random.random(cold.shape) > ASSUMED_SHARE)
    return np.maximum((seconds - cold) / SECONDS_PER_HOUR - waits, 0.0)


def _sigma(high: float, low: float) -> float:
    return log(high / low) / P90_SIGMAS if high > low > 0 else 0.0


def _weighed(late: Draws, weights: Draws) -> LateChance:
    """The weighted mean, P10 and P90 of the markets' chances."""
    order = np.argsort(late)
    sums = np.cumsum(weights[order]) / weights.sum()
    low, high = (float(late[order][int(np.searchsorted(sums, share))]) for share in (0.1, 0.9))
    mean = float(np.average(late, weights=weights))
    return LateChance(mean, min(low, mean), max(high, mean))
