from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from rich.console import Console

from launcher.reports.terminal.prices import (
    MEANING,
    WORDS,
    Line,
    Wanted,
    cheapest,
    lines,
    nearest,
    ordered,
    table,
    to_json,
)
from pricing import price_book
from pricing.offer import Offer
from pricing.price_book import COLUMNS

NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
L4 = Offer(
    cloud="gcp",
    region="us-central1",
    zone=None,
    instance_type="g2-standard-8",
    gpu="L4",
    gpus=1.0,
    vcpus=8,
    memory_gb=32.0,
    spot=True,
    usd_per_hour=Decimal("0.3400"),
    as_of=date(2026, 11, 20),
    source="a test",
)
TWO = replace(
    L4, instance_type="g2-standard-24", gpus=2.0, usd_per_hour=Decimal("0.60"), as_of=date(2026, 11, 1)
)
H100 = replace(
    L4, cloud="aws", region="us-east-1", gpu="H100", usd_per_hour=Decimal("3.00"), as_of=date(2026, 11, 22)
)
ALL = (H100, TWO, L4)


def screen(*shown: Line, width: int = 110) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(table(shown, NOW, width))
    return captured.get()


@pytest.mark.parametrize(
    ("order", "first"),
    [("gpu-hour", TWO), ("machine-hour", L4), ("gpu", H100), ("cloud", H100), ("age", H100)],
)
def test_offers_come_in_the_order_asked_for(order: str, first: Offer) -> None:
    assert ordered(ALL, order, NOW)[0] == first


def test_nothing_wanted_is_everything() -> None:
    assert all(map(Wanted(), ALL))


def test_regions_are_patterns_in_any_case() -> None:
    assert [o for o in ALL if Wanted(regions=("US-E*",))(o)] == [H100]


def test_what_is_wanted_can_be_said() -> None:
    wanted = Wanted(("L4", "T4"), ("aws",), ("us-*",), spot=True)
    assert str(wanted) == "spot offer of L4 or T4 on aws in us-*"


def test_of_each_gpu_the_cheapest_hour_is_found() -> None:
    assert set(cheapest(ALL)) == {TWO, H100}


def test_places_with_one_price_are_one_line() -> None:
    elsewhere = replace(L4, region="us-east4")
    assert lines([L4, elsewhere]) == [Line(L4, ("us-central1", "us-east4"))]


def test_the_json_has_the_fields_of_a_book_and_what_follows_from_them() -> None:
    [one] = to_json([TWO], NOW)
    assert one.keys() == {*COLUMNS, "usd_per_gpu_hour", "age_days", "stale"}
    assert (one["usd_per_hour"], one["usd_per_gpu_hour"], one["gpus"]) == ("0.60", "0.3", 2)
    assert (one["age_days"], one["stale"], one["flags"]) == (22, True, "stale")


def test_a_third_of_a_gpu_is_priced_by_the_whole_one() -> None:
    [one] = to_json([replace(L4, gpus=0.333)], NOW)
    assert one["usd_per_gpu_hour"] == "1.021021"


def test_a_line_shows_both_prices_the_age_and_the_flags() -> None:
    shown = screen(Line(TWO, ("us-central1",))).splitlines()
    words = " ".join(shown[1].split())
    assert words == "2 x L4 $0.30 $0.60 spot gcp us-central1 g2-standard-24 22 d stale"
    assert shown[2].startswith("stale: a spot price older than 14 days")


def test_only_flags_that_are_shown_are_explained() -> None:
    assert "stale" not in screen(Line(L4, ("us-central1",)))


def test_an_age_that_is_not_sure_says_so() -> None:
    assert "~3 d" in screen(Line(replace(L4, flags=("as_of_estimated",)), ("us-central1",)))


def test_many_places_are_counted_where_they_have_room() -> None:
    assert "a-rather-l… +2" in screen(Line(L4, ("a-rather-long-region-1", "b", "c")))


def test_every_flag_has_a_word_or_is_said_by_the_age() -> None:
    assert MEANING.keys() - WORDS.keys() == {"as_of_estimated", "as_of_unknown"}


def test_the_whole_snapshot_fits_110_columns_in_one_line_each() -> None:
    rows = lines(price_book.load())
    shown = screen(*rows).splitlines()
    assert max(map(len, shown)) <= 110
    assert len(shown) - 1 - len(rows) <= len(MEANING)
    assert not [line for line in shown[1 : len(rows)] if not line[0].isdigit()]


def test_text_of_a_feed_cannot_move_the_cursor() -> None:
    assert "\x1b" not in screen(Line(replace(L4, instance_type="g2\x1b[2J"), ("us-central1",)))


def test_what_is_nearest_is_what_one_filter_less_leaves() -> None:
    hint = nearest(ALL, Wanted(("L4",), ("aws",)))
    assert hint == (
        "without --cloud 2 are left, from $0.30 per GPU-hour (L4 spot, gcp/us-central1); "
        "without --gpu 1 is left, from $3.00 per GPU-hour (H100 spot, aws/us-east-1)"
    )


def test_a_region_that_is_not_there_has_likenesses() -> None:
    assert nearest(ALL, Wanted(("L4",), regions=("us-centrall*",))).startswith(
        "regions by a like name: us-central1; without --region 2 are left"
    )


def test_when_no_single_filter_helps_that_is_said() -> None:
    assert nearest(ALL, Wanted(("T4",), ("do",), ("mars",))).startswith("ask for less at once")
