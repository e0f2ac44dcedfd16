from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pricing.merge import merge, ordered, remove_withdrawn
from pricing.offer import Offer

OLD = Offer(
    cloud="aws",
    region="us-east-1",
    zone="us-east-1a",
    instance_type="g6.xlarge",
    gpu="L4",
    gpus=1.0,
    vcpus=4,
    memory_gb=16.0,
    spot=True,
    usd_per_hour=Decimal("0.30"),
    as_of=date(2026, 6, 29),
    source="a test",
)
NEW = replace(OLD, usd_per_hour=Decimal("0.35"), as_of=date(2026, 11, 23))


def test_a_fresh_offer_stands_for_the_old_one_of_its_place() -> None:
    assert merge([OLD], [NEW]) == (NEW,)


def test_a_younger_offer_is_not_undone_by_a_source_that_is_behind() -> None:
    assert merge([NEW], [OLD]) == (NEW,)


def test_of_two_offers_of_one_day_the_fresh_one_stands() -> None:
    same_day = replace(NEW, as_of=OLD.as_of)
    assert merge([OLD], [same_day]) == (same_day,)


def test_a_zone_that_was_not_heard_of_again_is_kept() -> None:
    other = replace(OLD, zone="us-east-1b")
    assert merge([OLD, other], [NEW]) == (NEW, other)


def test_zone_names_take_the_place_of_zone_ids() -> None:
    by_id = replace(OLD, zone="use1-az4", flags=("zone_id",))
    assert merge([by_id], [NEW]) == (NEW,)


def test_zones_take_the_place_of_the_whole_region() -> None:
    assert merge([replace(OLD, zone=None)], [NEW]) == (NEW,)


def test_the_whole_region_takes_the_place_of_its_zones() -> None:
    whole = replace(NEW, zone=None)
    assert merge([OLD, replace(OLD, zone="us-east-1b")], [whole]) == (whole,)


def test_the_on_demand_offer_is_untouched_by_spot() -> None:
    listed = replace(OLD, spot=False, zone=None)
    assert set(merge([OLD, listed], [NEW])) == {NEW, listed}


def test_an_offer_whose_type_left_its_region_is_retired() -> None:
    listing = frozenset({("g6.xlarge", "us-west-2"), ("g5.xlarge", "us-east-1")})
    assert remove_withdrawn([OLD], frozenset({"aws"}), listing) == ((), (OLD,))


def test_a_region_that_was_not_asked_keeps_its_offers() -> None:
    listing = frozenset({("g6.xlarge", "us-west-2")})
    assert remove_withdrawn([OLD], frozenset({"aws"}), listing) == ((OLD,), ())


def test_another_clouds_list_retires_nothing() -> None:
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
def test_no_machine_is_lost_in_a_merge(base: list[Offer], fresh: list[Offer]) -> None:
    assert {o.spot for o in merge(base, fresh)} == {o.spot for o in (*base, *fresh)}


def _one_way(book: list[Offer]) -> list[Offer]:
    return [o for o in book if o.zone == book[0].zone]


answers = books.map(_one_way)  # a source speaks in one way


@given(books, answers)
def test_merging_again_changes_nothing(base: list[Offer], fresh: list[Offer]) -> None:
    merged = merge(base, fresh)
    assert merge(merged, fresh) == merged


@given(books)
def test_the_order_of_a_book_does_not_depend_on_that_of_its_rows(book: list[Offer]) -> None:
    assert ordered(reversed(book)) == ordered(book)
