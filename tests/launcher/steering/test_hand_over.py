"""Machines on demand that work until the spot machine that came in their place does: where slack is short."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from launcher.steering.decide import Verdict, decide
from launcher.steering.situation import Limits, Machine, MachinePhase
from tests.launcher.steering.situations import EAST, ON_DEMAND, situation, working

HELD = 8  # machines that may be held
RATE = HELD * 950.0  # tokens a second at the slow end


def look(machines: Sequence[Machine], slack_minutes: float, *, probes: int = 2) -> Verdict:
    """A look an hour before the deadline. `slack_minutes`: what on demand alone has in hand."""
    tokens = RATE * (3_600 - 60 - 60 * slack_minutes)
    kinds = [replace(EAST, cap=HELD), ON_DEMAND]
    limits = Limits(machines=HELD, probes=probes)
    return decide(situation(machines, hours=1.0, kinds=kinds, tokens=tokens, limits=limits))


def spot(phase: MachinePhase, seconds: float = 60.0) -> Machine:
    return Machine("spot", EAST.number, phase, seconds)


def ended(verdict: Verdict) -> list[str]:
    return [one.machine for one in verdict.releases]


# Ten minutes pay for the restart of one machine (nine of its minutes), not for three cold starts of it as well.
SHORT, LONG = 3.0, 30.0


def test_spot_is_asked_for_beside_a_full_fleet_on_demand_that_has_little_slack() -> None:
    found = look(working(ON_DEMAND, HELD), SHORT)
    assert [(ask.kind, ask.count) for ask in found.asks] == [(EAST.number, 1)]
    assert not found.releases


def test_machine_on_demand_works_until_the_spot_machine_does() -> None:
    fleet = working(ON_DEMAND, HELD)
    assert ended(look([*fleet, spot(MachinePhase.COLD)], SHORT)) == []
    assert len(ended(look([*fleet, spot(MachinePhase.WORKING)], SHORT))) == 1


def test_machine_on_demand_ends_at_once_where_slack_pays_for_the_cold_start() -> None:
    assert ended(look([*working(ON_DEMAND, HELD), spot(MachinePhase.COLD)], LONG)) == ["m3-0"]


def test_spot_machine_that_hangs_goes_and_not_the_one_that_works() -> None:
    assert ended(look([*working(ON_DEMAND, HELD), spot(MachinePhase.COLD, 3_600.0)], SHORT)) == ["spot"]


@pytest.mark.parametrize("minutes", [0.5, 1.0])
def test_no_machine_is_handed_over_that_could_not_be_started_again_in_time(minutes: float) -> None:
    """Spot may go at the next look: then one on demand needs its answer and its cold start."""
    fleet = working(ON_DEMAND, HELD)
    assert ended(look([*fleet, spot(MachinePhase.WORKING)], minutes)) == []


def test_spot_machine_beside_a_full_fleet_without_slack_regains_it() -> None:
    assert [(ask.kind, ask.count) for ask in look(working(ON_DEMAND, HELD), 0.5).asks] == [(EAST.number, 1)]


def test_machines_that_regain_slack_are_no_more_than_the_probes() -> None:
    fleet = [*working(ON_DEMAND, HELD), *working(EAST, 3)]
    assert len(ended(look(fleet, 0.5))) == 1


def test_nothing_is_asked_for_before_machines_on_demand_that_cannot_wait() -> None:
    """One more in SkyPilot's queue would start those later that no spot machine covers any more."""
    fleet = [*working(ON_DEMAND, HELD - 2), *working(EAST, 2)]
    asks = [ask for ask in look(fleet, 0.6).asks if ask.kind == EAST.number]
    assert not asks


def test_quota_leaves_no_room_to_hand_over() -> None:
    assert not look(working(ON_DEMAND, HELD), SHORT, probes=0).asks
