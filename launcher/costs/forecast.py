"""Forecast of a run's total cost: what is spent, plus the remaining tokens at a price per token.

Pure. The price per token moves from the plan's to the run's own as work is done. The range of the remaining cost is the
plan's, P10 and P90 relative to P50, and narrows as work is done.
"""

from dataclasses import dataclass
from decimal import Decimal

from launcher.money import SECONDS_PER_HOUR, decimal_of_float

TRUSTED_SHARE = 0.2  # of the tokens: from this share on the run's own price is used alone


@dataclass(frozen=True, slots=True)
class Forecast:
    """USD of the whole run."""

    p10: Decimal
    p50: Decimal
    p90: Decimal


def forecast(
    spent: Decimal,
    tokens: int,
    expected: int | None,
    *,
    planned: tuple[Decimal, Decimal, Decimal] | None,
    hourly: Decimal,
    tokens_per_second: float | None,
) -> Forecast | None:
    """Forecast a run's total cost; None without an expected number of tokens, or without any price.

    Args:
        spent: USD so far.
        tokens: done so far.
        expected: tokens of the whole run.
        planned: the plan's P10, P50 and P90 in USD for the whole run.
        hourly: USD per hour of the machines that run now.
        tokens_per_second: of the machines that run now.
    """
    if expected is None or expected <= 0:
        return None
    left = max(0, expected - tokens)
    if not left:
        return Forecast(spent, spent, spent)
    done = tokens / expected
    # USD of the remaining tokens, by the plan and by the run.
    by_plan = planned[1] * decimal_of_float(left / expected) if planned else None
    by_run = (
        hourly * decimal_of_float(left / tokens_per_second / SECONDS_PER_HOUR) if tokens_per_second else None
    )
    rest = _blend(by_plan, by_run, min(1.0, done / TRUSTED_SHARE))
    if rest is None:
        return None
    low, high = 1.0, 1.0
    if planned and planned[1]:
        low, high = (float(p / planned[1]) for p in (planned[0], planned[2]))
    narrow = (1 - done) ** 0.5
    spread = [spent + rest * decimal_of_float(max(0.0, factor) ** narrow) for factor in (low, high)]
    middle = spent + rest
    return Forecast(min(spread[0], middle), middle, max(spread[1], middle))


def _blend(by_plan: Decimal | None, by_run: Decimal | None, trust: float) -> Decimal | None:
    """Mix the two figures, the second with weight `trust`; if one is None, the other."""
    if by_plan is None or by_run is None:
        return by_run if by_plan is None else by_plan
    return by_plan * decimal_of_float(1 - trust) + by_run * decimal_of_float(trust)
