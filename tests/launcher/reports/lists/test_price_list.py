from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from launcher.documents.encode import json_value
from launcher.reports.lists.price_list import (
    OfferFilter,
    PriceLine,
    cheapest_offers,
    group_places,
    price_rows,
    sort_offers,
    suggest_filters,
)
from pricing.book.price_book import COLUMNS
from pricing.offer import Offer
from tests.support.offers import G2_SPOT as L4

NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
TWO = replace(
    L4, instance_type="g2-standard-24", gpus=2.0, usd_per_hour=Decimal("0.60"), as_of=date(2026, 11, 1)
)
H100 = replace(
    L4, cloud="aws", region="us-east-1", gpu="H100", usd_per_hour=Decimal("3.00"), as_of=date(2026, 11, 22)
)
ALL = (H100, TWO, L4)


@pytest.mark.parametrize(
    ("order", "first"),
    [("gpu-hour", TWO), ("machine-hour", L4), ("gpu", H100), ("cloud", H100), ("age", H100)],
)
def test_offers_are_sorted_as_asked(order: str, first: Offer) -> None:
    assert sort_offers(ALL, order, NOW)[0] == first


def test_empty_filter_allows_all_offers() -> None:
    assert all(map(OfferFilter(), ALL))


def test_regions_are_patterns_in_any_case() -> None:
    assert [o for o in ALL if OfferFilter(regions=("US-E*",))(o)] == [H100]


def test_filter_has_words() -> None:
    wanted = OfferFilter(("L4", "T4"), ("aws",), ("us-*",), spot=True)
    assert str(wanted) == "spot offer of L4 or T4 on aws in us-*"


def test_cheapest_gpu_hour_of_each_gpu_is_found() -> None:
    assert set(cheapest_offers(ALL)) == {TWO, H100}


def test_places_with_the_same_price_are_one_line() -> None:
    elsewhere = replace(L4, region="us-east4")
    assert group_places([L4, elsewhere]) == [PriceLine(L4, ("us-central1", "us-east4"))]


def test_row_has_the_columns_of_a_price_book_and_what_follows_from_them() -> None:
    [row] = price_rows([TWO], NOW)
    assert tuple(json_value(row)) == (*COLUMNS, "usd_per_gpu_hour", "age_days", "stale")
    assert (row.usd_per_hour, row.usd_per_gpu_hour, row.gpus) == ("0.60", "0.3", 2)
    assert (row.age_days, row.stale, row.flags) == (22, True, "stale")


def test_price_of_a_third_of_a_gpu_is_for_the_whole_gpu() -> None:
    [row] = price_rows([replace(L4, gpus=0.333)], NOW)
    assert row.usd_per_gpu_hour == "1.021021"


def test_hint_says_what_is_left_without_one_filter() -> None:
    hint = suggest_filters(ALL, OfferFilter(("L4",), ("aws",)))
    assert hint == (
        "without --cloud 2 are left, from $0.30 per GPU-hour (L4 spot, gcp/us-central1); "
        "without --gpu 1 is left, from $3.00 per GPU-hour (H100 spot, aws/us-east-1)"
    )


def test_hint_names_regions_of_similar_names() -> None:
    assert suggest_filters(ALL, OfferFilter(("L4",), regions=("us-centrall*",))).startswith(
        "regions with similar names: us-central1; without --region 2 are left"
    )


def test_hint_if_no_single_filter_helps() -> None:
    assert suggest_filters(ALL, OfferFilter(("T4",), ("do",), ("mars",))).startswith("use fewer filters")
