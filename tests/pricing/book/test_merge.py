from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pricing.book.merge import merge, ordered, remove_withdrawn
from pricing.offer import Offer
from tests.support.offers import L4_SPOT

OLD = replace(L4_SPOT, zone="us-east-1a", usd_per_hour=Decimal("0.30"), as_of=date(2026, 6, 29))
NEW = replace(OLD, usd_per_hour=Decimal("0.35"), as_of=date(2026, 11, 23))


def test_new_offer_replaces_the_old_one() -> None:
    assert merge([OLD], [NEW]) == (NEW,)


def test_newer_offer_is_not_replaced_by_an_older_one() -> None:
    assert merge([NEW], [OLD]) == (NEW,)


def test_new_offer_wins_on_the_same_day() -> None:
    same_day = replace(NEW, as_of=OLD.as_of)
    assert merge([OLD], [same_day]) == (same_day,)


def test_zone_without_a_new_offer_is_kept() -> None:
    other = replace(OLD, zone="us-east-1b")
    assert merge([OLD, other], [NEW]) == (NEW, other)


def test_zone_names_replace_zone_ids() -> None:
    by_id = replace(OLD, zone="use1-az4", flags=("zone_id",))
    assert merge([by_id], [NEW]) == (NEW,)


def test_zones_replace_their_region() -> None:
    assert merge([replace(OLD, zone=None)], [NEW]) == (NEW,)


def test_region_replaces_its_zones() -> None:
    whole = replace(NEW, zone=None)
    assert merge([OLD, replace(OLD, zone="us-east-1b")], [whole]) == (whole,)


def test_spot_does_not_replace_on_demand() -> None:
    listed = replace(OLD, spot=False, zone=None)
    assert set(merge([OLD, listed], [NEW])) == {NEW, listed}


def test_offer_of_a_type_that_left_its_region_is_withdrawn() -> None:
    listing = frozenset({("g6.xlarge", "us-west-2"), ("g5.xlarge", "us-east-1")})
    assert remove_withdrawn([OLD], frozenset({"aws"}), listing) == ((), (OLD,))


def test_region_that_was_not_asked_keeps_its_offers() -> None:
    listing = frozenset({("g6.xlarge", "us-west-2")})
    assert remove_withdrawn([OLD], frozenset({"aws"}), listing) == ((OLD,), ())


def test_offerings_of_another_cloud_withdraw_nothing() -> None:
    listing = frozenset({("g6.xlarge", "us-west-2"), ("g5.xlarge", "us-east-1")})
    assert remove_withdrawn([OLD], frozenset({"gcp"}), listing) == ((OLD,), ())


ZONES: list[tuple[str | None, tuple[str, ...]]] = [
    (None, ()),
    ("use1-az4", ("zone_id",)),
    ("us-east-1a", ()),
    ("us-east-1b", ()),
]


@st.composite
def offers(draw: st.DrawFn) -> Offer:
    zone, flags = draw(st.sampled_from(ZONES))
    return replace(
        OLD,
        zone=zone,
        flags=flags,
        usd_per_hour=draw(st.decimals(min_value="0.01", max_value="9", places=2)),
        as_of=OLD.as_of + timedelta(draw(st.integers(min_value=0, max_value=3))),
        spot=draw(st.booleans()),
    )


books = st.lists(offers(), max_size=6, unique_by=lambda o: o.key)


@given(books, books)
def test_every_offer_of_a_merged_book_was_in_one_of_the_two(base: list[Offer], fresh: list[Offer]) -> None:
    merged = merge(base, fresh)
    assert set(merged) <= {*base, *fresh}
    assert len({o.key for o in merged}) == len(merged)


@given(books, books)
def test_merge_loses_no_machine(base: list[Offer], fresh: list[Offer]) -> None:
    assert {o.spot for o in merge(base, fresh)} == {o.spot for o in (*base, *fresh)}


def _one_way(book: list[Offer]) -> list[Offer]:
    return [o for o in book if o.zone == book[0].zone]


answers = books.map(_one_way)  # a source names places in one form


@given(books, answers)
def test_merging_again_changes_nothing(base: list[Offer], fresh: list[Offer]) -> None:
    merged = merge(base, fresh)
    assert merge(merged, fresh) == merged


@given(books)
def test_order_is_independent_of_input(book: list[Offer]) -> None:
    assert ordered(reversed(book)) == ordered(book)
