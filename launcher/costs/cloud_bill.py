"""A cloud's bill as files: AWS CUR (both layouts), FOCUS 1.x of anybody, GCP's billing export; Parquet or CSV.

Which layout a file has is told by its columns. Only the rows that bear the run's label are kept; how many there were
besides is said. Credits and refunds count as what they are: less.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, cast

from launcher.errors import Problem

RUN_TAG = (
    "embedfleet-run"  # the label that machines of a run bear; a run's name is a label that every cloud takes
)
BATCH_ROWS = 20_000  # rows of Parquet read together
LAYOUTS: dict[str, tuple[str, ...]] = {
    "FOCUS": ("BilledCost", "ChargePeriodStart", "ServiceName"),
    "CUR 2.0": ("line_item_unblended_cost", "line_item_usage_start_date", "line_item_product_code"),
    "CUR": ("lineItem/UnblendedCost", "lineItem/UsageStartDate", "lineItem/ProductCode"),
    "GCP billing export": ("cost", "usage_start_time"),
}
# AWS's codes of products, as the same bill names them in FOCUS.
PRODUCT_NAMES = {
    "AmazonEC2": "Amazon Elastic Compute Cloud",
    "AmazonS3": "Amazon Simple Storage Service",
    "AWSDataTransfer": "AWS Data Transfer",
    "AmazonVPC": "Amazon Virtual Private Cloud",
}


@dataclass(frozen=True, slots=True)
class BillLine:
    """What was billed of the run for one service on one day."""

    day: date
    service: str
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Bill:
    """`rows` of the file, `mine` of them with the run's label."""

    path: str
    layout: str
    lines: tuple[BillLine, ...]
    rows: int
    rows_of_run: int


class BadBill(Problem):
    """A file that is no bill, and what it is instead."""


def read(path: Path, run: str) -> Bill:
    """The rows of a bill that bear the run's label.

    Raises:
        BadBill: the file is not there, broken, or of no layout that is known here.
    """
    again = "name a Parquet or CSV file of AWS CUR, FOCUS 1.x or GCP's billing export"
    try:
        columns, rows = _table(path)
    except FileNotFoundError as error:
        raise BadBill(f"no file {path}", hint=again) from error
    except Exception as error:  # whatever pyarrow and csv say of a file that is broken
        raise BadBill(
            f"{path} cannot be read: {str(error).splitlines()[0] or 'it is broken'}", hint=again
        ) from error
    layout = next((name for name, needed in LAYOUTS.items() if set(needed) <= set(columns)), None)
    if layout is None:
        seen = ", ".join(columns[:4]) + (", ..." if len(columns) > 4 else "")
        raise BadBill(
            f"{path} is no bill that is known here: its {len(columns)} columns are {seen}", hint=again
        )
    lines: list[BillLine] = []
    count = 0
    try:
        for count, row in enumerate(rows, 1):
            if run in _run_labels(layout, row):
                lines.append(_bill_line(layout, row, count))
    except BadBill as error:
        raise BadBill(f"{path}, {error}", hint=again) from error
    except Exception as error:  # a file that breaks off inside
        raise BadBill(
            f"{path} breaks off after {count} rows: {str(error).splitlines()[0]}", hint=again
        ) from error
    return Bill(str(path), layout, tuple(lines), count, len(lines))


def _table(path: Path) -> tuple[list[str], Iterator[Mapping[str, Any]]]:
    """Its columns and its rows; CSV may be compressed."""
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"PAR1":
        import pyarrow.parquet as pq  # noqa: PLC0415 - a CSV needs none

        parquet = pq.ParquetFile(path, pre_buffer=False)
        names = list(parquet.schema_arrow.names)
        return names, _parquet(parquet, names)
    rows = _csv(path, gzipped=magic[:2] == b"\x1f\x8b")
    first = next(rows, None)
    if first is None:
        raise ValueError("it is empty")
    header = [name.strip().lstrip("\ufeff") for name in first]
    return header, (_cells(header, row, number) for number, row in enumerate(rows, 1) if row)


def _cells(header: Sequence[str], row: Sequence[str], number: int) -> dict[str, str]:
    if len(row) != len(header):
        raise BadBill(f"row {number}: it has {len(row)} cells, the header {len(header)}", hint="")
    return dict(zip(header, row, strict=True))


def _parquet(parquet: Any, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Only the columns that are needed: a bill has hundreds."""
    needed = {name for columns in LAYOUTS.values() for name in columns}
    also = {"Tags", "tags", "resource_tags", "labels", "service", "credits", "currency", "BillingCurrency"}
    keep = [n for n in names if n in needed | also or _is_run_tag(n) or n.endswith("urrency_code")]
    for batch in parquet.iter_batches(batch_size=BATCH_ROWS, columns=keep, use_threads=False):
        yield from batch.to_pylist()


def _csv(path: Path, *, gzipped: bool) -> Iterator[list[str]]:
    import gzip  # noqa: PLC0415 - most are not

    csv.field_size_limit(2**24)
    open_it = gzip.open if gzipped else open
    with open_it(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.reader(cast("Iterable[str]", file), strict=True)


def _is_run_tag(name: str) -> bool:
    """The label as a column of its own: resourceTags/user:..., resource_tags_user_..."""
    plain = re.sub(r"[^a-z0-9]", "_", name.lower())
    return plain.endswith(re.sub(r"[^a-z0-9]", "_", RUN_TAG)) and "tags" in plain


def _run_labels(layout: str, row: Mapping[str, Any]) -> set[str]:
    """Every value that the run's label has in this row."""
    found = {str(value) for name, value in row.items() if value and _is_run_tag(name)}
    for name in ("Tags", "tags", "resource_tags") if layout != "GCP billing export" else ("labels",):
        found |= set(_tag_values(row.get(name)))
    return found


def _tag_values(tags: Any) -> Iterator[str]:
    """Of a map, a list of pairs, a list of {key, value}, or any of them as JSON."""
    if isinstance(tags, str):
        try:
            tags = json.loads(tags)
        except ValueError:
            return
    pairs: list[tuple[Any, Any]] = []
    if isinstance(tags, Mapping):
        pairs = list(cast("Mapping[Any, Any]", tags).items())
    elif isinstance(tags, list):
        for one in cast("list[Any]", tags):
            if isinstance(one, Mapping):
                held = cast("Mapping[str, Any]", one)
                pairs.append((held.get("key"), held.get("value")))
            else:
                pairs.append((one[0], one[1]))
    for key, value in pairs:
        if str(key).split(":")[-1].replace("_", "-").lower() in (RUN_TAG, f"user-{RUN_TAG}"):
            yield str(value)


def _bill_line(layout: str, row: Mapping[str, Any], number: int) -> BillLine:
    try:
        return _parse_row(layout, row)
    except BadBill as error:
        raise BadBill(f"row {number}: {error}", hint="") from error


def _parse_row(layout: str, row: Mapping[str, Any]) -> BillLine:
    match layout:
        case "FOCUS":
            _check_currency(row.get("BillingCurrency"))
            return BillLine(
                _utc_day(row["ChargePeriodStart"]), str(row["ServiceName"]), _amount(row["BilledCost"])
            )
        case "CUR" | "CUR 2.0":
            cost, start, product = LAYOUTS[layout]
            code = "line_item_currency_code" if layout == "CUR 2.0" else "lineItem/CurrencyCode"
            _check_currency(row.get(code))
            name = str(row[product])
            return BillLine(_utc_day(row[start]), PRODUCT_NAMES.get(name, name), _amount(row[cost]))
        case _:
            _check_currency(row.get("currency"))
            credit = sum((_amount(one.get("amount")) for one in _entries(row.get("credits"))), Decimal(0))
            return BillLine(
                _utc_day(row["usage_start_time"]), _gcp_service(row), _amount(row["cost"]) + credit
            )


def _gcp_service(row: Mapping[str, Any]) -> str:
    service = row.get("service", row.get("service.description", row.get("service_description", "?")))
    if isinstance(service, str) and service.startswith("{"):
        service = json.loads(service)
    if isinstance(service, Mapping):
        return str(cast("Mapping[str, Any]", service).get("description", "?"))
    return str(service)


def _entries(value: Any) -> list[Mapping[str, Any]]:
    found: Any = json.loads(value) if isinstance(value, str) and value.strip() else value
    return list(found or [])


def _check_currency(currency: Any) -> None:
    if currency and str(currency) != "USD":
        raise BadBill(f"it is in {currency}, and the ledger counts in USD", hint="")


def _amount(value: Any) -> Decimal:
    try:
        usd = Decimal(str(value if value not in (None, "") else 0))
    except InvalidOperation:
        raise BadBill(f"{value!r} is no amount of money", hint="") from None
    if not usd.is_finite():
        raise BadBill(f"{value!r} is no amount of money", hint="")
    return usd


def _utc_day(value: Any) -> date:
    """The UTC day of a moment; one without a zone is in UTC, as bills are."""
    if isinstance(value, datetime):
        return (value if value.tzinfo is None else value.astimezone(UTC)).date()
    if isinstance(value, date):
        return value
    text = str(value).strip().replace(" UTC", "+00:00")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadBill(f"{value!r} is no time", hint="") from None
    return (moment if moment.tzinfo is None else moment.astimezone(UTC)).date()
