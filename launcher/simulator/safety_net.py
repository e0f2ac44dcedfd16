"""The safety net that all rivals share: when on-demand machines must start so that the deadline is kept. Pure.

The margin is the product's own (`launcher.steering.safety_net`). What differs is when it is used up: two looks before,
for the machines that no spot machine covers, and without any reserve.
"""

from collections.abc import Sequence

from launcher.planning.estimates.estimate import SHARD_SECONDS
from launcher.simulator.policies import EPOCH, Observation
from launcher.simulator.replayed_cloud import SimulatedMachine, Stage
from launcher.simulator.scenario import Scenario
from launcher.steering import safety_net as steering_net
from launcher.steering.safety_net import SafetyNet
from launcher.steering.situation import Kind, Machine, MachinePhase, Steering

MEASURED_SLOW = 0.97  # the slow end of a speed that was measured, as a share of it
TAIL_SECONDS = SHARD_SECONDS  # until the last shard is done
ASK_SECONDS = 60.0  # until an ask is answered
LOOK_SECONDS = 60.0  # until the next look
PHASES = {
    Stage.ASKED: MachinePhase.ASKED,
    Stage.COLD: MachinePhase.COLD,
    Stage.WORKING: MachinePhase.WORKING,
}


def safety_net(scenario: Scenario, observation: Observation, most: int) -> SafetyNet:
    """The net of at most so many machines on demand, those that are there included."""
    have = [
        m for m in observation.machines if not scenario.kinds[m.kinds[0]].spot and m.stage != Stage.LEAVING
    ]
    return steering_net.safety_net(
        [(_machine(m, observation.seconds), _kind(scenario, observation, m.kinds[0])) for m in have],
        [(_kind(scenario, observation, number), count) for number, count in _free(scenario, have, most)],
        seconds_left=scenario.deadline - observation.seconds,
        tokens_left=observation.tokens_left,
        steering=Steering(
            started=EPOCH,
            launches_per_second=scenario.launches_per_second,
            answer_seconds=ASK_SECONDS,
            shard_seconds=TAIL_SECONDS,
        ),
    )


def must_start(scenario: Scenario, observation: Observation, most: int) -> list[tuple[int, int]]:
    """Machines on demand that must be asked for now, as (kind, machines); none while the net can wait."""
    net = safety_net(scenario, observation, most)
    if not net.machines:
        return []
    working = [
        m for m in observation.machines if m.stage == Stage.WORKING and scenario.kinds[m.kinds[0]].spot
    ]
    uncovered = net.machines - len(working)
    # What is lost until an order of the next look helps.
    lost = net.free_rate * uncovered / net.machines * 2 * LOOK_SECONDS
    if uncovered <= 0 or net.margin > lost:
        return []
    chosen = list[tuple[int, int]]()
    for number, count in net.free:
        chosen.append((number, min(count, uncovered)))
        uncovered -= chosen[-1][1]
    return [(number, count) for number, count in chosen if count]


def _machine(machine: SimulatedMachine, now: float) -> Machine:
    """A machine on demand as the product's net knows it."""
    since = machine.requested if machine.up is None else machine.up
    return Machine(machine.name, machine.kinds[0], PHASES[machine.stage], now - since)


def _kind(scenario: Scenario, observation: Observation, number: int) -> Kind:
    """A kind as the product's net knows it: at the slow end as planned, or near what was measured."""
    kind = scenario.kinds[number]
    slow = kind.tokens_per_second_p10
    if observation.pace is not None:
        slow = kind.tokens_per_second * observation.pace * MEASURED_SLOW
    return Kind(
        number=number,
        key=(kind.infra, kind.gpu, kind.purchase),
        cap=kind.cap,
        usd_per_hour=observation.prices[number],
        tokens_per_second=kind.tokens_per_second,
        tokens_per_second_p10=slow,
        cold_start=kind.cold_start,
        cold_start_p90=kind.cold_start_p90,
    )


def _free(scenario: Scenario, have: Sequence[SimulatedMachine], most: int) -> list[tuple[int, int]]:
    """Machines on demand of each kind that may still be asked for, the cheapest a token first."""
    left, found = most - len(have), list[tuple[int, int]]()
    for number in scenario.on_demand:
        there = sum(1 for machine in have if machine.kinds[0] == number)
        count = min(left, scenario.kinds[number].cap - there)
        if count > 0:
            found.append((number, count))
            left -= count
    return found
