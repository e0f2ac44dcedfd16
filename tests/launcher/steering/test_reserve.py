"""The reserve of the safety net: machines on demand that start early for what no spot machine covers."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from launcher.steering.decide import Verdict, decide
from launcher.steering.machine_index import HANGING_STARTS
from launcher.steering.rules.on_demand import RESERVE_STARTS
from launcher.steering.situation import Belief, Limits, Machine, MachinePhase, PlaceKey
from tests.launcher.steering.situations import EAST, NOON, ON_DEMAND, situation, working

HELD = 16  # machines that may be held
RESERVE = RESERVE_STARTS * ON_DEMAND.cold_start  # seconds, of each machine that nothing covers
DRY = Belief(up=False, seen=NOON, hours_down=2.0, refusals=4, refused=NOON)
# An answer, a slow start, its place in the queue of launches, and the last shard, of a machine on demand.
WAIT = 120 + ON_DEMAND.cold_start_p90 + HELD / 2 + 60


def look(
    reserves: float, machines: Sequence[Machine] = (), east: Belief = DRY, most_spot: int = HELD
) -> Verdict:
    """A look at which no place has spot. `reserves`: how many times its reserve the whole fleet has in hand."""
    hours = 6.0
    rate = HELD * ON_DEMAND.tokens_per_second_p10
    tokens = rate * (hours * 3_600 - WAIT - reserves * RESERVE)
    kinds = [replace(EAST, cap=most_spot), ON_DEMAND]
    limits = Limits(machines=HELD)
    return decide(
        situation(machines, hours=hours, kinds=kinds, tokens=tokens, limits=limits, beliefs={EAST.key: east})
    )


ASKED = [Machine(f"a-{number}", EAST.number, MachinePhase.ASKED, 30.0) for number in range(4)]


def test_requests_to_a_place_that_had_none_just_now_cover_nothing() -> None:
    assert started(look(0.5, ASKED)) == started(look(0.5)) == 8


def test_requests_cover_as_much_as_they_are_likely_to_bring() -> None:
    """Four are asked for; each that does not come is one machine more on demand."""
    asked_again = replace(DRY, seen=NOON - timedelta(hours=3), refused=NOON - timedelta(hours=3), refusals=1)
    up = Belief(up=True, seen=NOON, hours_up=2.0)
    counts = [started(look(0.5, ASKED, belief, most_spot=4)) for belief in (DRY, asked_again, up)]
    assert counts[0] > counts[1] > counts[2] == 4


def test_a_spot_machine_that_hangs_covers_nothing() -> None:
    def cold(seconds: float) -> list[Machine]:
        return [Machine(f"c-{number}", EAST.number, MachinePhase.COLD, seconds) for number in range(4)]

    hangs = cold(HANGING_STARTS * EAST.cold_start_p90 + 1)
    assert started(look(0.75, hangs)) == started(look(0.75))
    assert started(look(0.75, cold(60.0))) == 0


def started(verdict: Verdict) -> int:
    return sum(ask.count for ask in verdict.asks if ask.kind == ON_DEMAND.number)


@pytest.mark.parametrize(("reserves", "count"), [(1.1, 0), (0.9, 2), (0.5, 8), (0.25, 12)])
def test_as_few_start_as_leave_each_of_the_others_its_reserve(reserves: float, count: int) -> None:
    assert started(look(reserves)) == count


def small(machines: Sequence[Machine] = (), beliefs: dict[PlaceKey, Belief] | None = None) -> Verdict:
    """A look at a run of two machines at most, of which the work needs one and the reserve of the net two."""
    return decide(
        situation(
            machines,
            hours=0.6,
            kinds=[EAST, ON_DEMAND],
            tokens=700 * EAST.tokens_per_second,
            limits=Limits(machines=2),
            beliefs=beliefs or {},
        )
    )


def test_spot_that_may_be_there_is_asked_for_before_on_demand_starts() -> None:
    first = small()
    assert {ask.kind: ask.count for ask in first.asks} == {EAST.number: 2}
    assert started(small(ASKED[:2])) == 0
    dry = small(beliefs={EAST.key: DRY})
    assert started(dry) > 0


def test_machines_that_a_spot_machine_covers_need_none() -> None:
    assert started(look(0.9, working(EAST, 4))) == 0
    assert started(look(0.5, working(EAST, 4))) > 0


def test_the_next_look_is_when_another_one_is_to_start() -> None:
    """The 14 that wait have little more than their reserve in hand, and lose it second by second."""
    first = look(0.9)
    assert first.course.next_look is not None
    assert first.course.next_look - NOON <= timedelta(minutes=3)


def test_what_the_net_is_expected_to_cost_more_is_for_the_tokens_that_are_left() -> None:
    """Without a machine that works, two on demand for five minutes of work were said to cost an hour of each more."""
    decisions = small(beliefs={EAST.key: DRY}).course.decisions
    (net,) = [one for one in decisions if one.what == "net"]
    dearer = (Decimal("1.00") - Decimal("0.30")) / 3_600  # USD a second of a machine
    assert net.usd_expected is not None
    assert 0 < net.usd_expected <= dearer * 700
