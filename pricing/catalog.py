"""The price book: a CSV file of quotes with their dates and sources, read through the gate.

`snapshot/offers.csv` is the book that comes with the package, so that a plan works offline and can be made
again; `snapshot/rejected.csv` keeps what the gate refused when it was made, and why. It does not know how
old is too old, nor any live price.
"""

import csv
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import StringIO
from pathlib import Path

from pricing.check import Rejected, gate
from pricing.gpu import canonical
from pricing.offer import Offer, Quote

# The schema of a price book. Empty means unknown, never zero; flags are separated by spaces.
COLUMNS = (
    "cloud",
    "region",
    "zone",
    "instance_type",
    "gpu",
    "gpus",
    "vcpus",
    "memory_gb",
    "on_demand_usd_per_hour",
    "spot_usd_per_hour",
    "as_of",
    "source",
    "flags",
)

SHOWN = 5  # mistakes named in one message; the rest are counted


class BadBookError(ValueError):
    """A price book that cannot be used; the message names its rows."""

    def __init__(self, name: str, mistakes: Sequence[str]) -> None:
        more = f"; and {len(mistakes) - SHOWN} more" if len(mistakes) > SHOWN else ""
        super().__init__(f"price book {name}: {'; '.join(mistakes[:SHOWN])}{more}")
        self.mistakes = tuple(mistakes)


def load(path: Path | None = None) -> tuple[Offer, ...]:
    """Every offer of a price book: the package's snapshot, or the file at `path`.

    With money at stake a book is right or it is refused: one row that the gate would not believe is enough.
    """
    if path is None:
        return _snapshot()
    return _accepted(path.name, path)


def read(book: Path | Traversable) -> tuple[tuple[Offer, ...], tuple[Rejected, ...]]:
    """What the gate makes of a price book: offers, and refusals with reasons."""
    return gate(quotes(book), canonical)


def quotes(book: Path | Traversable) -> tuple[Quote, ...]:
    """The rows of a price book as they stand, before the gate."""
    try:
        text = book.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadBookError(book.name, [str(error)]) from error
    rows = csv.reader(StringIO(text))
    header = next(rows, None) or []
    missing = [c for c in COLUMNS if c not in header]
    if missing:
        raise BadBookError(book.name, [f"no column {c!r}" for c in missing])
    places = [header.index(c) for c in COLUMNS]
    found: list[Quote] = []
    mistakes: list[str] = []
    for row in rows:
        try:
            found.append(_quote([row[p] for p in places]))
        except (ValueError, InvalidOperation, IndexError):
            mistakes.append(f"line {rows.line_num} cannot be read: {','.join(row)[:120]}")
    if mistakes:
        raise BadBookError(book.name, mistakes)
    return tuple(found)


@cache
def _snapshot() -> tuple[Offer, ...]:
    return _accepted("snapshot", files("pricing").joinpath("snapshot", "offers.csv"))


def _accepted(name: str, book: Path | Traversable) -> tuple[Offer, ...]:
    offers, rejected = read(book)
    if rejected:
        raise BadBookError(name, [f"{_name(r)}: {r.reason}" for r in rejected])
    if not offers:
        raise BadBookError(name, ["it holds no offer"])
    return offers


def _name(rejected: Rejected) -> str:
    q = rejected.quote
    return f"{q.cloud}/{q.zone or q.region}/{q.instance_type} ({rejected.purchase})"


def _quote(row: list[str]) -> Quote:
    cloud, region, zone, instance, gpu, count, vcpus, memory, on_demand, spot, as_of, source, flags = row
    return Quote(
        cloud=cloud,
        region=region,
        zone=zone or None,
        instance_type=instance,
        gpu=gpu,
        gpus=float(count),
        vcpus=int(vcpus) if vcpus else None,
        memory_gb=float(memory) if memory else None,
        on_demand=Decimal(on_demand) if on_demand else None,
        spot=Decimal(spot) if spot else None,
        as_of=date.fromisoformat(as_of),
        source=source,
        flags=tuple(flags.split()),
    )
