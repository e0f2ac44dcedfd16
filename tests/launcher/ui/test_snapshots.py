import pytest

from launcher.errors import Problem
from launcher.ui.snapshots import AGE_SECONDS, MAX_PAGES, REST, Snapshots


class Maker:
    """Makes pages with the number of those made before; `took` seconds pass while it makes one."""

    def __init__(self, took: float = 0.0) -> None:
        self.now = 0.0
        self.took = took
        self.made = 0

    def __call__(self, name: str) -> bytes:
        self.now += self.took
        self.made += 1
        return f"{name} {self.made}".encode()

    def clock(self) -> float:
        return self.now


def test_page_is_kept_until_it_is_old() -> None:
    maker = Maker()
    pages = Snapshots(maker, maker.clock)
    assert [pages.page("a"), pages.page("a")] == [b"a 1", b"a 1"]
    maker.now += AGE_SECONDS
    assert pages.page("a") == b"a 2"


def test_page_that_took_long_is_kept_longer() -> None:
    maker = Maker(took=30)
    pages = Snapshots(maker, maker.clock)
    pages.page("a")
    maker.now += REST * 30 - 1
    assert pages.page("a") == b"a 1"
    maker.now += 1
    assert pages.page("a") == b"a 2"


def test_reader_gets_the_last_page_while_another_request_makes_the_next() -> None:
    maker = Maker()
    seen: list[bytes] = []

    def make(name: str) -> bytes:
        if maker.made:
            seen.append(pages.page(name))  # as another thread asks while this one makes a page
        return maker(name)

    pages = Snapshots(make, maker.clock)
    pages.page("a")
    maker.now += AGE_SECONDS
    assert pages.page("a") == b"a 2"
    assert seen == [b"a 1"]


def test_number_of_kept_pages_is_bounded() -> None:
    maker = Maker()
    pages = Snapshots(maker, maker.clock)
    for n in range(MAX_PAGES + 1):
        pages.page(str(n))
    assert pages.page("0") == f"0 {MAX_PAGES + 2}".encode()  # the first one was dropped


def test_page_that_cannot_be_made_is_tried_again() -> None:
    tries: list[str] = []

    def make(name: str) -> bytes:
        tries.append(name)
        raise Problem("no", hint="yes")

    pages = Snapshots(make)
    for _ in range(2):
        with pytest.raises(Problem):
            pages.page("a")
    assert tries == ["a", "a"]
