"""How sure a fleet's hours and dollars are: the same fleet drawn many times, with a seed.

Pure. What varies: the speed (one factor for all that is predicted, for its error is the model's and the engine's more
than the GPU's; one for each measured kind), the start of machines (one factor a cloud), preemptions (a rate that is
itself unsure, then a count), prices that a market makes (a walk as long as the price is old and the run lasts), and
the tokens of a corpus that was only sampled. What does not vary: list prices, those of storage and egress included.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from math import log
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from launcher.money import decimal_of_float
from launcher.planning.estimate import (
    SHARD_SECONDS,
    Allocation,
    Candidate,
    RunCharges,
    UsdSpread,
    itemize,
    known_total,
    tail_seconds,
    wall_hours,
)
from launcher.throughput.spread import P90, SECONDS_PER_HOUR, Spread

DRAWS = 2_000
# Of the logarithm of a spot price, per square root of a day. The L4 on GCP rose 41 % in four months: log 1.41 / sqrt 120.
# Ten AWS zones of the L4 moved by 0.008 in a day (32 hours in December 2025), so this errs on the wide side.
PRICE_DRIFT = 0.03
NO_WORK_HOURS = 1e-9  # hours; so little work is none

Draws = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FleetOutcome:
    """P10, P50 and P90; the middle is the fleet with everything at its median. No dollars where a price is unknown."""

    hours: Spread
    usd: UsdSpread | None


def simulate(shares: Sequence[Allocation], rest: RunCharges, tokens: Spread, seed: int) -> FleetOutcome:
    """What becomes of a fleet; `tokens` is the work, whose median the shares add up to."""
    draw = partial(_normal, seed)
    work = _around(tokens, draw("tokens")) / tokens.mid
    rate, left, busy = np.zeros(DRAWS), tokens.mid * work, list[Draws]()
    late = 0.0
    for share in shares:
        kind = share.kind
        predicted = kind.speed_source.startswith("predicted")
        speed = _spread(kind.tokens_per_second, draw("predicted" if predicted else f"speed {kind.gpu}"))
        start = _spread(kind.cold_start, draw(f"start {kind.cloud}")) / SECONDS_PER_HOUR
        pure = share.tokens * work / speed / SECONDS_PER_HOUR
        hazard = _spread(kind.hazard, draw(f"hazard {kind.name}"))
        taken = _random(seed, f"taken {kind.name}").poisson(hazard * pure)
        lost = taken * (start + SHARD_SECONDS / 2 / SECONDS_PER_HOUR)
        able = share.machines * speed * SECONDS_PER_HOUR / (1 + lost / np.maximum(pure, NO_WORK_HOURS))
        rate, left, late = rate + able, left + able * start, max(late, tail_seconds(kind) / SECONDS_PER_HOUR)
        busy.append(pure + lost + share.machines * (start + tail_seconds(kind) / SECONDS_PER_HOUR))
    hours = left / rate + late
    time = _between(hours, wall_hours(shares))
    if any(share.kind.usd_per_hour is None for share in shares):
        return FleetOutcome(time, None)
    items = itemize(shares, rest)  # an item that is unknown in part is in no sum
    carried, disks = (items[name] is not None for name in ("egress", "disk"))
    usd = hours * float(rest.controller_usd_per_hour or 0) + float(rest.storage or 0) * work
    for share, spent in zip(shares, busy, strict=True):
        kind = share.kind
        drift = _drift(kind, time.mid, draw(f"drift {kind.name}"))
        usd += spent * (float(kind.usd_per_hour or 0) * drift + disks * float(kind.disk_usd_per_hour or 0))
        usd += share.tokens * work * carried * float(kind.egress_usd_per_token or 0)
    exactly = known_total(items)
    spread = _between(usd, float(exactly))
    return FleetOutcome(
        time,
        UsdSpread(
            min(decimal_of_float(spread.low), exactly), exactly, max(decimal_of_float(spread.high), exactly)
        ),
    )


def _random(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for each thing that varies: two fleets that share a thing share its luck."""
    return np.random.default_rng([seed, crc32(name.encode())])


@lru_cache(maxsize=256)
def _normal(seed: int, name: str) -> Draws:
    """The luck of one thing, in standard deviations; many fleets share it, and none may change it."""
    return _random(seed, name).standard_normal(DRAWS)


def _between(draws: Draws, middle: float) -> Spread:
    low, high = (float(np.quantile(draws, share)) for share in (0.1, 0.9))
    return Spread(min(low, middle), middle, max(high, middle))


def _spread(spread: Spread, normal: Draws) -> Draws:
    """Draws whose P10, P50 and P90 are the spread's: log-normal on either side of the median."""
    if spread.low == spread.high:
        return np.full(DRAWS, spread.mid)
    up = log(spread.high / spread.mid) / P90
    down = log(spread.mid / max(spread.low, spread.mid / 100)) / P90  # a P10 of 0 has no logarithm
    return spread.mid * np.exp(normal * np.where(normal > 0, up, down))


def _around(tokens: Spread, normal: Draws) -> Draws:
    """The tokens there may be; `tokens` is a 95 % interval."""
    up, down = (tokens.high - tokens.mid) / 1.96, (tokens.mid - tokens.low) / 1.96
    return np.maximum(tokens.mid + normal * np.where(normal > 0, up, down), 1.0)


def _drift(kind: Candidate, hours: float, normal: Draws) -> Draws:
    if not kind.floats:
        return np.ones(DRAWS)
    days = max(0.0, kind.price_age_days) + hours / 24
    return np.exp(normal * PRICE_DRIFT * np.sqrt(days))
