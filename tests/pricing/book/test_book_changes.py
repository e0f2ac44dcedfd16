"""What changed between two price books."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from pricing.book.book_changes import CloudChanges, book_changes
from pricing.offer import Offer
from tests.support.offers import L4_SPOT

LATER = date(2026, 12, 1)


def zone(letter: str, price: str, **changes: date) -> Offer:
    return replace(L4_SPOT, zone=f"us-east-1{letter}", usd_per_hour=Decimal(price), **changes)


def test_changes_are_counted_by_cloud_and_purchase() -> None:
    before = [zone("a", "0.40"), zone("b", "0.40"), zone("c", "0.40"), zone("d", "0.40"), zone("e", "0.40")]
    after = [
        zone("a", "0.44", as_of=LATER),
        zone("b", "0.36", as_of=LATER),
        zone("c", "0.40", as_of=LATER),
        zone("d", "0.40"),
        zone("f", "0.50", as_of=LATER),
        zone("g", "0.60", as_of=LATER),
    ]
    (found,) = book_changes(before, after)
    assert found.median_change is not None
    assert abs(found.median_change) < 1e-9
    assert replace(found, median_change=None) == CloudChanges(
        cloud="aws",
        purchase="spot",
        added=2,
        removed=1,
        dearer=1,
        cheaper=1,
        same=1,
        not_read=1,
        median_change=None,
        oldest=L4_SPOT.as_of,
    )


def test_cloud_that_is_gone_has_no_oldest_price() -> None:
    (found,) = book_changes([zone("a", "0.4")], [])
    assert (found.removed, found.oldest, found.median_change) == (1, None, None)


def test_same_book_has_no_change() -> None:
    (found,) = book_changes([zone("a", "0.4")], [zone("a", "0.4")])
    changes = (found.added, found.removed, found.dearer, found.cheaper)
    assert (changes, found.same, found.not_read) == ((0, 0, 0, 0), 0, 1)
