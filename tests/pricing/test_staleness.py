from dataclasses import replace
from datetime import UTC, date, datetime

from pricing.staleness import age_in_days, assumed_age_in_days, is_stale
from tests.support.offers import G2_SPOT

NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
SPOT = replace(G2_SPOT, as_of=date(2026, 11, 9))
LISTED = replace(SPOT, spot=False, as_of=date(2026, 5, 27))


def test_age_is_in_days() -> None:
    assert age_in_days(SPOT, NOW) == 14


def test_spot_price_of_14_days_is_not_stale() -> None:
    assert not is_stale(SPOT, NOW)


def test_spot_price_of_15_days_is_stale() -> None:
    assert is_stale(replace(SPOT, as_of=date(2026, 11, 8)), NOW)


def test_list_price_is_stale_after_half_a_year() -> None:
    assert not is_stale(LISTED, NOW)
    assert is_stale(replace(LISTED, as_of=date(2026, 5, 26)), NOW)


def test_on_demand_price_of_a_market_ages_like_spot() -> None:
    assert is_stale(replace(LISTED, cloud="vast", as_of=date(2026, 11, 8)), NOW)


def test_price_of_tomorrow_has_age_zero() -> None:
    assert age_in_days(replace(SPOT, as_of=date(2026, 11, 24)), NOW) == 0


def test_undated_spot_price_is_stale_and_an_undated_list_price_is_not() -> None:
    undated = replace(SPOT, as_of=NOW.date(), flags=("as_of_unknown",))
    assert assumed_age_in_days(undated, NOW) == 60
    assert is_stale(undated, NOW)
    assert not is_stale(replace(LISTED, as_of=NOW.date(), flags=("as_of_unknown",)), NOW)
