"""Read the CSV files of the package's snapshot, and the cells in them.

Imports: nothing of pricing. Does not know what a file holds.
"""

import csv
from datetime import date
from decimal import Decimal
from importlib.resources import files
from io import StringIO


def rows(name: str) -> list[dict[str, str]]:
    """The rows of `snapshot/NAME` by column."""
    text = files("pricing").joinpath("snapshot", name).read_text(encoding="utf-8")
    return list(csv.DictReader(StringIO(text)))


def optional_money(text: str) -> Decimal | None:
    """The amount in a cell; None for an empty one."""
    return Decimal(text) if text else None


def optional_integer(text: str) -> int | None:
    """The whole number in a cell; None for an empty one."""
    return int(float(text)) if text else None


def optional_date(text: str) -> date | None:
    """The date in a cell; None for an empty one."""
    return date.fromisoformat(text) if text else None
