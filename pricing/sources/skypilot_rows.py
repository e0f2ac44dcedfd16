"""Read the lines of a SkyPilot catalog by column name.

Columns were added, removed and reordered between versions, and differ between clouds. Only the columns that a price
needs are required. Does not interpret the lines: that is `skypilot.py`.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from io import StringIO
from typing import Any

REQUIRED_COLUMNS = ("InstanceType", "AcceleratorName", "AcceleratorCount", "Price", "Region")


MAX_NUMBER = 1_000_000  # of anything in a catalog; more is a slip


@dataclass(frozen=True, slots=True)
class CatalogRow:
    """One line of a catalog. Empty is None; a price of 0 is kept, as GCP's A4 hosts cost nothing besides the GPU."""

    instance_type: str
    accelerator: str
    count: float | None
    vcpus: int | None
    memory_gb: float | None
    info: str
    price: Decimal | None
    spot: Decimal | None
    region: str
    zone: str | None


class UnreadableCatalogError(ValueError):
    """A catalog without the columns that prices need."""


def read_catalog(cloud: str, text: str) -> tuple[list[CatalogRow], list[str]]:
    """Read the rows of a catalog, and notes on lines that cannot be read.

    Raises:
        UnreadableCatalogError: a required column is missing, or it is no CSV.
    """
    lines = csv.reader(StringIO(text))
    try:
        return _read_lines(cloud, lines)
    except csv.Error as error:
        raise UnreadableCatalogError(f"line {lines.line_num}: {error}") from error


def _read_lines(cloud: str, lines: Any) -> tuple[list[CatalogRow], list[str]]:
    header = {name.strip().casefold(): place for place, name in enumerate(next(lines, None) or [])}
    missing = [c for c in REQUIRED_COLUMNS if c.casefold() not in header]
    if missing:
        raise UnreadableCatalogError(f"the catalog has no column {', '.join(missing)}")
    found: list[CatalogRow] = []
    bad: list[int] = []
    for line in lines:
        if not line:
            continue
        try:
            found.append(
                _row({name: line[place].strip() for name, place in header.items() if place < len(line)})
            )
        except (ValueError, ArithmeticError, KeyError):
            bad.append(lines.line_num)
    notes = [f"{cloud}: {len(bad)} lines cannot be read, the first is line {bad[0]}."] if bad else []
    return found, notes


def _row(cells: Mapping[str, str]) -> CatalogRow:
    vcpus, memory, count = (_number(cells.get(c, "")) for c in ("vcpus", "memorygib", "acceleratorcount"))
    price, spot = (_money(cells.get(c, "")) for c in ("price", "spotprice"))
    return CatalogRow(
        instance_type=cells["instancetype"],
        accelerator=cells["acceleratorname"],
        count=count,
        vcpus=int(vcpus) if vcpus is not None else None,
        memory_gb=memory,
        info=cells.get("gpuinfo", ""),
        price=price,
        spot=spot,
        region=cells["region"],
        zone=cells.get("availabilityzone") or None,
    )


def _number(cell: str) -> float | None:
    if cell.casefold() in {"", "nan"}:
        return None
    found = float(cell)
    if not 0 <= found < MAX_NUMBER:
        raise ValueError(cell)
    return found


def _money(cell: str) -> Decimal | None:
    if cell.casefold() in {"", "nan"}:
        return None
    found = Decimal(cell)
    if not found.is_finite() or not 0 <= found < MAX_NUMBER:
        raise ValueError(cell)
    return found
