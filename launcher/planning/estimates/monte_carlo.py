"""Uncertainty of a fleet's hours and dollars by Monte Carlo: the same fleet drawn many times, with a seed.

Pure. What varies:

- speed: one factor for all predicted speeds, because the error is the model's and the engine's more than the GPU's;
  one factor for each measured GPU
- cold start, and how long a launch takes: one factor for each cloud
- waiting for the controller and for capacity: the same for all machines of a cloud and purchase kind
- preemptions: a rate that is itself uncertain, then a count
- market prices: a random walk over the age of the price and the length of the run
- tokens of a corpus that was only sampled

List prices do not vary, those of storage and egress included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, partial
from math import log
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from launcher.money import SECONDS_PER_HOUR, decimal_of_float
from launcher.planning.estimates.estimate import (
    SHARD_SECONDS,
    Allocation,
    Candidate,
    RunCharges,
    UsdSpread,
    itemize,
    known_total,
    queue_hours,
    stop_seconds,
    tail_seconds,
    wall_hours,
)
from launcher.throughput.spread import P90, Spread

DRAWS = 2_000
# Of the logarithm of a spot price, per square root of a day. The L4 on GCP rose 41 % in four months: log 1.41 / sqrt 120.
# Ten AWS zones of the L4 moved by 0.008 in a day (32 hours in December 2025), so this errs on the wide side.
PRICE_DRIFT = 0.03
NO_WORK_HOURS = 1e-9  # less work than this is none

Draws = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FleetOutcome:
    """P10, P50 and P90; the middle is the fleet with everything at its median. No dollars when a price is unknown."""

    hours: Spread
    usd: UsdSpread | None
    items: Mapping[str, Decimal | None]  # USD, everything at its median


@dataclass(frozen=True, slots=True)
class FleetDraws:
    """A fleet in each draw: (DRAWS,) values. `usd` is of all that is known; None: the price of a machine is unknown."""

    hours: Draws
    usd: Draws | None
    middle_hours: float  # everything at its median
    work: Draws  # tokens over their median
    items: Mapping[str, Decimal | None]  # USD, everything at its median


def simulate(
    allocations: Sequence[Allocation], charges: RunCharges, tokens: Spread, seed: int
) -> FleetOutcome:
    """Hours and dollars of a fleet. `tokens` is the work with its 95 % interval; the allocations add up to its median."""
    drawn = draw_fleet(allocations, charges, tokens, seed)
    time = _quantiles(drawn.hours, drawn.middle_hours)
    if drawn.usd is None:
        return FleetOutcome(time, None, drawn.items)
    middle = known_total(drawn.items)
    spread = _quantiles(drawn.usd, float(middle))
    low, high = decimal_of_float(spread.low), decimal_of_float(spread.high)
    return FleetOutcome(time, UsdSpread(min(low, middle), middle, max(high, middle)), drawn.items)


def draw_fleet(
    allocations: Sequence[Allocation], charges: RunCharges, tokens: Spread, seed: int
) -> FleetDraws:
    """The draws behind `simulate`: equal arguments draw the same, so that two ways can be compared draw by draw."""
    draw, drawn = partial(_normal, seed), partial(_drawn_for, seed)
    work = _tokens_drawn(tokens, draw("tokens")) / tokens.mid
    rates, idles, aheads = list[Draws](), list[Draws](), list[Draws]()
    for allocation, queue in zip(allocations, queue_hours(allocations), strict=True):
        candidate = allocation.candidate
        predicted = candidate.speed_source.startswith("predicted")
        speed = drawn("predicted" if predicted else f"speed {candidate.gpu}", candidate.tokens_per_second)
        starting = f"start {candidate.cloud}"
        start = drawn(starting, candidate.cold_start) / SECONDS_PER_HOUR
        ahead = drawn(f"wait {candidate.cloud} {candidate.spot}", candidate.ahead) / SECONDS_PER_HOUR
        if queue:
            ahead = ahead + queue * drawn(starting, candidate.launch) / candidate.launch.mid
        working = allocation.tokens * work / speed / SECONDS_PER_HOUR
        rate = allocation.machines * speed * SECONDS_PER_HOUR
        if candidate.hazard.high > 0:
            hazard = drawn(f"hazard {candidate.name}", candidate.hazard)
            preemptions = _random(seed, f"taken {candidate.name}").poisson(hazard * working)
            lost = preemptions * (start + SHARD_SECONDS / 2 / SECONDS_PER_HOUR)
            rate = rate / (1 + lost / np.maximum(working, NO_WORK_HOURS))
        rates.append(rate)
        idles.append(start + ahead)
        aheads.append(ahead)
    tail = max(tail_seconds(allocation.candidate) for allocation in allocations) / SECONDS_PER_HOUR
    ended = _ends(tokens.mid * work, rates, idles)
    hours = ended + tail
    items = itemize(allocations, charges)  # hold what is known, and so do the draws
    planned = wall_hours(allocations)
    if any(allocation.candidate.usd_per_hour is None for allocation in allocations):
        return FleetDraws(hours, None, planned, work, items)
    up = hours + charges.controller_after / SECONDS_PER_HOUR
    usd = up * float(charges.controller_usd_per_hour or 0) + float(charges.storage or 0) * work
    for allocation, rate, idle, ahead in zip(allocations, rates, idles, aheads, strict=True):
        candidate = allocation.candidate
        lived = np.maximum(hours - ahead, 0.0)
        stop = stop_seconds(candidate, median(lived) * SECONDS_PER_HOUR) / SECONDS_PER_HOUR
        hourly: Draws | float = float(candidate.usd_per_hour or 0)
        if candidate.floats:
            hourly = hourly * _price_factor(candidate, planned, draw(f"drift {candidate.name}"))
        hourly = hourly + float(candidate.disk_usd_per_hour or 0)
        usd += allocation.machines * (lived + stop) * hourly
        usd += rate * np.maximum(ended - idle, 0.0) * float(candidate.egress_usd_per_token or 0)
    return FleetDraws(hours, usd, planned, work, items)


def _ends(tokens: Draws, rates: Sequence[Draws], idles: Sequence[Draws]) -> Draws:
    """When the last shard of one queue is done, in hours. `rates`: tokens an hour from the hour of `idles` on."""
    if len(rates) == 1:
        return tokens / rates[0] + idles[0]
    rate, idle = np.stack(rates), np.stack(idles)
    while True:
        end = (tokens + (rate * idle).sum(axis=0)) / rate.sum(axis=0)
        late = (idle >= end) & (
            rate > 0
        )  # what would be there after the others have done it all does nothing
        if not late.any():
            return end
        rate = np.where(late, 0.0, rate)


def _random(seed: int, name: str) -> np.random.Generator:
    """A random stream for each thing that varies: two fleets that share a thing draw the same values for it."""
    return np.random.default_rng([seed, crc32(name.encode())])


@lru_cache(maxsize=256)
def _normal(seed: int, name: str) -> Draws:
    """Standard normal draws for one thing. Many fleets share the array: it must not be changed in place."""
    return _random(seed, name).standard_normal(DRAWS)


@lru_cache(maxsize=512)
def _drawn_for(seed: int, name: str, spread: Spread) -> Draws:
    """Draws of one thing. Many fleets share the array: it must not be changed in place."""
    return _drawn(spread, _normal(seed, name))


def _quantiles(draws: Draws, middle: float) -> Spread:
    """P10 and P90 of the draws about a given middle."""
    low, high = quantile(draws, 0.1), quantile(draws, 0.9)
    return Spread(min(low, middle), middle, max(high, middle))


def quantile(draws: Draws, share: float) -> float:
    """`numpy.quantile`, to the last bit, without the time that it takes to look at its arguments."""
    at = share * (len(draws) - 1)
    below = int(at)
    part = np.partition(draws, (below, below + 1))
    low, high = float(part[below]), float(part[below + 1])
    rest = at - below
    return high - (high - low) * (1 - rest) if rest >= 0.5 else low + (high - low) * rest


def median(draws: Draws) -> float:
    """`numpy.median` of an even count of numbers, to the last bit, without the time for its arguments."""
    half = len(draws) // 2
    part = np.partition(draws, (half - 1, half))
    return (float(part[half - 1]) + float(part[half])) / 2


def _drawn(spread: Spread, normal: Draws) -> Draws:
    """Draws whose P10, P50 and P90 are the spread's: log-normal on either side of the median."""
    if spread.low == spread.high:
        return np.full(DRAWS, spread.mid)
    if spread.mid <= 0:  # no time at all for half of the draws
        return np.maximum(normal, 0.0) * spread.high / P90
    up = log(spread.high / spread.mid) / P90
    down = log(spread.mid / max(spread.low, spread.mid / 100)) / P90  # a P10 of 0 has no logarithm
    return spread.mid * np.exp(normal * np.where(normal > 0, up, down))


def _tokens_drawn(tokens: Spread, normal: Draws) -> Draws:
    """Draws of the number of tokens; `tokens` is a 95 % interval."""
    up, down = (tokens.high - tokens.mid) / 1.96, (tokens.mid - tokens.low) / 1.96
    return np.maximum(tokens.mid + normal * np.where(normal > 0, up, down), 1.0)


def _price_factor(candidate: Candidate, hours: float, normal: Draws) -> Draws:
    """Draws of the price of a market over today's."""
    days = max(0.0, candidate.price_age_days) + hours / 24
    return np.exp(normal * PRICE_DRIFT * np.sqrt(days))
