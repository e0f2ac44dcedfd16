import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pricing.book import book_versions, price_book
from pricing.book.book_versions import BOOKS_KEPT, POINTER, books_folder, current_offers, find_current, write
from pricing.book.validate import reject_prices
from pricing.offer import Offer, as_quote
from tests.support.paths import ROOT

NOW = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ONE = next(o for o in price_book.load() if o.key == "gcp/us-central1/g2-standard-8/on-demand")
TWO = replace(ONE, usd_per_hour=Decimal("0.86"))


def keep(folder: Path, *offers: Offer, now: datetime = NOW) -> Path:
    with book_versions.writing(folder):
        return write(folder, offers, [], now)


def test_folder_is_set_by_the_environment() -> None:
    assert books_folder({"EMBEDFLEET_PRICES": "/prices", "XDG_CACHE_HOME": "/cache"}) == Path("/prices")


def test_folder_is_in_the_users_cache_by_default() -> None:
    assert books_folder({"XDG_CACHE_HOME": "/cache"}) == Path("/cache/embedfleet/prices")
    assert books_folder({}) == Path.home() / ".cache/embedfleet/prices"


def test_relative_cache_path_is_ignored() -> None:
    assert books_folder({"XDG_CACHE_HOME": "cache"}) == books_folder({})


def test_snapshot_is_current_without_own_book(tmp_path: Path) -> None:
    found = find_current(tmp_path / "none")
    assert (found.offers, found.path, found.trouble) == (price_book.load(), None, None)


def test_written_book_is_current(tmp_path: Path) -> None:
    path = keep(tmp_path, ONE)
    assert current_offers(tmp_path) == (ONE,)
    assert find_current(tmp_path).path == path


def test_book_is_named_by_time_and_digest(tmp_path: Path) -> None:
    path = keep(tmp_path, ONE)
    assert book_versions.BOOK_NAME.fullmatch(path.name)
    assert path.name.startswith("20261123T040506Z-")
    assert keep(tmp_path, TWO).name != path.name


def test_rejected_prices_are_written_next_to_the_book(tmp_path: Path) -> None:
    path = write(tmp_path, [ONE], reject_prices(as_quote(TWO), "a test"), NOW)
    assert path.with_suffix(book_versions.REJECTED).read_text(encoding="utf-8").endswith(",a test\n")


@pytest.mark.parametrize("pointer", ["", "../elsewhere.csv", "/etc/passwd", "gone.csv", "\x00"])
def test_invalid_pointer_falls_back_to_the_snapshot_with_a_reason(tmp_path: Path, pointer: str) -> None:
    (tmp_path / POINTER).write_text(pointer, encoding="utf-8")
    found = find_current(tmp_path)
    assert found.offers == price_book.load()
    assert found.trouble


def test_invalid_book_falls_back_to_the_snapshot_with_a_reason(tmp_path: Path) -> None:
    path = keep(tmp_path, ONE)
    path.write_text(path.read_text(encoding="utf-8").replace(str(ONE.usd_per_hour), "-1"), encoding="utf-8")
    found = find_current(tmp_path)
    assert found.offers == price_book.load()
    assert "is not above 0" in (found.trouble or "")


def test_old_books_are_deleted_and_the_current_one_is_kept(tmp_path: Path) -> None:
    for hour in range(BOOKS_KEPT + 2):
        keep(tmp_path, ONE, now=NOW + timedelta(hours=hour))
    newest = keep(tmp_path, ONE, now=NOW + timedelta(hours=BOOKS_KEPT + 2))
    books = [p for p in tmp_path.iterdir() if book_versions.BOOK_NAME.fullmatch(p.name)]
    assert len(books) == BOOKS_KEPT
    assert newest in books


def test_other_files_are_not_deleted(tmp_path: Path) -> None:
    theirs = [tmp_path / name for name in ("mine.csv", ".current.txt", ".hidden.csv.1")]
    for path in theirs:
        path.write_text("theirs", encoding="utf-8")
    for hour in range(BOOKS_KEPT + 3):
        keep(tmp_path, ONE, now=NOW + timedelta(hours=hour))
    assert all(path.exists() for path in theirs)


KILLED = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from pricing.book import book_versions, price_book

left = int(sys.argv[2])
def counted(call):
    def wrapped(*args, **kwargs):
        global left
        if left == 0:
            os._exit(9)  # as a kill: nothing is cleaned up
        left -= 1
        return call(*args, **kwargs)
    return wrapped
offers = price_book.load(Path(sys.argv[3]))
for name in ("open", "replace", "unlink", "mkdir"):
    setattr(Path, name, counted(getattr(Path, name)))
os.fsync = counted(os.fsync)
with book_versions.writing(Path(sys.argv[1])):
    book_versions.write(Path(sys.argv[1]), offers, [], datetime(2026, 11, 23, 5, tzinfo=UTC))
"""


def test_killed_writer_leaves_a_complete_current_book(tmp_path: Path) -> None:
    new = tmp_path / "new.csv"
    new.write_text(price_book.offers_csv([TWO]), encoding="utf-8")
    folder = tmp_path / "prices"
    seen: set[tuple[Offer, ...]] = set()
    step, code = -1, 9
    while code:
        step += 1
        keep(folder, ONE)  # what a killed writer left does not stop the next
        argv = [sys.executable, "-c", KILLED, str(folder), str(step), str(new)]
        code = subprocess.run(argv, check=False, cwd=ROOT).returncode
        assert code in (0, 9)
        seen.add(current_offers(folder))
    assert step > 9  # it was killed at every call that touches the disk, then at none
    assert seen == {(ONE,), (TWO,)}
    keep(folder, ONE, now=LATER)
    assert not [p for p in folder.iterdir() if book_versions.LEFTOVER_NAME.fullmatch(p.name)]
