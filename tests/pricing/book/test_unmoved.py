"""The flag of spot prices that have not moved for months while those of their type did."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from pricing.book.unmoved import Seen, flag_unmoved
from pricing.offer import Offer
from tests.support.offers import L4, L4_SPOT

TODAY = L4_SPOT.as_of
OLD = ("0.30", "0.31", "0.32", "0.33", "0.34")
NEW = ("0.30", "0.41", "0.42", "0.43", "0.44")


def offers(prices: tuple[str, ...]) -> list[Offer]:
    return [
        replace(L4_SPOT, zone=f"us-east-1{letter}", usd_per_hour=Decimal(price))
        for letter, price in zip("abcdef", prices, strict=False)
    ]


def history(prices: tuple[str, ...], days: int = 90) -> list[Seen]:
    return [Seen(o.key, o.usd_per_hour, TODAY - timedelta(days=days)) for o in offers(prices)]


def flagged(found: tuple[Offer, ...]) -> list[str | None]:
    return [offer.zone for offer in found if "unmoved" in offer.flags]


def test_the_one_that_did_not_move_is_flagged() -> None:
    assert flagged(flag_unmoved(offers(NEW), history(OLD))) == ["us-east-1a"]


@pytest.mark.parametrize(
    ("now", "then", "days"),
    [
        (NEW, OLD, 59),  # not for long enough
        (OLD, OLD, 90),  # the whole market stood still
        (NEW[:4], OLD[:4], 90),  # too few neighbours
    ],
)
def test_without_evidence_none_is_flagged(now: tuple[str, ...], then: tuple[str, ...], days: int) -> None:
    assert flagged(flag_unmoved(offers(now), history(then, days))) == []


def test_price_that_moved_and_came_back_is_not_flagged() -> None:
    between = [Seen(offers(OLD)[0].key, Decimal("0.35"), TODAY - timedelta(days=30))]
    assert flagged(flag_unmoved(offers(NEW), [*history(OLD), *between])) == []


def test_flag_goes_when_the_price_moves() -> None:
    was = [replace(offer, flags=("unmoved", "zone_id")) for offer in offers(("0.36", *NEW[1:]))]
    found = flag_unmoved(was, history(OLD))
    assert {offer.flags for offer in found} == {("zone_id",)}


def test_list_prices_and_undated_prices_are_never_flagged() -> None:
    undated = replace(offers(NEW)[0], flags=("as_of_unknown",))
    found = flag_unmoved([L4, undated, *offers(NEW)[1:]], history(OLD))
    assert flagged(found) == []
