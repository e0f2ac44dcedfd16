"""Exact arithmetic with dollars: the grid that amounts lie on, text, and conversion from floats."""

from decimal import Decimal

USD_GRAIN = Decimal("1e-12")  # 3600 divides few prices evenly: amounts are rounded to it and add up exactly
ZERO, ONE = Decimal(0), Decimal(1)
MICROSECONDS_PER_HOUR = Decimal(3_600_000_000)
SECONDS_PER_HOUR = 3_600.0


def amount_text(amount: Decimal) -> str:
    """An amount as text for JSON: in full, without an exponent and without trailing zeros."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def decimal_of_float(number: float) -> Decimal:
    """A float as a Decimal of 12 significant digits: enough for money, and equal on every machine."""
    return Decimal(f"{number:.12g}")


def multiply(price: Decimal | None, amount: Decimal) -> Decimal | None:
    """The price times an amount; None if the price is unknown."""
    return None if price is None else price * amount
