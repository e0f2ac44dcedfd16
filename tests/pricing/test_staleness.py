from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from pricing.offer import Offer
from pricing.staleness import age_in_days, assumed_age_in_days, is_stale

NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
SPOT = Offer(
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
    as_of=date(2026, 11, 9),
    source="a test",
)
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
