from datetime import date
from decimal import Decimal

from launcher.costs.bills.cloud_bill import Bill, BillLine
from launcher.costs.bills.reconcile import reconcile

DAY = date(2026, 11, 2)
EC2 = "Amazon Elastic Compute Cloud"
BILL = Bill(
    path="bill.csv",
    layout="FOCUS",
    lines=(
        BillLine(DAY, EC2, Decimal("1.20")),
        BillLine(DAY, EC2, Decimal("0.30")),
        BillLine(DAY, "AWS Data Transfer", Decimal("0.05")),
    ),
    rows=7,
    rows_of_run=3,
)
METERED = {(DAY, EC2): Decimal("1.45"), (DAY, "Amazon EBS"): Decimal("0.2")}


def test_metered_and_billed_are_compared_by_service() -> None:
    found = reconcile("r1", METERED, [BILL], ["x"])
    assert [(row.service, row.metered_usd, row.billed_usd, row.difference_usd) for row in found.lines] == [
        ("AWS Data Transfer", None, Decimal("0.05"), Decimal("0.05")),
        ("Amazon EBS", Decimal("0.2"), None, Decimal("-0.2")),
        (EC2, Decimal("1.45"), Decimal("1.5"), Decimal("0.05")),
    ]


def test_difference_is_billed_minus_metered() -> None:
    found = reconcile("r1", METERED, [BILL], [])
    assert found.difference_usd == found.billed_usd - found.metered_usd == Decimal("-0.1")
    assert found.metered_usd == Decimal("1.65")


def test_files_are_listed_with_their_rows() -> None:
    (file,) = reconcile("r1", METERED, [BILL], []).files
    assert (file.file, file.layout, file.rows, file.rows_of_the_run) == ("bill.csv", "FOCUS", 7, 3)
