"""One machine on demand where no machine has worked yet and no place has spot."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace as changed

from launcher.steering.decide import Verdict, decide
from launcher.steering.situation import Answer, AnswerKind, Machine, MachinePhase, Situation, Speed
from tests.launcher.steering.situations import (
    EAST,
    KINDS,
    NOON,
    NORTH,
    ON_DEMAND,
    WEST,
    answer,
    situation,
    working,
)

PACE = {"L4": Speed(1.0, 0.05)}


def after(minutes: float, *, hours: float = 12.0, **changes: object) -> Situation:
    """So long after the start of a run to which every place has said no until a minute ago."""
    now = NOON + timedelta(minutes=minutes)
    return situation(now=now, hours=hours, answers=_none(now), **changes)  # type: ignore[arg-type]


def _none(now: datetime) -> list[Answer]:
    return [
        replace(answer(k, AnswerKind.NONE, 0), at=now - timedelta(minutes=1)) for k in (EAST, WEST, NORTH)
    ]


def asked(verdict: Verdict) -> Counter[int]:
    return Counter({ask.kind: ask.count for ask in verdict.asks})


def test_canary_starts_after_half_an_hour_without_a_machine() -> None:
    assert not asked(decide(after(29)))
    verdict = decide(after(31))
    assert asked(verdict) == {ON_DEMAND.number: 1}
    assert [(one.what, one.count) for one in verdict.course.decisions] == [("canary", 1)]


def test_canary_starts_after_a_quarter_of_the_slack_if_that_is_sooner() -> None:
    """Six hours of work and eight hours: on demand may wait an hour and a half, of which a quarter is 22 minutes."""
    assert not asked(decide(after(15, hours=8)))
    assert asked(decide(after(28, hours=8))) == {ON_DEMAND.number: 1}


@pytest.mark.parametrize("phase", MachinePhase)
def test_canary_stays_until_it_has_measured_the_speed(phase: MachinePhase) -> None:
    canary = Machine("m3-0", ON_DEMAND.number, phase, 100.0 if phase == MachinePhase.ASKED else 1_000.0)
    verdict = decide(replace(after(50), machines=[canary]))
    assert (verdict.asks, verdict.releases) == ((), ())
    measured = replace(
        after(50),
        machines=[changed(canary, phase=MachinePhase.WORKING, seconds=1_000.0)],
        steering=after(50, pace=PACE).steering,
    )
    assert [one.machine for one in decide(measured).releases] == ["m3-0"]


def test_requests_to_places_that_had_none_do_not_hold_the_canary_back() -> None:
    """Such places are asked again in turn: some request is always open."""
    open_request = Machine("m0-0", EAST.number, MachinePhase.ASKED, 30.0)
    assert asked(decide(replace(after(31), machines=[open_request])))[ON_DEMAND.number] == 1


def test_the_first_request_to_a_place_is_waited_for() -> None:
    now = NOON + timedelta(minutes=31)
    open_request = Machine("m2-0", NORTH.number, MachinePhase.ASKED, 30.0)
    answers = [one for one in _none(now) if one.place != NORTH.key[0]]
    verdict = decide(situation([open_request], now=now, answers=answers))
    assert asked(verdict)[ON_DEMAND.number] == 0


@pytest.mark.parametrize("what", ["works", "measured", "known", "budget"])
def test_no_canary_where_it_would_tell_nothing_or_cannot_be_paid(what: str) -> None:
    found = after(40)
    if what == "works":
        found = replace(found, machines=working(EAST, 1))
    elif what == "measured":
        found = replace(found, steering=replace(found.steering, pace=PACE))
    elif what == "known":
        found = replace(
            found, kinds=[replace(k, tokens_per_second_p10=k.tokens_per_second, may_start=16) for k in KINDS]
        )
    else:
        found = replace(found, budget=0.15)
    assert not asked(decide(found))[ON_DEMAND.number]
