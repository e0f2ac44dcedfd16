"""Which place is asked first: the slot's own, then the cheapest, and last those that failed lately."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from launcher.fleet.placement import (
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


def trouble(place: Place, minutes: float) -> PlacementFailure:
    """So many minutes ago."""
    return PlacementFailure(place.infra, NOON - timedelta(minutes=minutes), "preempted")


def test_a_place_without_trouble_may_be_asked() -> None:
    assert is_healthy(CHEAP.infra, [trouble(DEAR, 1)], NOON)


def test_a_place_that_took_a_machine_away_is_avoided_for_a_while() -> None:
    assert cooldown_until(CHEAP.infra, [trouble(CHEAP, 1)], NOON) == NOON - timedelta(minutes=1) + COOLDOWN
    assert is_healthy(CHEAP.infra, [trouble(CHEAP, 11)], NOON)


def test_each_further_trouble_doubles_the_while_up_to_a_limit() -> None:
    assert cooldown_until(CHEAP.infra, [trouble(CHEAP, 15), trouble(CHEAP, 0)], NOON) == NOON + 2 * COOLDOWN
    assert cooldown_until(CHEAP.infra, [trouble(CHEAP, n) for n in range(9)], NOON) == NOON + MAX_COOLDOWN


def test_troubles_are_forgotten() -> None:
    old = [trouble(CHEAP, FAILURE_MEMORY.total_seconds() / 60 + n) for n in range(9)]
    assert is_healthy(CHEAP.infra, old, NOON)


def test_slots_have_their_places_as_the_plan_counts_them() -> None:
    assert [home_place(PLACES, [1, 2, 0], slot) for slot in range(4)] == [CHEAP, MIDDLE, MIDDLE, CHEAP]
    assert home_place((), [], 0) is None


def test_a_slots_own_place_is_first_and_the_others_follow_by_price() -> None:
    assert order_places(PLACES, MIDDLE, [], NOON) == (MIDDLE, CHEAP, DEAR)


def test_places_in_trouble_come_last_and_the_one_that_is_over_soonest_before_the_others() -> None:
    assert order_places(PLACES, CHEAP, [trouble(CHEAP, 1), trouble(MIDDLE, 5)], NOON) == (DEAR, MIDDLE, CHEAP)


def test_no_place_is_ever_left_out() -> None:
    assert set(order_places(PLACES, CHEAP, [trouble(p, 1) for p in PLACES], NOON)) == set(PLACES)
