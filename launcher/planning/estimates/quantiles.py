"""P10, P50 and P90 of an amount, of hours and of a speed, as plans save them. Pure."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class UsdQuantiles:
    """P10, P50 and P90 of an amount in USD; all three None when a price is unknown."""

    p10: Decimal | None
    p50: Decimal | None
    p90: Decimal | None


@dataclass(frozen=True, slots=True)
class HoursQuantiles:
    """P10, P50 and P90 of wall hours."""

    p10: float
    p50: float
    p90: float


@dataclass(frozen=True, slots=True)
class SpeedQuantiles:
    """P10, P50 and P90 of tokens per second."""

    p10: float
    p50: float
    p90: float
