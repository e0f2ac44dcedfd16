"""Places that had none are asked again by one machine: looks are seconds apart, and an answer takes a minute or two."""

from dataclasses import replace
from datetime import timedelta

from launcher.steering.decide import RETRY_MACHINES, Verdict, decide
from launcher.steering.situation import Belief, Machine, MachinePhase
from tests.launcher.steering.situations import EAST, NOON, WEST, situation, working

REFUSED = NOON - timedelta(minutes=20)  # long enough ago to be asked again
HAD_NONE = Belief(up=False, seen=REFUSED, hours_down=1.0, refusals=1, refused=REFUSED)
HAD_NO_MORE = replace(HAD_NONE, up=True, held=4, most=4)
ASKED = [Machine("a-0", EAST.number, MachinePhase.ASKED, 10.0)]  # at the look before


def asked(verdict: Verdict, number: int) -> int:
    return sum(ask.count for ask in verdict.asks if ask.kind == number)


def look(machines: list[Machine], belief: Belief) -> Verdict:
    return decide(situation(machines, beliefs={EAST.key: belief}))


def test_place_that_had_none_is_asked_by_one_machine_until_that_is_answered() -> None:
    assert asked(look([], HAD_NONE), EAST.number) == RETRY_MACHINES
    assert asked(look(ASKED, HAD_NONE), EAST.number) == 0


def test_place_that_had_no_more_is_asked_by_one_machine_until_that_is_answered() -> None:
    held = working(EAST, 4)
    assert asked(look(held, HAD_NO_MORE), EAST.number) == RETRY_MACHINES
    assert asked(look([*held, *ASKED], HAD_NO_MORE), EAST.number) == 0


def test_the_room_that_a_place_without_machines_does_not_take_is_for_others() -> None:
    first, second = look([], HAD_NONE), look(ASKED, HAD_NONE)
    assert asked(second, WEST.number) == asked(first, WEST.number) == 16 - RETRY_MACHINES
