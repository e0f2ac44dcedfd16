from dataclasses import replace

from rich.console import Console

from launcher.reports.lists.price_list import PriceLine, group_places
from launcher.reports.terminal.prices import FLAG_MEANINGS, FLAG_WORDS, prices_table
from pricing.book import price_book
from tests.launcher.reports.lists.test_price_list import L4, NOW, TWO


def screen(*shown: PriceLine, width: int = 110) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(prices_table(shown, NOW, width))
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
    assert "a-rather-l… +2" in screen(PriceLine(L4, ("a-rather-long-region-1", "b", "c")))


def test_every_flag_has_a_word_or_is_shown_by_the_age() -> None:
    assert FLAG_MEANINGS.keys() - FLAG_WORDS.keys() == {"as_of_estimated", "as_of_unknown"}


def test_each_offer_of_the_snapshot_fits_one_line_of_110_columns() -> None:
    rows = group_places(price_book.load())
    shown = screen(*rows).splitlines()
    assert max(map(len, shown)) <= 110
    assert len(shown) - 1 - len(rows) <= len(FLAG_MEANINGS)
    assert not [line for line in shown[1 : len(rows)] if not line[0].isdigit()]


def test_text_of_a_feed_cannot_move_the_cursor() -> None:
    assert "\x1b" not in screen(PriceLine(replace(L4, instance_type="g2\x1b[2J"), ("us-central1",)))
