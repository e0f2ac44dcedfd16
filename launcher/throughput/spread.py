"""A figure with its P10, P50 and P90, and constants that go with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

P90 = 1.2816  # standard deviations from the median to the 90th percentile of a normal distribution


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure and the range that holds it 8 times out of 10: low is P10, mid P50, high P90."""

    low: float
    mid: float
    high: float


def quantile(values: Sequence[float], share: float) -> float | None:
    """The quantile at `share` (0 to 1), interpolated between the two nearest values; None without values."""
    if not values:
        return None
    ranked = sorted(values)
    at = share * (len(ranked) - 1)
    low, high = ranked[floor(at)], ranked[ceil(at)]
    return low + (high - low) * (at - floor(at))
