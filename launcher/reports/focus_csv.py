"""A report as CSV with the columns of FOCUS 1.0, the open format of bills.

One row for each day of a machine's life and for each other charge. Pure. What is unknown is empty, and never 0. `Tags`
carries the run's label.
"""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO

from launcher.costs.bills.cloud_bill import RUN_TAG
from launcher.costs.usage.daily import PROVIDERS, service_name, split_by_day
from launcher.costs.usage.spend import OtherCharge
from launcher.format import plain
from launcher.money import SECONDS_PER_HOUR, amount_text
from launcher.reports.report import Report

# https://focus.finops.org, version 1.0: the columns that a run has values for.
COLUMNS = (
    "AvailabilityZone",
    "BilledCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "EffectiveCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "RegionId",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "SkuId",
    "Tags",
)
CATEGORIES = {"storage": "Storage", "requests": "Storage", "egress": "Networking"}
RISKY = ("=", "+", "-", "@")  # what a spreadsheet reads as the start of a formula


def to_csv(report: Report) -> str:
    """The rows of a report as text, with a header."""
    out = StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows(report):
        writer.writerow({name: _safe(row.get(name, "")) for name in COLUMNS})
    return out.getvalue()


def rows(report: Report) -> Iterator[dict[str, str]]:
    """The rows, by column. Their costs add up to the known dollars of the run."""
    tags = json.dumps({RUN_TAG: report.run})
    for machine, metered in zip(report.machines, report.spend.lives, strict=True):
        for piece in split_by_day(machine, metered, report.updated):
            hours = f"{(piece.end - piece.start).total_seconds() / SECONDS_PER_HOUR:.9f}"
            spot = machine.purchase == "spot"
            description = f"{machine.instance_type or machine.gpu} in {machine.place}, life {machine.number}"
            yield (
                _period(piece.start, piece.end)
                | _cost(piece.usd)
                | {
                    "AvailabilityZone": machine.zone or "",
                    "ChargeDescription": description,
                    "ConsumedQuantity": hours,
                    "ConsumedUnit": "Hours",
                    "ListUnitPrice": "" if piece.usd_per_hour is None else amount_text(piece.usd_per_hour),
                    "PricingCategory": "Dynamic" if spot else "Standard",
                    "PricingQuantity": hours,
                    "PricingUnit": "Hours",
                    "ProviderName": PROVIDERS.get(machine.cloud, machine.cloud),
                    "RegionId": machine.region or "",
                    "ResourceId": machine.name,
                    "ResourceName": machine.name,
                    "ResourceType": "Virtual Machine",
                    "ServiceCategory": "Compute",
                    "ServiceName": service_name(machine.cloud, "compute"),
                    "SkuId": machine.instance_type or "",
                    "Tags": tags,
                }
            )
    for other in report.spend.others:
        yield _other(other, report, tags)


def _other(other: OtherCharge, report: Report, tags: str) -> dict[str, str]:
    at = other.at or report.updated
    cloud, _, region = (other.place or "").partition("/")
    estimated = ", estimated at list prices" if other.estimated else ""
    reason = f": {other.reason}" if other.reason else ""
    return (
        _period(other.at or report.created, at)
        | _cost(other.usd)
        | {
            "ChargeDescription": f"{other.kind}{estimated}{reason}",
            "ConsumedQuantity": "" if other.quantity is None else f"{other.quantity:g}",
            "ConsumedUnit": other.unit,
            "PricingCategory": "Standard",
            "ProviderName": PROVIDERS.get(cloud, cloud),
            "RegionId": region,
            "ServiceCategory": CATEGORIES.get(other.kind, "Compute"),
            "ServiceName": service_name(cloud, other.kind) if cloud else other.kind,
            "Tags": tags,
        }
    )


def _period(start: datetime, end: datetime) -> dict[str, str]:
    month = start.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
    return {
        "BillingCurrency": "USD",
        "BillingPeriodStart": _moment(month),
        "BillingPeriodEnd": _moment(after),
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _moment(start),
        "ChargePeriodEnd": _moment(end),
    }


def _cost(usd: Decimal | None) -> dict[str, str]:
    amount = "" if usd is None else amount_text(usd)
    return {"BilledCost": amount, "EffectiveCost": amount}


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _safe(cell: str) -> str:
    """Text that neither a spreadsheet runs as a formula nor a terminal as a command; a number may be negative."""
    cell = plain(cell)
    if cell.lstrip().startswith(RISKY) and not _is_number(cell):
        return f"'{cell}"
    return cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
