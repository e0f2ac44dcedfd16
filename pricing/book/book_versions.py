"""The user's own price books: a folder of dated versions, and a pointer to the current one.

A book is written under a new name and never changed. The pointer, a file `current` that holds that name, is replaced
last and atomically, so that readers always find a complete book, even if the writer was killed. Does not know where
prices come from, nor the time.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from pricing.book import price_book
from pricing.book.validate import Rejected
from pricing.offer import Offer, Quote

POINTER = "current"
SUFFIX = ".csv"
REJECTED = ".rejected.csv"
BOOKS_KEPT = 20  # of about half a megabyte each
BOOK_NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}\.csv")
LEFTOVER_NAME = re.compile(r"\.(\d{8}T\d{6}Z-[0-9a-f]{8}(\.rejected)?\.csv|current)\.\d+")


@dataclass(frozen=True, slots=True)
class CurrentBook:
    """The current prices, and the book that they come from."""

    offers: tuple[Offer, ...]
    path: Path | None  # None: the package's snapshot
    trouble: str | None = None  # why the user's own book, which exists, cannot be used


def books_folder(environ: Mapping[str, str]) -> Path:
    """The folder of the user's books."""
    if environ.get("EMBEDFLEET_PRICES"):
        return Path(environ["EMBEDFLEET_PRICES"]).expanduser()
    cache = Path(environ.get("XDG_CACHE_HOME", ""))  # its specification says to ignore a relative path
    return (cache if cache.is_absolute() else Path("~/.cache").expanduser()) / "embedfleet" / "prices"


def current_offers(folder: Path) -> tuple[Offer, ...]:
    """The offers of the user's current book if it is valid, else those of the snapshot."""
    return find_current(folder).offers


def find_current(folder: Path) -> CurrentBook:
    """Find the current book: the user's own if it is valid, else the snapshot, with the reason in `trouble`."""
    try:
        name = (folder / POINTER).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return CurrentBook(price_book.load(), None)
    except (OSError, UnicodeDecodeError) as error:
        return CurrentBook(price_book.load(), None, f"cannot read {folder / POINTER}: {error}")
    if not name.isprintable() or Path(name).name != name or not name:
        return CurrentBook(price_book.load(), None, f"{folder / POINTER} names no book of its folder")
    try:
        return CurrentBook(price_book.load(folder / name), folder / name)
    except price_book.BadBookError as error:
        return CurrentBook(price_book.load(), None, str(error))


def past_quotes(folder: Path) -> Iterator[Quote]:
    """The rows of the snapshot and of every book that is kept, without validation. Unreadable books are passed over."""
    yield from (row.quote for row in price_book.snapshot_rows())
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if BOOK_NAME.fullmatch(path.name):
            with contextlib.suppress(price_book.BadBookError):
                yield from (row.quote for row in price_book.read_rows(path))


def write(folder: Path, offers: Iterable[Offer], rejected: Iterable[Rejected], now: datetime) -> Path:
    """Write a new book and the rejected prices next to it, then the pointer to it. Returns the book's path.

    Raises:
        OSError: the folder cannot be written; the previous book is still current.
    """
    text = price_book.offers_csv(offers)
    digest = sha256(text.encode()).hexdigest()[:8]
    path = folder / f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{digest}{SUFFIX}"
    _replace(path.with_suffix(REJECTED), price_book.rejected_csv(rejected))
    _replace(path, text)
    _replace(folder / POINTER, path.name + "\n")
    _remove_old(folder, path)
    return path


@contextlib.contextmanager
def writing(folder: Path) -> Generator[None]:
    """Hold the folder's write lock, so that each refresh builds on the one before. The lock ends with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _replace(path: Path, text: str) -> None:
    """Write a file atomically, and flush it to disk before anything refers to it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_old(folder: Path, newest: Path) -> None:
    """Delete old books and temporary files of killed writers, and no other file of the folder."""
    books = sorted(p for p in folder.iterdir() if BOOK_NAME.fullmatch(p.name) and p != newest)
    for book in books[
        : max(0, len(books) + 1 - BOOKS_KEPT)
    ]:  # names begin with their time: the oldest come first
        book.unlink(missing_ok=True)
        book.with_suffix(REJECTED).unlink(missing_ok=True)
    for left in folder.iterdir():
        if LEFTOVER_NAME.fullmatch(left.name):
            left.unlink(missing_ok=True)
