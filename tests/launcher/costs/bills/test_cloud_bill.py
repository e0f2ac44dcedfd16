from datetime import date
from decimal import Decimal

import pytest

from launcher.costs.bills.cloud_bill import (
    CURRENCY_COLUMNS,
    BadBill,
    Bill,
    BillLine,
    is_needed_column,
    parse_bill,
)

RUN = "reviews-0a1b2c3d"
COLUMNS = ("BilledCost", "BillingCurrency", "ChargePeriodStart", "ServiceName", "Tags")


def parse(cost: str, currency: str = "USD", day: str = "2026-11-02", run: str = RUN) -> Bill:
    cells = (cost, currency, day, "EC2", {"embedfleet-run": run})
    row: dict[str, object] = dict(zip(COLUMNS, cells, strict=True))
    return parse_bill("bill.csv", COLUMNS, [row], RUN)


def test_row_of_the_run_is_a_line() -> None:
    assert parse("0.1").lines == (BillLine(date(2026, 11, 2), "EC2", Decimal("0.1")),)


def test_row_of_another_run_is_counted_alone() -> None:
    bill = parse("0.1", run="another")
    assert (bill.lines, bill.rows, bill.rows_of_run) == ((), 1, 0)


@pytest.mark.parametrize(
    ("cost", "currency", "day", "words"),
    [
        ("much", "USD", "2026-11-02", "row 1: 'much' is not an amount of money"),
        ("NaN", "USD", "2026-11-02", "'NaN' is not an amount of money"),
        ("1", "EUR", "2026-11-02", "it is in EUR"),
        ("1", "USD", "noon", "'noon' is not a time"),
    ],
)
def test_invalid_row_is_refused_with_its_number(cost: str, currency: str, day: str, words: str) -> None:
    with pytest.raises(BadBill, match=words) as caught:
        parse(cost, currency, day)
    assert "name a Parquet or CSV file" in caught.value.hint


def test_unknown_columns_are_refused() -> None:
    with pytest.raises(BadBill, match=r"its 5 columns are a, b, c, d, \.\.\."):
        parse_bill("bill.csv", ["a", "b", "c", "d", "e"], [], RUN)


@pytest.mark.parametrize(
    "name", ["BilledCost", "line_item_currency_code", "resourceTags/user:embedfleet-run", "credits"]
)
def test_needed_columns_are_known(name: str) -> None:
    assert is_needed_column(name)


def test_other_columns_are_not_read() -> None:
    assert not is_needed_column("pricing/term")


@pytest.mark.parametrize("name", [*CURRENCY_COLUMNS.values(), "service.description", "service_description"])
def test_columns_of_currencies_and_services_are_read(name: str) -> None:
    assert is_needed_column(name)


@pytest.mark.parametrize(
    "tags", ["{", "[" * 100_000, "3", "[3]", '["ab"]', '["a", "b"]', '[["embedfleet-run"]]', [None], 3]
)
def test_tags_of_another_form_are_no_label(tags: object) -> None:
    row: dict[str, object] = dict(zip(COLUMNS, ("1", "USD", "2026-11-02", "EC2", tags), strict=True))
    assert parse_bill("bill.csv", COLUMNS, [row], RUN).rows_of_run == 0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"credits": "[3]"}, r"row 1: '\[3\]' is not a list of credits"),
        ({"credits": "{"}, "row 1: '{' is not JSON"),
        ({"credits": 3}, "row 1: 3 is not a list of credits"),
        ({"service": "{"}, "row 1: '{' is not JSON"),
        ({"usage_start_time": "0001-01-01T00:00:00+14:00"}, "is not a time"),
    ],
)
def test_invalid_cells_of_gcp_are_refused(changed: dict[str, object], words: str) -> None:
    row = {"cost": 1, "usage_start_time": "2026-11-02", "labels": {"embedfleet-run": RUN}} | changed
    with pytest.raises(BadBill, match=words):
        parse_bill("bill.csv", list(row), [row], RUN)
