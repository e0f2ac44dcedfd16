"""Parse the rows of a cloud's bill: AWS CUR (both layouts), FOCUS 1.x of any provider, GCP's billing export.

Pure: `launcher.cli.bill_files` reads the files. The columns determine the layout. Only rows with the run's label are
kept; the number of all rows is reported. Credits and refunds are subtracted.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from launcher.errors import Problem
from launcher.format import plural
from launcher.money import ZERO

RUN_TAG = "embedfleet-run"  # the label of a run's machines; all clouds accept a run's name as a label
BILL_HINT = "name a Parquet or CSV file of AWS CUR, FOCUS 1.x or GCP's billing export"
LAYOUTS: dict[str, tuple[str, ...]] = {
    "FOCUS": ("BilledCost", "ChargePeriodStart", "ServiceName"),
    "CUR 2.0": ("line_item_unblended_cost", "line_item_usage_start_date", "line_item_product_code"),
    "CUR": ("lineItem/UnblendedCost", "lineItem/UsageStartDate", "lineItem/ProductCode"),
    "GCP billing export": ("cost", "usage_start_time"),
}
CURRENCY_COLUMNS = {
    "FOCUS": "BillingCurrency",
    "CUR 2.0": "line_item_currency_code",
    "CUR": "lineItem/CurrencyCode",
    "GCP billing export": "currency",
}
LAYOUT_COLUMNS = frozenset(name for columns in LAYOUTS.values() for name in columns)
OTHER_COLUMNS = frozenset(
    {
        "Tags",
        "tags",
        "resource_tags",
        "labels",
        "credits",
        "service",
        "service.description",
        "service_description",
        *CURRENCY_COLUMNS.values(),
    }
)
# AWS's product codes, by the names that the same bill has in FOCUS.
PRODUCT_NAMES = {
    "AmazonEC2": "Amazon Elastic Compute Cloud",
    "AmazonS3": "Amazon Simple Storage Service",
    "AWSDataTransfer": "AWS Data Transfer",
    "AmazonVPC": "Amazon Virtual Private Cloud",
}
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BillLine:
    """What was billed for a run for one service on one day."""

    day: date
    service: str
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Bill:
    """The lines of one bill file that belong to a run. `rows` counts all rows, `rows_of_run` those with its label."""

    path: str
    layout: str
    lines: tuple[BillLine, ...]
    rows: int
    rows_of_run: int


class BadBill(Problem):
    """A file that is not a readable bill."""


def parse_bill(path: str, columns: Sequence[str], rows: Iterable[Row], run: str) -> Bill:
    """Parse the rows of a bill that have the run's label. `path` names the file in messages.

    Raises:
        BadBill: the layout is unknown, a row cannot be parsed, or `rows` raises it.
    """
    layout = next((name for name, needed in LAYOUTS.items() if set(needed) <= set(columns)), None)
    if layout is None:
        seen = ", ".join(columns[:4]) + (", ..." if len(columns) > 4 else "")
        raise BadBill(
            f"{path} is not a bill of a known layout: its {plural(len(columns), 'column')} are {seen}",
            hint=BILL_HINT,
        )
    lines: list[BillLine] = []
    count = 0
    try:
        for count, row in enumerate(rows, 1):
            if run in _run_labels(layout, row):
                lines.append(_bill_line(layout, row, count))
    except BadBill as error:
        raise BadBill(f"{path}, {error}", hint=BILL_HINT) from error
    return Bill(path=path, layout=layout, lines=tuple(lines), rows=count, rows_of_run=len(lines))


def is_needed_column(name: str) -> bool:
    """Whether `parse_bill` reads a column: a bill has hundreds."""
    return name in LAYOUT_COLUMNS or name in OTHER_COLUMNS or _is_run_tag(name)


def _is_run_tag(name: str) -> bool:
    """Whether a column holds the run's label: resourceTags/user:..., resource_tags_user_..."""
    plain = re.sub(r"[^a-z0-9]", "_", name.lower())
    return plain.endswith(re.sub(r"[^a-z0-9]", "_", RUN_TAG)) and "tags" in plain


def _run_labels(layout: str, row: Row) -> set[str]:
    """All values of the run's label in a row."""
    found = {str(value) for name, value in row.items() if value and _is_run_tag(name)}
    for name in ("Tags", "tags", "resource_tags") if layout != "GCP billing export" else ("labels",):
        found |= set(_tag_values(row.get(name)))
    return found


def _tag_values(tags: Any) -> Iterator[str]:
    """Values of the run's label in a map, a list of pairs, a list of {key, value}, or any of them as JSON."""
    if isinstance(tags, str):
        try:
            tags = json.loads(tags)
        except (ValueError, RecursionError):
            return
    pairs: list[tuple[Any, Any]] = []
    if isinstance(tags, Mapping):
        pairs = list(cast("Mapping[Any, Any]", tags).items())
    elif isinstance(tags, list):
        for one in cast("list[Any]", tags):
            if isinstance(one, Mapping):
                entry = cast("Row", one)
                pairs.append((entry.get("key"), entry.get("value")))
            elif isinstance(one, list | tuple) and len(pair := cast("Sequence[Any]", one)) == 2:
                pairs.append((pair[0], pair[1]))
    for key, value in pairs:
        if str(key).split(":")[-1].replace("_", "-").lower() in (RUN_TAG, f"user-{RUN_TAG}"):
            yield str(value)


def _bill_line(layout: str, row: Row, number: int) -> BillLine:
    try:
        return _parse_row(layout, row)
    except BadBill as error:
        raise BadBill(f"row {number}: {error}", hint="") from error


def _parse_row(layout: str, row: Row) -> BillLine:
    _check_currency(row.get(CURRENCY_COLUMNS[layout]))
    match layout:
        case "FOCUS":
            day = _utc_day(row["ChargePeriodStart"])
            return BillLine(day, str(row["ServiceName"]), _amount(row["BilledCost"]))
        case "CUR" | "CUR 2.0":
            cost, start, product = LAYOUTS[layout]
            name = str(row[product])
            return BillLine(_utc_day(row[start]), PRODUCT_NAMES.get(name, name), _amount(row[cost]))
        case _:
            credit = sum((_amount(one.get("amount")) for one in _entries(row.get("credits"))), ZERO)
            return BillLine(
                _utc_day(row["usage_start_time"]), _gcp_service(row), _amount(row["cost"]) + credit
            )


def _gcp_service(row: Row) -> str:
    service = row.get("service", row.get("service.description", row.get("service_description", "?")))
    if isinstance(service, str) and service.startswith("{"):
        service = _json(service)
    if isinstance(service, Mapping):
        return str(cast("Row", service).get("description", "?"))
    return str(service)


def _entries(value: Any) -> list[Row]:
    """A list of entries, which may be JSON."""
    found: Any = _json(value) if isinstance(value, str) and value.strip() else value
    if not found:
        return []
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in cast("list[Any]", found)):
        raise BadBill(f"{value!r} is not a list of credits", hint="")
    return cast("list[Row]", found)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadBill(f"{text!r} is not JSON", hint="") from None


def _check_currency(currency: Any) -> None:
    if currency and str(currency) != "USD":
        raise BadBill(f"it is in {currency}, and the ledger counts in USD", hint="")


def _amount(value: Any) -> Decimal:
    try:
        usd = Decimal(str(value if value not in (None, "") else 0))
    except InvalidOperation:
        raise BadBill(f"{value!r} is not an amount of money", hint="") from None
    if not usd.is_finite():
        raise BadBill(f"{value!r} is not an amount of money", hint="")
    return usd


def _utc_day(value: Any) -> date:
    """The UTC date of a time; a time without a zone is in UTC, as in bills."""
    if isinstance(value, datetime):
        return (value if value.tzinfo is None else value.astimezone(UTC)).date()
    if isinstance(value, date):
        return value
    text = str(value).strip().replace(" UTC", "+00:00")
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is None else moment.astimezone(UTC)).date()
    except (ValueError, OverflowError):
        raise BadBill(f"{value!r} is not a time", hint="") from None
