from dataclasses import replace

import pytest
from rich.console import Console

from launcher.reports.lists.price_list import PriceLine, group_places
from launcher.reports.terminal.prices import FLAG_MEANINGS, FLAG_WORDS, prices_table
from pricing.book import price_book
from tests.launcher.reports.lists.test_price_list import L4, NOW, TWO


def screen(*shown: PriceLine, width: int = 110) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(prices_table(shown, NOW))
    return captured.get()


def test_line_shows_both_prices_the_age_and_the_flags() -> None:
    shown = screen(PriceLine(TWO, ("us-central1",))).splitlines()
    words = " ".join(shown[1].split())
    assert words == "2 x L4 $0.30 $0.60 spot gcp us-central1 g2-standard-24 22 d stale"
    assert shown[2].startswith("stale: a spot price older than 14 days")


def test_only_flags_that_are_shown_are_explained() -> None:
    assert "stale" not in screen(PriceLine(L4, ("us-central1",)))


def test_age_that_is_not_certain_has_a_prefix() -> None:
    assert "~3 d" in screen(PriceLine(replace(L4, flags=("as_of_estimated",)), ("us-central1",)))


def test_many_places_are_counted() -> None:
    assert "a-rather-long-region-1 +2" in screen(PriceLine(L4, ("a-rather-long-region-1", "b", "c")))


def test_every_flag_has_a_word_or_is_shown_by_the_age() -> None:
    assert FLAG_MEANINGS.keys() - FLAG_WORDS.keys() == {"as_of_estimated", "as_of_unknown"}


@pytest.mark.parametrize("width", [80, 100])
def test_no_name_of_the_snapshot_is_cut(width: int) -> None:
    shown = screen(*group_places(price_book.load()), width=width)
    assert max(map(len, shown.splitlines())) <= width
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown


def test_flags_break_before_names_do() -> None:
    offer = replace(L4, flags=("derived", "floor", "opt_in", "region_unverified"))
    first, second, *_ = screen(PriceLine(offer, ("northamerica-northeast1",)), width=90).splitlines()[1:]
    assert "northamerica-northeast1" in first
    assert second.split() in (["floor"], ["floor", "opt-in"])


def test_names_break_where_nothing_else_can() -> None:
    lines = screen(PriceLine(L4, ("northamerica-northeast1",)), width=64).splitlines()[1:]
    start = lines[0].index("northame")
    assert "".join(line[start : start + 8].strip() for line in lines).startswith("northamerica-northeast1")


def test_text_of_a_feed_cannot_move_the_cursor() -> None:
    assert "\x1b" not in screen(PriceLine(replace(L4, instance_type="g2\x1b[2J"), ("us-central1",)))
