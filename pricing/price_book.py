"""The price book: a CSV file with one offer a row, dated and sourced, read through the gate.

`snapshot/offers.csv` is the book that comes with the package, so that a plan works offline and can be made
again; `snapshot/rejected.csv` keeps what the gate refused when it was made, and why. It does not know how
old is too old, nor any live price.
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

from pricing.gpu import canonical, nearest
from pricing.merge import ordered
from pricing.offer import Offer, Quote
from pricing.validate import Rejected, gate

# The schema of a price book, and of `prices --json`. Empty means unknown, never zero; flags are apart by spaces.
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

# A flag that follows from the date of a row and from today: shown with a price, never read back from a book.
STALE = "stale"

SHOWN = 5  # mistakes named in one message; the rest are counted
CELL = 60  # characters of a wrong cell that a message repeats

Value = str | int | float | None


class BadBookError(ValueError):
    """A price book that cannot be used; the message names its lines."""

    def __init__(self, name: str, mistakes: Sequence[str]) -> None:
        more = f"; and {len(mistakes) - SHOWN} more" if len(mistakes) > SHOWN else ""
        super().__init__(f"price book {name}: {'; '.join(mistakes[:SHOWN])}{more}")
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a book and the line of the file that it ends on."""

    number: int
    quote: Quote


def load(path: Path | None = None) -> tuple[Offer, ...]:
    """Every offer of a price book: the package's snapshot, or the file at `path`.

    With money at stake a book is right or it is refused: one row that the gate would not believe is enough.

    Raises:
        BadBookError: it is no price book, or a row of it cannot be believed.
    """
    if path is None:
        return _snapshot()
    return _accepted(path.name, path)


def read(book: Path | Traversable) -> tuple[tuple[Offer, ...], tuple[Rejected, ...]]:
    """What the gate makes of a price book: offers, and refusals with reasons."""
    return gate((line.quote for line in lines(book)), canonical)


def lines(book: Path | Traversable) -> tuple[Line, ...]:
    """The rows of a price book as they stand, before the gate."""
    rows = csv.reader(StringIO(_text(book)))
    found: list[Line] = []
    mistakes: list[str] = []
    try:
        names = [name.strip() for name in next(rows, list[str]())]
        places = _places(book.name, names)
        for row in rows:
            if not any(row):
                continue
            try:
                cells = {c: row[p].strip() if p < len(row) else "" for c, p in places.items()}
                found.append(Line(rows.line_num, _quote(cells)))
            except ValueError as error:
                mistakes.append(f"line {rows.line_num}: {error}")
    except csv.Error as error:
        mistakes.append(f"line {rows.line_num}: {error}")
    if mistakes:
        raise BadBookError(book.name, mistakes)
    return tuple(found)


def row(offer: Offer) -> dict[str, Value]:
    """The offer under the names of the schema, as both CSV and JSON write it."""
    return {
        "cloud": offer.cloud,
        "region": offer.region,
        "zone": offer.zone,
        "instance_type": offer.instance_type,
        "gpu": offer.gpu,
        "gpus": _plain(offer.gpus),
        "vcpus": offer.vcpus,
        "memory_gb": _plain(offer.memory_gb),
        "purchase": offer.purchase,
        "usd_per_hour": f"{offer.usd_per_hour:f}",
        "as_of": offer.as_of.isoformat(),
        "source": offer.source,
        "flags": " ".join(offer.flags),
    }


def text(offers: Iterable[Offer]) -> str:
    """A price book of these offers."""
    return _table(COLUMNS, (row(offer) for offer in offers))


def refusals(rejected: Iterable[Rejected]) -> str:
    """What was refused, a price a row, in the columns of a book with the reason behind them."""
    return _table((*COLUMNS, "reason"), (_refusal(r) for r in rejected))


@cache
def _snapshot() -> tuple[Offer, ...]:
    return _accepted("snapshot", files("pricing").joinpath("snapshot", "offers.csv"))


def _accepted(name: str, book: Path | Traversable) -> tuple[Offer, ...]:
    rows = lines(book)
    offers, rejected = gate((line.quote for line in rows), canonical)
    if rejected:
        numbers = {id(line.quote): line.number for line in rows}
        found = sorted(((numbers[id(r.quote)], r) for r in rejected), key=lambda pair: pair[0])
        raise BadBookError(name, [f"line {number}: {_why(r)}" for number, r in found])
    if not offers:
        raise BadBookError(name, ["it holds no offer"])
    return ordered(offers)


def _text(book: Path | Traversable) -> str:
    try:
        return book.read_bytes().decode("utf-8-sig")  # spreadsheets put a byte order mark before it
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise BadBookError(book.name, [f"line {line}: not UTF-8"]) from error
    except OSError as error:
        raise BadBookError(book.name, [error.strerror or str(error)]) from error


def _places(name: str, header: list[str]) -> dict[str, int]:
    """Where each column of ours is; columns of others are passed over."""
    mistakes = [f"no column {c!r}" for c in REQUIRED if c not in header]
    mistakes += [f"column {c!r} twice" for c in COLUMNS if header.count(c) > 1]
    if mistakes:
        raise BadBookError(name, mistakes)
    return {c: header.index(c) for c in COLUMNS if c in header}


def _quote(cells: dict[str, str]) -> Quote:
    """A row as a quote.

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
        raise ValueError(f"purchase {_cut(purchase)} is neither on-demand nor spot")
    price = _price(cells["usd_per_hour"])
    vcpus, memory = cells.get("vcpus"), cells.get("memory_gb")
    return Quote(
        cloud=cells["cloud"],
        region=cells["region"],
        zone=cells.get("zone") or None,
        instance_type=cells["instance_type"],
        gpu=cells["gpu"],
        gpus=_number("gpus", cells["gpus"]),
        vcpus=_whole("vcpus", vcpus) if vcpus else None,
        memory_gb=_number("memory_gb", memory) if memory else None,
        on_demand=price if purchase == "on-demand" else None,
        spot=price if purchase == "spot" else None,
        as_of=_date(cells["as_of"]),
        source=cells.get("source", ""),
        flags=tuple(f for f in cells.get("flags", "").split() if f != STALE),
    )


def _price(cell: str) -> Decimal:
    try:
        return Decimal(cell)
    except InvalidOperation:
        raise ValueError(f"usd_per_hour {_cut(cell)} is no number") from None


def _number(column: str, cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"{column} {_cut(cell)} is no number") from None


def _whole(column: str, cell: str) -> int:
    number = _number(column, cell)  # tools that read the column as floats write 8.0
    if not number.is_integer():
        raise ValueError(f"{column} {_cut(cell)} is no whole number")
    return int(number)


def _date(cell: str) -> date:
    """The day, of a moment too."""
    try:
        if len(cell) == len("2026-07-30"):
            return date.fromisoformat(cell)
        moment = datetime.fromisoformat(cell)
    except ValueError:
        raise ValueError(f"as_of {_cut(cell)} is no date such as 2026-07-30") from None
    return moment.astimezone(UTC).date() if moment.tzinfo else moment.date()


def _plain(number: float | None) -> Value:
    """8 rather than 8.0."""
    return int(number) if number is not None and number.is_integer() else number


def _cut(cell: str) -> str:
    return repr(cell if len(cell) <= CELL else f"{cell[:CELL]}…")


def _why(rejected: Rejected) -> str:
    quote = rejected.quote
    near = nearest(quote.gpu) if canonical(quote.gpu) is None else ()
    hint = f" (nearest: {', '.join(near)})" if near else ""
    return f"{quote.cloud}/{quote.zone or quote.region}/{quote.instance_type}: {rejected.reason}{hint}"


def _refusal(rejected: Rejected) -> dict[str, Value]:
    quote, price = rejected.quote, rejected.price
    return {
        "cloud": quote.cloud,
        "region": quote.region,
        "zone": quote.zone,
        "instance_type": quote.instance_type,
        "gpu": quote.gpu,
        "gpus": _plain(quote.gpus),
        "vcpus": quote.vcpus,
        "memory_gb": _plain(quote.memory_gb),
        "purchase": rejected.purchase,
        "usd_per_hour": None if price is None else f"{price:f}",
        "as_of": quote.as_of.isoformat(),
        "source": quote.source,
        "flags": " ".join(quote.flags),
        "reason": rejected.reason,
    }


def _table(columns: Sequence[str], rows: Iterable[dict[str, Value]]) -> str:
    out = StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
