"""The price book: a CSV file with one offer per row, each with date and source, validated when it is read.

`snapshot/offers.csv` is the book that comes with the package, so that plans work offline and can be reproduced;
`snapshot/rejected.csv` holds what validation rejected when the snapshot was made, with reasons. Does not decide when a
price is stale, and knows no live price.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import StringIO
from pathlib import Path

from pricing.book.merge import ordered
from pricing.book.validate import Rejected, validate_quotes
from pricing.gpu import canonical, nearest
from pricing.offer import Offer, Quote

# The schema of a price book, and of `prices --json`. Empty means unknown, never zero; flags are separated by spaces.
COLUMNS = (
    "cloud",
    "region",
    "zone",
    "instance_type",
    "gpu",
    "gpus",
    "vcpus",
    "memory_gb",
    "purchase",
    "usd_per_hour",
    "as_of",
    "source",
    "flags",
)
REQUIRED = ("cloud", "region", "instance_type", "gpu", "gpus", "purchase", "usd_per_hour", "as_of")

# Flags derived from a row's date and place (`access.derived_flags`): shown with a price, never read back from a book.
STALE = "stale"
DERIVED = frozenset({STALE, "not_launchable", "opt_in", "single_host"})

MISTAKES_SHOWN = 5  # in one message; the rest are counted
CELL_LENGTH = 60  # characters of an invalid cell that a message quotes

Value = str | int | float | None


class BadBookError(ValueError):
    """An invalid price book; the message names its lines."""

    def __init__(self, name: str, mistakes: Sequence[str]) -> None:
        more = f"; and {len(mistakes) - MISTAKES_SHOWN} more" if len(mistakes) > MISTAKES_SHOWN else ""
        super().__init__(f"price book {name}: {'; '.join(mistakes[:MISTAKES_SHOWN])}{more}")
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True, slots=True)
class PriceBookRow:
    """A row of a price book, and the line of the file on which it ends."""

    number: int
    quote: Quote


def load(path: Path | None = None) -> tuple[Offer, ...]:
    """Read every offer of a price book: the package's snapshot, or the file at `path`.

    Because plans spend money by these prices, a single invalid row makes the whole book invalid.

    Raises:
        BadBookError: the file is not a price book, or a row is invalid.
    """
    if path is None:
        return _snapshot()
    return _all_valid(path.name, path)


def read_rows(book: Path | Traversable) -> tuple[PriceBookRow, ...]:
    """Read the rows of a price book without validating their prices.

    Raises:
        BadBookError: a line cannot be read.
    """
    rows = csv.reader(StringIO(_decoded(book)))
    found: list[PriceBookRow] = []
    mistakes: list[str] = []
    try:
        names = [name.strip() for name in next(rows, list[str]())]
        places = _column_positions(book.name, names)
        for row in rows:
            if not any(row):
                continue
            try:
                cells = {c: row[p].strip() if p < len(row) else "" for c, p in places.items()}
                found.append(PriceBookRow(rows.line_num, _quote(cells)))
            except ValueError as error:
                mistakes.append(f"line {rows.line_num}: {error}")
    except csv.Error as error:
        mistakes.append(f"line {rows.line_num}: {error}")
    if mistakes:
        raise BadBookError(book.name, mistakes)
    return tuple(found)


def offer_row(offer: Offer) -> dict[str, Value]:
    """The offer by column name, as CSV and JSON write it."""
    return {
        "cloud": offer.cloud,
        "region": offer.region,
        "zone": offer.zone,
        "instance_type": offer.instance_type,
        "gpu": offer.gpu,
        "gpus": _integral(offer.gpus),
        "vcpus": offer.vcpus,
        "memory_gb": _integral(offer.memory_gb),
        "purchase": offer.purchase,
        "usd_per_hour": f"{offer.usd_per_hour:f}",
        "as_of": offer.as_of.isoformat(),
        "source": offer.source,
        "flags": " ".join(offer.flags),
    }


def offers_csv(offers: Iterable[Offer]) -> str:
    """The text of a price book with these offers."""
    return _csv(COLUMNS, (offer_row(offer) for offer in offers))


def rejected_csv(rejected: Iterable[Rejected]) -> str:
    """The rejected prices as CSV, one per row: the columns of a price book, then the reason."""
    return _csv((*COLUMNS, "reason"), (_rejected_row(r) for r in rejected))


def snapshot_rows() -> tuple[PriceBookRow, ...]:
    """The rows of the package's snapshot."""
    return read_rows(_snapshot_file())


def _snapshot_file() -> Traversable:
    return files("pricing").joinpath("snapshot", "offers.csv")


@cache
def _snapshot() -> tuple[Offer, ...]:
    return _all_valid("snapshot", _snapshot_file())


def _all_valid(name: str, book: Path | Traversable) -> tuple[Offer, ...]:
    rows = read_rows(book)
    offers, rejected = validate_quotes((line.quote for line in rows), canonical)
    if rejected:
        numbers = {id(line.quote): line.number for line in rows}
        found = sorted(((numbers[id(r.quote)], r) for r in rejected), key=lambda pair: pair[0])
        raise BadBookError(name, [f"line {number}: {_mistake(r)}" for number, r in found])
    if not offers:
        raise BadBookError(name, ["it holds no offer"])
    return ordered(offers)


def _decoded(book: Path | Traversable) -> str:
    try:
        return book.read_bytes().decode("utf-8-sig")  # spreadsheets write a byte order mark
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise BadBookError(book.name, [f"line {line}: not UTF-8"]) from error
    except OSError as error:
        raise BadBookError(book.name, [error.strerror or str(error)]) from error


def _column_positions(name: str, header: list[str]) -> dict[str, int]:
    """The position of each known column in the header; unknown columns are ignored."""
    mistakes = [f"no column {c!r}" for c in REQUIRED if c not in header]
    mistakes += [f"column {c!r} twice" for c in COLUMNS if header.count(c) > 1]
    if mistakes:
        raise BadBookError(name, mistakes)
    return {c: header.index(c) for c in COLUMNS if c in header}


def _quote(cells: dict[str, str]) -> Quote:
    """Convert a row to a quote.

    Raises:
        ValueError: a cell is missing or cannot be read; the message names it.
    """
    for column in REQUIRED:
        if not cells[column]:
            raise ValueError(f"no {column}")
    if not "".join(cells.values()).isprintable():
        odd = next(c for c, cell in cells.items() if not cell.isprintable())
        raise ValueError(f"{odd} holds a control character")
    purchase = cells["purchase"]
    if purchase not in ("on-demand", "spot"):
        raise ValueError(f"purchase {_excerpt(purchase)} is neither on-demand nor spot")
    price = _price(cells["usd_per_hour"])
    vcpus, memory = cells.get("vcpus"), cells.get("memory_gb")
    return Quote(
        cloud=cells["cloud"],
        region=cells["region"],
        zone=cells.get("zone") or None,
        instance_type=cells["instance_type"],
        gpu=cells["gpu"],
        gpus=_number("gpus", cells["gpus"]),
        vcpus=_integer("vcpus", vcpus) if vcpus else None,
        memory_gb=_number("memory_gb", memory) if memory else None,
        on_demand=price if purchase == "on-demand" else None,
        spot=price if purchase == "spot" else None,
        as_of=_date(cells["as_of"]),
        source=cells.get("source", ""),
        flags=tuple(f for f in cells.get("flags", "").split() if f not in DERIVED),
    )


def _price(cell: str) -> Decimal:
    try:
        return Decimal(cell)
    except InvalidOperation:
        raise ValueError(f"usd_per_hour {_excerpt(cell)} is no number") from None


def _number(column: str, cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"{column} {_excerpt(cell)} is no number") from None


def _integer(column: str, cell: str) -> int:
    number = _number(column, cell)  # spreadsheets may write 8.0
    if not number.is_integer():
        raise ValueError(f"{column} {_excerpt(cell)} is no whole number")
    return int(number)


def _date(cell: str) -> date:
    """Parse a date; of a date and time, the UTC date."""
    try:
        if len(cell) == len("2026-07-30"):
            return date.fromisoformat(cell)
        moment = datetime.fromisoformat(cell)
    except ValueError:
        raise ValueError(f"as_of {_excerpt(cell)} is no date such as 2026-07-30") from None
    return moment.astimezone(UTC).date() if moment.tzinfo else moment.date()


def _integral(number: float | None) -> Value:
    """Write 8 instead of 8.0."""
    return int(number) if number is not None and number.is_integer() else number


def _excerpt(cell: str) -> str:
    return repr(cell if len(cell) <= CELL_LENGTH else f"{cell[:CELL_LENGTH]}…")


def _mistake(rejected: Rejected) -> str:
    quote = rejected.quote
    near = nearest(quote.gpu) if canonical(quote.gpu) is None else ()
    hint = f" (nearest: {', '.join(near)})" if near else ""
    return f"{quote.cloud}/{quote.zone or quote.region}/{quote.instance_type}: {rejected.reason}{hint}"


def _rejected_row(rejected: Rejected) -> dict[str, Value]:
    quote, price = rejected.quote, rejected.price
    return {
        "cloud": quote.cloud,
        "region": quote.region,
        "zone": quote.zone,
        "instance_type": quote.instance_type,
        "gpu": quote.gpu,
        "gpus": _integral(quote.gpus),
        "vcpus": quote.vcpus,
        "memory_gb": _integral(quote.memory_gb),
        "purchase": rejected.purchase,
        "usd_per_hour": None if price is None else f"{price:f}",
        "as_of": quote.as_of.isoformat(),
        "source": quote.source,
        "flags": " ".join(quote.flags),
        "reason": rejected.reason,
    }


def _csv(columns: Sequence[str], rows: Iterable[dict[str, Value]]) -> str:
    out = StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
