"""."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

P90 = 1.2816  # standard deviations from the median to the 90th percentile of a normal


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure and the range it lies in 8 times out of 10: low is P10, mid P50, high P90."""

    low: float
    mid: float
    high: float


def quantile(values: Sequence[float], share: float) -> float | None:
    """Between the two nearest of the sorted values."""
    if not values:
        return None
    ranked = sorted(values)
    at = share * (len(ranked) - 1)
    low, high = ranked[floor(at)], ranked[ceil(at)]
    return low + (high - low) * (at - floor(at))


SECONDS_PER_HOUR = 3_600.0
