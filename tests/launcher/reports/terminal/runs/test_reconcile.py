from datetime import date
from decimal import Decimal

from launcher.costs.bills.reconcile import BillFile, ReconciledLine, ReconcileDocument
from launcher.reports.terminal.runs.reconcile import SHOWN_LINES, reconcile_text
from tests.support.screens import printed


def document(lines: int = 1, rows_of_the_run: int = 1) -> ReconcileDocument:
    line = ReconciledLine(
        day=date(2026, 11, 2), service="EC2", metered_usd=Decimal("1.5"), billed_usd=None,
        difference_usd=Decimal("-1.5"),
    )  # fmt: skip
    return ReconcileDocument(
        run="r1",
        files=(BillFile(file="bill.csv", layout="FOCUS", rows=9, rows_of_the_run=rows_of_the_run),),
        lines=(line,) * lines,
        metered_usd=Decimal("1.5"),
        billed_usd=Decimal(2),
        difference_usd=Decimal("0.5"),
        unknown=("egress: no price",),
    )


def test_service_that_was_not_billed_has_a_dash() -> None:
    found = printed(reconcile_text(document())).splitlines()
    assert found[1].split() == ["2026-11-02", "EC2", "$1.50", "-", "-$1.50"]
    assert found[2].split() == ["together", "$1.50", "$2.00", "+$0.50"]


def test_difference_is_a_share_of_the_bill() -> None:
    text = printed(reconcile_text(document()))
    assert "bill.csv: FOCUS, 1 of 9 rows are of the run" in text
    assert "metered and billed are 25.0 % of the bill apart" in text
    assert "? egress: no price" in text


def test_bill_without_rows_of_the_run_gives_a_hint() -> None:
    text = printed(reconcile_text(document(rows_of_the_run=0)))
    assert "no row has the run's label: is embedfleet-run a cost allocation tag of the account?" in text


def test_of_many_lines_the_first_are_shown_and_the_rest_counted() -> None:
    assert "and 5 more in --json" in printed(reconcile_text(document(lines=SHOWN_LINES + 5)))
