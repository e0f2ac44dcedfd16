"""The user's own price book: a folder of dated books, and a pointer to the one in force.

A book is written under a name of its own and never touched again; the pointer, a file `current` that holds that name,
is replaced last and in one step. So whoever reads finds a whole book, the new one or the one before, whatever
happened to whoever wrote. It does not know where prices come from, nor what time it is.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from pricing import price_book
from pricing.offer import Offer
from pricing.validate import Rejected

POINTER = "current"
SUFFIX = ".csv"
REJECTED = ".rejected.csv"
KEPT = 20  # books in the folder, of about half a megabyte each
OURS = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}\.csv")
LEFT = re.compile(r"\.(\d{8}T\d{6}Z-[0-9a-f]{8}(\.rejected)?\.csv|current)\.\d+")


@dataclass(frozen=True, slots=True)
class Book:
    """The prices in force, and which book they are."""

    offers: tuple[Offer, ...]
    path: Path | None  # None: the package's snapshot
    trouble: str | None = None  # why the user's own book, which is there, is not the one


def place(environ: Mapping[str, str]) -> Path:
    """The folder of the user's books."""
    if environ.get("EMBEDFLEET_PRICES"):
        return Path(environ["EMBEDFLEET_PRICES"]).expanduser()
    cache = Path(
        environ.get("XDG_CACHE_HOME", "")
    )  # to be passed over unless absolute, says its specification
    return (cache if cache.is_absolute() else Path("~/.cache").expanduser()) / "embedfleet" / "prices"


def current(folder: Path) -> tuple[Offer, ...]:
    """The offers of the user's book where there is one that passes the gate, else those of the snapshot."""
    return find(folder).offers


def find(folder: Path) -> Book:
    """The book in force."""
    try:
        name = (folder / POINTER).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return Book(price_book.load(), None)
    except (OSError, UnicodeDecodeError) as error:
        return Book(price_book.load(), None, f"cannot read {folder / POINTER}: {error}")
    if not name.isprintable() or Path(name).name != name or not name:
        return Book(price_book.load(), None, f"{folder / POINTER} names no book of its folder")
    try:
        return Book(price_book.load(folder / name), folder / name)
    except price_book.BadBookError as error:
        return Book(price_book.load(), None, str(error))


def write(folder: Path, offers: Iterable[Offer], rejected: Iterable[Rejected], now: datetime) -> Path:
    """A new book and, beside it, what was refused on the way; then the pointer to it.

    Raises:
        OSError: the folder cannot be written; the book before is still in force.
    """
    text = price_book.text(offers)
    digest = sha256(text.encode()).hexdigest()[:8]
    path = folder / f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{digest}{SUFFIX}"
    _replace(path.with_suffix(REJECTED), price_book.refusals(rejected))
    _replace(path, text)
    _replace(folder / POINTER, path.name + "\n")
    _clear(folder, path)
    return path


@contextlib.contextmanager
def writing(folder: Path) -> Generator[None]:
    """Be the only one to write here, so that a refresh builds on the one before; the lock goes with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _replace(path: Path, text: str) -> None:
    """All or nothing, and on the disk before anything points there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _clear(folder: Path, newest: Path) -> None:
    """Old books and what killed writers left behind go, and nothing else that may be in the folder."""
    books = sorted(p for p in folder.iterdir() if OURS.fullmatch(p.name) and p != newest)
    for book in books[: max(0, len(books) + 1 - KEPT)]:  # a name begins with its time: the oldest come first
        book.unlink(missing_ok=True)
        book.with_suffix(REJECTED).unlink(missing_ok=True)
    for left in folder.iterdir():
        if LEFT.fullmatch(left.name):
            left.unlink(missing_ok=True)
