"""Which place is asked first: the slot's own, then the cheapest, and last those that failed lately."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from launcher.fleet.scheduling.placement import (
    COOLDOWN,
    FAILURE_MEMORY,
    MAX_COOLDOWN,
    PlacementFailure,
    cooldown_until,
    home_place,
    is_healthy,
    order_places,
)
from tasks.skypilot_task import Place

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHEAP, MIDDLE, DEAR = (
    Place("aws", r, None, "g6.xlarge", Decimal(usd)) for r, usd in (("a", 1), ("b", 2), ("c", 3))
)
PLACES = (CHEAP, MIDDLE, DEAR)


def failure(place: Place, minutes: float) -> PlacementFailure:
    """So many minutes ago."""
    return PlacementFailure(place.infra, NOON - timedelta(minutes=minutes), "preempted")


def test_place_without_failures_is_healthy() -> None:
    assert is_healthy(CHEAP.infra, [failure(DEAR, 1)], NOON)


def test_place_cools_down_after_a_failure() -> None:
    assert cooldown_until(CHEAP.infra, [failure(CHEAP, 1)], NOON) == NOON - timedelta(minutes=1) + COOLDOWN
    assert is_healthy(CHEAP.infra, [failure(CHEAP, 11)], NOON)


def test_each_further_failure_doubles_the_cooldown_up_to_a_limit() -> None:
    assert cooldown_until(CHEAP.infra, [failure(CHEAP, 15), failure(CHEAP, 0)], NOON) == NOON + 2 * COOLDOWN
    assert cooldown_until(CHEAP.infra, [failure(CHEAP, n) for n in range(9)], NOON) == NOON + MAX_COOLDOWN


def test_old_failures_do_not_count() -> None:
    old = [failure(CHEAP, FAILURE_MEMORY.total_seconds() / 60 + n) for n in range(9)]
    assert is_healthy(CHEAP.infra, old, NOON)


def test_home_place_follows_the_plans_counts() -> None:
    assert [home_place(PLACES, [1, 2, 0], slot) for slot in range(4)] == [CHEAP, MIDDLE, MIDDLE, CHEAP]
    assert home_place((), [], 0) is None


def test_own_place_comes_first_then_by_price() -> None:
    assert order_places(PLACES, MIDDLE, [], NOON) == (MIDDLE, CHEAP, DEAR)


def test_cooling_places_come_last_soonest_over_first() -> None:
    assert order_places(PLACES, CHEAP, [failure(CHEAP, 1), failure(MIDDLE, 5)], NOON) == (DEAR, MIDDLE, CHEAP)


def test_no_place_is_left_out() -> None:
    assert set(order_places(PLACES, CHEAP, [failure(p, 1) for p in PLACES], NOON)) == set(PLACES)
