"""Which place is asked first: the slot's own, then the cheapest, and last those that failed lately."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from launcher.fleet.placement import COOL, LONGEST, MEMORY, Trouble, avoided_until, healthy, home, in_order
from tasks.skypilot_task import Place

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHEAP, MIDDLE, DEAR = (
    Place("aws", r, None, "g6.xlarge", Decimal(usd)) for r, usd in (("a", 1), ("b", 2), ("c", 3))
)
PLACES = (CHEAP, MIDDLE, DEAR)


def trouble(place: Place, minutes: float) -> Trouble:
    """So many minutes ago."""
    return Trouble(place.infra, NOON - timedelta(minutes=minutes), "preempted")


def test_a_place_without_trouble_may_be_asked() -> None:
    assert healthy(CHEAP.infra, [trouble(DEAR, 1)], NOON)


def test_a_place_that_took_a_machine_away_is_avoided_for_a_while() -> None:
    assert avoided_until(CHEAP.infra, [trouble(CHEAP, 1)], NOON) == NOON - timedelta(minutes=1) + COOL
    assert healthy(CHEAP.infra, [trouble(CHEAP, 11)], NOON)


def test_each_further_trouble_doubles_the_while_up_to_a_limit() -> None:
    assert avoided_until(CHEAP.infra, [trouble(CHEAP, 15), trouble(CHEAP, 0)], NOON) == NOON + 2 * COOL
    assert avoided_until(CHEAP.infra, [trouble(CHEAP, n) for n in range(9)], NOON) == NOON + LONGEST


def test_troubles_are_forgotten() -> None:
    old = [trouble(CHEAP, MEMORY.total_seconds() / 60 + n) for n in range(9)]
    assert healthy(CHEAP.infra, old, NOON)


def test_slots_have_their_places_as_the_plan_counts_them() -> None:
    assert [home(PLACES, [1, 2, 0], slot) for slot in range(4)] == [CHEAP, MIDDLE, MIDDLE, CHEAP]
    assert home((), [], 0) is None


def test_a_slots_own_place_is_first_and_the_others_follow_by_price() -> None:
    assert in_order(PLACES, MIDDLE, [], NOON) == (MIDDLE, CHEAP, DEAR)


def test_places_in_trouble_come_last_and_the_one_that_is_over_soonest_before_the_others() -> None:
    assert in_order(PLACES, CHEAP, [trouble(CHEAP, 1), trouble(MIDDLE, 5)], NOON) == (DEAR, MIDDLE, CHEAP)


def test_no_place_is_ever_left_out() -> None:
    assert set(in_order(PLACES, CHEAP, [trouble(p, 1) for p in PLACES], NOON)) == set(PLACES)
