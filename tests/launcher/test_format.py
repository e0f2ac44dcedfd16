"""Numbers, money, times and foreign text as people read them."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.format import (
    axis_dollars,
    compact,
    count,
    duration,
    least_money,
    money,
    percent,
    plural,
    rate,
    relative_change,
    signed_money,
    size,
    some_of,
    utc_time,
)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "?"),
        ("0", "$0.00"),
        ("0.0012", "$0.0012"),
        ("0.5", "$0.50"),
        ("0.125", "$0.1250"),
        ("0.99996", "$1.00"),
        ("1", "$1.00"),
        ("1234.56", "$1,234.56"),
        ("-0.31", "-$0.31"),
        ("0.00003456", "$0.000035"),
    ],
)
def test_money_has_cents_from_one_dollar_and_four_decimals_below(amount: str | None, text: str) -> None:
    assert money(None if amount is None else Decimal(amount)) == text


@pytest.mark.parametrize(
    ("usd", "unpriced", "text"),
    [
        (None, {"disk": None}, "?"),
        ("12.5", {}, "$12.50"),
        ("12.5", {"disk": "1.7", "egress": "3"}, "$12.50 - 17.20"),
        ("12.5", {"disk": "1.7", "egress": None}, "≥ $12.50"),
        ("12.5", {"disk": "0.0001"}, "≥ $12.50"),
    ],
)
def test_dollars_that_lack_a_price_are_a_range_where_it_has_a_bound(
    usd: str | None, unpriced: dict[str, str | None], text: str
) -> None:
    bounds = {name: None if most is None else Decimal(most) for name, most in unpriced.items()}
    assert least_money(None if usd is None else Decimal(usd), bounds) == text


@given(st.decimals("0.000000000001", "1000000", places=12))
def test_money_above_zero_is_never_shown_as_zero(amount: Decimal) -> None:
    assert Decimal(money(amount).replace("$", "").replace(",", "")) > 0


@given(st.decimals("-1000000", "1000000", places=12))
def test_money_is_within_half_a_cent(amount: Decimal) -> None:
    shown = Decimal(money(amount).replace("$", "").replace(",", ""))
    assert abs(shown - amount) <= Decimal("0.005")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "?"),
        (0, "0 s"),
        (0.04, "0.04 s"),
        (0.4, "0.4 s"),
        (42, "42 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3_599.6, "1 h"),
        (8_040, "2 h 14 min"),
        (500_000, "5 d 19 h"),
        (-61, "-1 min 1 s"),
    ],
)
def test_duration_has_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "?"),
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (999_999, "1.0 MB"),
        (1_234_567_890, "1.2 GB"),
    ],
)
def test_size_is_in_decimal_units(amount: int | None, text: str) -> None:
    assert size(amount) == text


@pytest.mark.parametrize(("n", "text"), [(None, "?"), (1_234_567, "1,234,567"), (2.6, "3")])
def test_count_has_thousands_separators(n: float | None, text: str) -> None:
    assert count(n) == text


@pytest.mark.parametrize(("speed", "text"), [(None, "?"), (1_496.4, "1,496 tok/s"), (3.14, "3.1 tok/s")])
def test_rate_has_no_decimals_from_ten_on(speed: float | None, text: str) -> None:
    assert rate(speed) == text


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0"), (0.5, "0.5"), (950, "950"), (1_200, "1.2k"), (999_999, "1M"), (3.2e9, "3.2B")]
)
def test_compact_number_has_a_suffix(n: float, text: str) -> None:
    assert compact(n) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0, "$0"), (0.0015, "$0.0015"), (0.000004, "$0.000004"), (0.625, "$0.625"), (1.25, "$1.25"), (20, "$20"),
        (250, "$250"), (999.9, "$1000"), (1500, "$1.5k"),
    ],
)  # fmt: skip
def test_axis_dollars_above_zero_are_never_zero(usd: float, text: str) -> None:
    assert axis_dollars(usd) == text


@pytest.mark.parametrize(("n", "text"), [(0, "0 machines"), (1, "1 machine"), (1_200, "1,200 machines")])
def test_plural_has_an_s_unless_one(n: int, text: str) -> None:
    assert plural(n, "machine") == text


@pytest.mark.parametrize(("usd", "shown"), [("2", "+$2.00"), ("-2", "-$2.00"), ("0", "$0.00")])
def test_signed_money_has_its_sign(usd: str, shown: str) -> None:
    assert signed_money(Decimal(usd)) == shown


@pytest.mark.parametrize(
    ("planned", "actual", "text"),
    [(100, 104, "+4.0 %"), (100, 50, "-50.0 %"), (1, 12, "12 x"), (None, 1, ""), (1, None, ""), (0, 1, "")],
)
def test_relative_change_is_percent_below_a_factor_of_ten(
    planned: float | None, actual: float | None, text: str
) -> None:
    assert relative_change(planned, actual) == text


def test_percent_of_zero_is_empty() -> None:
    assert (percent(1, 4), percent(1, 0)) == ("25.0 %", "")


def test_utc_time_has_seconds() -> None:
    assert utc_time(datetime(2026, 3, 1, 12, 0, 0, 500_000, UTC)) == "2026-03-01 12:00:00 UTC"


def test_names_beyond_the_first_are_counted_and_each_is_named_once() -> None:
    assert some_of(["L4", "L4", "H100"], 4) == "L4, H100"
    assert some_of(["a", "b", "a", "c", "d"], 2) == "a, b and 2 more"


def test_nouns_in_y_have_their_own_plural() -> None:
    assert [plural(n, "query") for n in (1, 2, None)] == ["1 query", "2 queries", "? queries"]
    assert plural(3, "day") == "3 days"
