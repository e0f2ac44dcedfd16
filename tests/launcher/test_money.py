"""Exact arithmetic with dollars."""

from decimal import Decimal

import pytest

from launcher.money import amount_text, decimal_of_float, multiply


@pytest.mark.parametrize(
    ("amount", "text"), [("1.500", "1.5"), ("2.00", "2"), ("100", "100"), ("1E-7", "0.0000001"), ("0", "0")]
)
def test_amount_text_has_no_exponent_and_no_trailing_zeros(amount: str, text: str) -> None:
    assert amount_text(Decimal(amount)) == text


def test_decimal_of_float_has_12_significant_digits() -> None:
    assert decimal_of_float(1 / 3) == Decimal("0.333333333333")


def test_multiply_of_an_unknown_price_is_unknown() -> None:
    assert multiply(None, Decimal(3)) is None
    assert multiply(Decimal("0.5"), Decimal(3)) == Decimal("1.5")
