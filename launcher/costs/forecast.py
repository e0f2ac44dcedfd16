"""What a run will have cost when it is done: what it did so far, and the rest at its own price a token.

Pure. While little is done the plan's price is believed more than the run's; the range about the rest is the plan's
own, P10 and P90 over P50, and it narrows as the run shows what it costs.
"""

from dataclasses import dataclass
from decimal import Decimal

from launcher.money import decimal_of_float

TRUSTED_SHARE = 0.2  # of the tokens: from here on the run's own price counts alone


@dataclass(frozen=True, slots=True)
class Forecast:
    p10: Decimal
    p50: Decimal
    p90: Decimal


def forecast(
    spent: Decimal,
    tokens: int,
    expected: int | None,
    planned: tuple[Decimal, Decimal, Decimal] | None,
    hourly: Decimal,
    tokens_per_second: float | None,
) -> Forecast | None:
    """`planned` are the plan's dollars for the whole; `hourly` and `tokens_per_second` are as it runs now.

    None: there is nothing to go by.
    """
    if expected is None or expected <= 0:
        return None
    left = max(0, expected - tokens)
    if not left:
        return Forecast(spent, spent, spent)
    done = tokens / expected
    # Dollars of the rest, as the plan had it and as the run goes.
    believed = planned[1] * decimal_of_float(left / expected) if planned else None
    shown = hourly * decimal_of_float(left / tokens_per_second / 3600) if tokens_per_second else None
    rest = _blend(believed, shown, min(1.0, done / TRUSTED_SHARE))
    if rest is None:
        return None
    low, high = 1.0, 1.0
    if planned and planned[1]:
        low, high = (float(p / planned[1]) for p in (planned[0], planned[2]))
    narrow = (1 - done) ** 0.5
    spread = [spent + rest * decimal_of_float(max(0.0, factor) ** narrow) for factor in (low, high)]
    middle = spent + rest
    return Forecast(min(spread[0], middle), middle, max(spread[1], middle))


def _blend(believed: Decimal | None, shown: Decimal | None, trust: float) -> Decimal | None:
    """The plan's figure and the run's, the latter with this share; either alone where the other is not there."""
    if believed is None or shown is None:
        return shown if believed is None else believed
    return believed * decimal_of_float(1 - trust) + shown * decimal_of_float(trust)
