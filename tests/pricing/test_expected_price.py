"""What a market price is likely to be now, by its age, its neighbours and the trend of its cloud."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import exp, log, sqrt

import numpy as np
import pytest

from pricing.expected_price import (
    LOG_MOVE_PER_ROOT_DAY,
    TREND,
    TypePrices,
    expected_prices,
    own_weight,
    trend,
)
from pricing.offer import Offer
from tests.support.offers import L4_SPOT as L4

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def quotes(prices: list[str], as_of: date, **changes: str) -> list[Offer]:
    return [
        replace(L4, zone=f"us-east-1{letter}", usd_per_hour=Decimal(price), as_of=as_of, **changes)
        for letter, price in zip("abcdefgh", prices, strict=False)
    ]


SPREAD = ["0.20", "0.35", "0.40", "0.45", "0.50"]


def test_quote_of_today_is_taken_as_it_is() -> None:
    offers = quotes(SPREAD, NOW.date())
    found = expected_prices(offers, NOW)
    assert [found[o.key].usd_per_hour for o in offers] == [o.usd_per_hour for o in offers]


def test_low_old_quotes_move_towards_the_middle_and_none_falls_below_its_quote() -> None:
    offers = quotes(SPREAD, NOW.date() - timedelta(days=120))
    found = [expected_prices(offers, NOW)[o.key].usd_per_hour for o in offers]
    assert Decimal("0.20") < found[0] < Decimal("0.40")
    assert found[2] == Decimal("0.40")
    assert found[4] == Decimal("0.50")
    assert found == sorted(found)


def test_older_quotes_move_further() -> None:
    def lowest(days: int) -> Decimal:
        offers = quotes(SPREAD, NOW.date() - timedelta(days=days))
        return expected_prices(offers, NOW)[offers[0].key].usd_per_hour

    assert lowest(10) < lowest(60) < lowest(180)


def test_few_quotes_say_nothing_about_their_spread() -> None:
    offers = quotes(SPREAD[:3], NOW.date() - timedelta(days=120))
    assert expected_prices(offers, NOW)[offers[0].key].usd_per_hour == Decimal("0.20")


def test_few_quotes_have_the_spread_of_the_other_types_of_their_cloud() -> None:
    few = quotes(["0.20", "0.40"], date(2026, 8, 20), gpu="L40S", instance_type="g6e.xlarge")
    one = quotes(["0.20"], date(2026, 8, 20), gpu="A10G", instance_type="g5.xlarge")
    found = expected_prices([*quotes(SPREAD, NOW.date()), *few, *one], NOW)
    variance = float(np.var(np.log([float(usd) for usd in SPREAD]), ddof=1))
    weight = 1 - LOG_MOVE_PER_ROOT_DAY**2 * 100 / (2 * variance)
    assert found[few[0].key].own_weight == pytest.approx(weight)
    middle = (log(0.2) + log(0.4)) / 2
    assert float(found[few[0].key].usd_per_hour) == pytest.approx(
        exp(middle + weight * (log(0.2) - middle)), rel=1e-4
    )
    assert found[one[0].key].usd_per_hour == one[0].usd_per_hour  # it has no other to come back to


def test_more_quotes_of_the_same_spread_weigh_more_against_one() -> None:
    assert own_weight(TypePrices(0.0, 0.09, 30), 100) < own_weight(TypePrices(0.0, 0.09, 5), 100) < 1


def test_list_prices_are_as_quoted() -> None:
    offers = [replace(o, spot=False) for o in quotes(SPREAD, NOW.date() - timedelta(days=300))]
    assert expected_prices(offers, NOW)[offers[0].key].usd_per_hour == offers[0].usd_per_hour


def test_quotes_at_the_floor_and_in_local_zones_do_not_move_the_middle() -> None:
    old = NOW.date() - timedelta(days=120)
    offers = quotes(SPREAD, old)
    low = replace(L4, zone="us-east-1g", usd_per_hour=Decimal("0.04"), as_of=old, flags=("floor",))
    local = replace(L4, zone="us-east-1-bos-1a", usd_per_hour=Decimal("0.05"), as_of=old)
    alone, beside = expected_prices(offers, NOW), expected_prices([*offers, low, local], NOW)
    assert all(alone[o.key] == beside[o.key] for o in offers)


def test_trend_of_gcp_is_in_its_old_spot_prices_and_ends_with_its_history() -> None:
    least, most, days = TREND["gcp"]
    assert trend("gcp", days) == pytest.approx(sqrt(least * most))
    assert trend("gcp", 2 * days) == trend("gcp", days)
    assert 1 < trend("gcp", 10) < trend("gcp", days)
    assert trend("aws", 100) == 1
    offers = quotes(["0.4"], NOW.date() - timedelta(days=days), cloud="gcp", region="us-central1")
    found = expected_prices(offers, NOW)[offers[0].key]
    assert float(found.usd_per_hour) == pytest.approx(0.4 * sqrt(1.09 * 1.62), rel=1e-5)


def test_spot_is_not_expected_to_cost_more_than_on_demand() -> None:
    old = NOW.date() - timedelta(days=126)
    spot = replace(L4, cloud="gcp", region="us-central1", as_of=old)
    listed = replace(spot, spot=False, usd_per_hour=Decimal("0.45"))
    assert expected_prices([spot, listed], NOW)[spot.key].usd_per_hour == Decimal("0.45")


def test_the_lowest_of_many_old_quotes_is_predicted_without_bias() -> None:
    """Places come back to their type's middle while the spread stays: the lowest quote understates today's price."""
    random = np.random.default_rng(5)
    places, days, spread, worlds = 20, 120, 0.25, 400
    keep = 1 - LOG_MOVE_PER_ROOT_DAY**2 * days / (2 * spread**2)
    naive, shrunk = list[float](), list[float]()
    for _ in range(worlds):
        then = random.normal(0, spread, places)
        today = keep * then + random.normal(0, spread * sqrt(1 - keep**2), places)
        lowest = int(then.argmin())
        offers = [
            replace(L4, zone=f"us-east-1{chr(97 + n)}", usd_per_hour=Decimal(f"{exp(x):.6f}"),
                    as_of=NOW.date() - timedelta(days=days))
            for n, x in enumerate(then)
        ]  # fmt: skip
        usd = expected_prices(offers, NOW)[offers[lowest].key].usd_per_hour
        naive.append(then[lowest] - today[lowest])
        shrunk.append(log(usd) - today[lowest])
    assert float(np.mean(naive)) < -0.15
    assert abs(float(np.mean(shrunk))) < 0.04


def test_undated_quote_is_reckoned_with_as_an_old_one() -> None:
    today = quotes(SPREAD, NOW.date())
    undated = [replace(offer, flags=("as_of_unknown",)) for offer in today]
    old = quotes(SPREAD, NOW.date() - timedelta(days=60))
    found, aged = expected_prices(undated, NOW), expected_prices(old, NOW)
    assert [found[o.key].usd_per_hour for o in undated] == [aged[o.key].usd_per_hour for o in old]


def test_undated_quote_is_reckoned_with_as_no_younger_than_the_stalest_of_the_book() -> None:
    undated = [replace(offer, flags=("as_of_unknown",)) for offer in quotes(SPREAD, NOW.date())]
    stalest = replace(
        undated[0], gpu="T4", zone="us-west-2a", flags=(), as_of=NOW.date() - timedelta(days=300)
    )
    old = quotes(SPREAD, stalest.as_of)
    found, aged = expected_prices([*undated, stalest], NOW), expected_prices(old, NOW)
    assert [found[o.key].usd_per_hour for o in undated] == [aged[o.key].usd_per_hour for o in old]
    assert found[undated[0].key].usd_per_hour > expected_prices(undated, NOW)[undated[0].key].usd_per_hour
