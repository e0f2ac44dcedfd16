"""Hours and dollars of a profile on one kind of machine.

Pure. Knows nothing of limits: what fits them is `optimize`'s business. Only what is known is in the sum; the items
that nobody priced stay None.
"""

from dataclasses import dataclass
from decimal import Decimal
from math import ceil

from launcher.profile import Profile
from launcher.speed import Spread

COLD_START = (
    300.0  # seconds from asking for a cloud machine to its first token: an assumption until one is measured
)
MILLION = Decimal(1_000_000)
HOUR = Decimal(3_600)


@dataclass(frozen=True, slots=True)
class Kind:
    """A machine type in one place under one purchase kind. `usd_per_hour` is of the whole machine; None: unknown."""

    cloud: str
    region: str
    gpu: str
    gpus: float
    spot: bool
    usd_per_hour: Decimal | None
    tokens_per_second: Spread  # of the whole machine
    speed_source: str
    cold_start: float  # seconds
    price_source: str = ""
    instance_type: str = ""


@dataclass(frozen=True, slots=True)
class Money:
    """P10, P50 and P90 in USD."""

    p10: Decimal
    p50: Decimal
    p90: Decimal


@dataclass(frozen=True, slots=True)
class Estimate:
    """`machines` of a kind doing all the work. `hours` is wall time, cold start included, P10 to P90."""

    kind: Kind
    machines: int
    hours: Spread
    usd: Money | None
    compute: Decimal | None  # at P50, without cold start
    cold_start: Decimal | None
    usd_per_million_tokens: Decimal | None


def machines_for(kind: Kind, profile: Profile, deadline_hours: float | None, most: int | None) -> int:
    """The fewest machines that make the deadline at the slow end, at most `most`; one without a deadline."""
    if deadline_hours is None:
        return 1
    left = deadline_hours * 3_600 - kind.cold_start
    if left <= 0:
        return most or 1
    need = ceil(profile.tokens.high / kind.tokens_per_second.low / left)
    return max(1, need if most is None else min(need, most))


def estimate(kind: Kind, profile: Profile, machines: int) -> Estimate:
    """The work on `machines` of a kind. Fast speed with few tokens is P10, slow with many P90."""
    tokens, speed = profile.tokens, kind.tokens_per_second
    seconds = [
        tokens.low / (speed.high * machines),
        tokens.mid / (speed.mid * machines),
        tokens.high / (speed.low * machines),
    ]
    hours = Spread(*((s + kind.cold_start) / 3_600 for s in seconds))
    if kind.usd_per_hour is None:
        return Estimate(kind, machines, hours, None, None, None, None)
    rate = kind.usd_per_hour * machines / HOUR
    cold = rate * Decimal(str(round(kind.cold_start, 3)))
    work = [rate * Decimal(str(round(s, 3))) for s in seconds]
    each = (work[1] + cold) / Decimal(str(round(tokens.mid))) * MILLION if tokens.mid >= 1 else None
    return Estimate(kind, machines, hours, Money(*(w + cold for w in work)), work[1], cold, each)
