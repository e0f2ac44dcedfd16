"""What the product sees of simulated machines: made anew when a machine has changed, and only then."""

from launcher.fleet.scheduling.states import Phase
from launcher.simulator.policies import MachineViews, moment
from launcher.simulator.replayed_cloud import SimulatedMachine, Stage
from tests.launcher.simulator.cases import SPEED, scenario, spot_kind

SHARD_SECONDS = 60.0  # of one machine, as `scenario` has them
NAMES = ("simulated-l0m0-0", "simulated-l0m1-0")


def machines() -> list[SimulatedMachine]:
    return [SimulatedMachine(name, 0, n, [0], requested=0.0, due=60.0) for n, name in enumerate(NAMES)]


def test_view_is_kept_until_its_machine_changes() -> None:
    views, there = MachineViews(scenario(spot_kind("a"))), machines()
    first = views.of(there, 60.0)
    there[1].stage, there[1].kind, there[1].up = Stage.COLD, 0, 60.0
    second = views.of(there, 120.0)
    assert second[0] is first[0]
    assert (second[1].phase, second[1].infra, second[1].up) == (Phase.RUNNING, "aws/a", moment(60.0))


def test_view_says_when_a_machine_has_done_its_first_shard() -> None:
    case = scenario(spot_kind("a"))
    assert case.shard_tokens == SHARD_SECONDS * SPEED
    views, [machine, _] = MachineViews(case), machines()
    machine.stage, machine.kind, machine.up, machine.worked_from = Stage.WORKING, 0, 60.0, 360.0
    seen = [views.of([machine], 360.0 + seconds)[0] for seconds in (0.0, 59.0, 60.0, 600.0)]
    assert [view.shards for view in seen] == [0, 0, 1, 1]
    assert seen[1] is seen[0]
    assert seen[3] is seen[2]


def test_view_of_a_machine_that_was_taken_waits_for_another() -> None:
    views, [machine, _] = MachineViews(scenario(spot_kind("a"))), machines()
    machine.stage, machine.kind, machine.up = Stage.WORKING, 0, 60.0
    views.of([machine], 120.0)
    machine.stage, machine.taken, machine.up = Stage.ASKED, True, None
    [view] = views.of([machine], 180.0)
    assert (view.phase, view.up, view.shards) == (Phase.RECOVERING, None, 0)
