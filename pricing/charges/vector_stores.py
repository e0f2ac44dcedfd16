"""What vectors cost in a vector store: sizes, rates and prices, each with its date and source.

`snapshot/vector_stores.csv` holds them. A row that does not pass the gate below is a mistake of the package and raises
ValueError. Sizes come from measurements or documentation, as the source says; prices are list prices in USD.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache

from pricing.snapshot_files import rows

FILE = "vector_stores.csv"
UNITS = frozenset(
    {
        "USD", "bytes", "centroids", "dimensions", "edges", "lists", "ratio", "rows a core-second", "rows a second",
        "vectors", "vectors a second",
    }
)  # fmt: skip
MOST_USD = Decimal(100)  # of one unit: an amount above it is a mistake of units


@dataclass(frozen=True, slots=True)
class Constant:
    """A figure of a vector store, such as the bytes of a link or the price of a GB written."""

    store: str
    name: str
    value: Decimal
    unit: str
    as_of: date
    source: str


def constant(store: str, name: str) -> Constant:
    """A figure with its date and source; KeyError where there is none of this name."""
    return _table()[store, name]


def known(store: str, name: str) -> bool:
    """Whether there is a figure of this name."""
    return (store, name) in _table()


def number(store: str, name: str) -> float:
    """A size, a rate or a ratio."""
    return float(constant(store, name).value)


def usd(store: str, name: str) -> Decimal:
    """A price in USD; ValueError where the figure is none."""
    found = constant(store, name)
    if found.unit != "USD":
        raise ValueError(f"{store} {name} is no price, but in {found.unit}")
    return found.value


def constants() -> tuple[Constant, ...]:
    """All figures, in the order of the file."""
    return tuple(_table().values())


def validated(row: dict[str, str]) -> Constant:
    """A row of the file as a value.

    Raises:
        ValueError: it lacks a date or a source, its value is not above 0, or its unit is unknown.
    """
    name = f"{row['store']} {row['name']}"
    try:
        value, as_of = Decimal(row["value"]), date.fromisoformat(row["as_of"])
    except (InvalidOperation, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error
    if not value.is_finite() or value <= 0:
        raise ValueError(f"{name} is {value}, not above 0")
    if row["unit"] not in UNITS:
        raise ValueError(f"{name} has the unknown unit {row['unit']!r}")
    if row["unit"] == "USD" and value > MOST_USD:
        raise ValueError(f"{name} is ${value}: more than ${MOST_USD} a unit is a mistake of units")
    if not row["source"].strip():
        raise ValueError(f"{name} has no source")
    return Constant(row["store"], row["name"], value, row["unit"], as_of, row["source"])


@cache
def _table() -> dict[tuple[str, str], Constant]:
    found: dict[tuple[str, str], Constant] = {}
    for row in rows(FILE):
        one = validated(row)
        if (one.store, one.name) in found:
            raise ValueError(f"{one.store} {one.name} stands twice in {FILE}")
        found[one.store, one.name] = one
    return found
