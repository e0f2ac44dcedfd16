"""The metered run beside its bill, day by day and service by service.

Pure. A difference is not an error: bills come a day late, count list prices with discounts, and know of charges that
nobody metered. What is billed and not metered, and the other way round, is shown as what it is.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from launcher.costs.cloud_bill import Bill
from launcher.money import amount_text

SCHEMA = "embedfleet/reconcile/1"
ZERO = Decimal(0)


def reconcile(
    run: str, metered: Mapping[tuple[date, str], Decimal], bills: Sequence[Bill], unknown: Sequence[str]
) -> dict[str, Any]:
    """Both sums in full, their lines side by side, and what was in the files besides."""
    billed: dict[tuple[date, str], Decimal] = {}
    for bill in bills:
        for line in bill.lines:
            billed[line.day, line.service] = billed.get((line.day, line.service), ZERO) + line.usd
    lines = [
        {
            "day": day.isoformat(),
            "service": name,
            "metered_usd": _text(metered.get((day, name))),
            "billed_usd": _text(billed.get((day, name))),
            "difference_usd": amount_text(billed.get((day, name), ZERO) - metered.get((day, name), ZERO)),
        }
        for day, name in sorted(set(metered) | set(billed))
    ]
    total, owed = sum(metered.values(), ZERO), sum(billed.values(), ZERO)
    return {
        "schema": SCHEMA,
        "run": run,
        "files": [
            {"file": b.path, "layout": b.layout, "rows": b.rows, "rows_of_the_run": b.mine} for b in bills
        ],
        "lines": lines,
        "metered_usd": amount_text(total),
        "billed_usd": amount_text(owed),
        "difference_usd": amount_text(owed - total),
        "unknown": list(unknown),
    }


def _text(usd: Decimal | None) -> str | None:
    return None if usd is None else amount_text(usd)
