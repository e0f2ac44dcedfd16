"""The metered cost of a run next to its bills, day by day and service by service.

Pure. A difference is not an error: bills come a day late, count list prices with discounts, and hold charges that were
not metered. What is billed and not metered, and the other way round, is shown as what it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from launcher.costs.bills.cloud_bill import Bill
from launcher.money import ZERO

SCHEMA = "embedfleet/reconcile/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class BillFile:
    """A file of a bill: how many rows it has, and how many of them have the run's label."""

    file: str
    layout: str
    rows: int
    rows_of_the_run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciledLine:
    """One service on one day; None where it was not metered, or not billed. `difference_usd` is billed minus metered."""

    day: date
    service: str
    metered_usd: Decimal | None
    billed_usd: Decimal | None
    difference_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileDocument:
    """What `report --reconcile --json` prints: both sums, their lines side by side, and the files."""

    schema: str = SCHEMA
    run: str
    files: tuple[BillFile, ...]
    lines: tuple[ReconciledLine, ...]
    metered_usd: Decimal
    billed_usd: Decimal
    difference_usd: Decimal
    unknown: tuple[str, ...]


def reconcile(
    run: str, metered: Mapping[tuple[date, str], Decimal], bills: Sequence[Bill], unknown: Sequence[str]
) -> ReconcileDocument:
    """Compare what was metered with what the bills say; `unknown` are sentences of the report."""
    billed: dict[tuple[date, str], Decimal] = {}
    for bill in bills:
        for line in bill.lines:
            billed[line.day, line.service] = billed.get((line.day, line.service), ZERO) + line.usd
    lines = tuple(
        ReconciledLine(
            day=day,
            service=service,
            metered_usd=metered.get((day, service)),
            billed_usd=billed.get((day, service)),
            difference_usd=billed.get((day, service), ZERO) - metered.get((day, service), ZERO),
        )
        for day, service in sorted(set(metered) | set(billed))
    )
    files = tuple(
        BillFile(file=b.path, layout=b.layout, rows=b.rows, rows_of_the_run=b.rows_of_run) for b in bills
    )
    metered_usd, billed_usd = sum(metered.values(), ZERO), sum(billed.values(), ZERO)
    return ReconcileDocument(
        run=run,
        files=files,
        lines=lines,
        metered_usd=metered_usd,
        billed_usd=billed_usd,
        difference_usd=billed_usd - metered_usd,
        unknown=tuple(unknown),
    )
