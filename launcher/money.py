"""."""

from decimal import Decimal

GRAIN = Decimal("1e-12")  # dollars; 3600 divides few prices, so amounts lie on this grid and add up exactly
ZERO = Decimal(0)


def written(amount: Decimal) -> str:
    """An amount in full, as it stands in JSON: no exponent, and no zeros that say nothing."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def exact(number: float) -> Decimal:
    """A float as a Decimal of 12 significant digits: enough for money, and the same on every machine."""
    return Decimal(f"{number:.12g}")


def times(price: Decimal | None, amount: Decimal) -> Decimal | None:
    """Price by amount; unknown stays unknown."""
    return None if price is None else price * amount
