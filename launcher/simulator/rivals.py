"""Published policies, adapted to a fleet that may grow and shrink, to compare with: greedy, Uniform Progress, on demand.

All share the same safety net (`safety_net`), ask a place that had none again after 5, 10, then 20 minutes, and fill the
cheapest place first. What they say holds for this adaptation alone, not for the systems as they were published. Pure.

greedy: every spot machine that is to be had; on demand when the safety net must start, and then to the end.
uniform: Uniform Progress (Can't Be Late, NSDI 2024): spot where there is any; behind the even pace, on demand for the
rest of the fleet, until it is two cold starts ahead of it. The fleet is the one machine of the published rules.
uniform-each: the same rules for each machine by itself, which follows an even pace of its own (`machine_lines`).
on-demand: the fewest machines on demand that keep the deadline.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.simulator.machine_lines import MachineLines
from launcher.simulator.policies import Answered, Observation
from launcher.simulator.replayed_cloud import AnswerOf, SimulatedMachine, Stage
from launcher.simulator.safety_net import ASK_SECONDS, LOOK_SECONDS, TAIL_SECONDS, must_start, safety_net
from launcher.simulator.scenario import Scenario, groups_of
from launcher.steering.orders import Drain, End, Order, Start

BACKOFF_SECONDS = (300.0, 600.0, 1200.0)  # after the first, second, and each later refusal in a row


@dataclass(slots=True)
class _Renter:
    """Asks for machines and ends them by kind; remembers which places had none."""

    scenario: Scenario
    groups: Sequence[FleetGroup] = field(init=False)
    started: int = 0
    refusals: dict[int, int] = field(default_factory=dict[int, int])
    closed_until: dict[int, float] = field(default_factory=dict[int, float])

    def __post_init__(self) -> None:
        self.groups = groups_of(self.scenario.kinds)

    def learn(self, observation: Observation) -> None:
        """Remember which places had machines and which had none."""
        for answer in observation.answers:
            if answer.what == AnswerOf.CAME:
                self.refusals.pop(answer.kind, None)
                self.closed_until.pop(answer.kind, None)
                continue
            count = self.refusals.get(answer.kind, 0)
            if observation.seconds >= self.closed_until.get(answer.kind, 0.0):
                self.refusals[answer.kind] = count + 1
                self.closed_until[answer.kind] = answer.at + BACKOFF_SECONDS[min(count, 2)]

    def next_open(self) -> float:
        """When the first place that had none may be asked again."""
        return min(self.closed_until.values(), default=inf)

    def ask(self, kind: int, count: int) -> list[Order]:
        """Ask for machines of a kind."""
        group = self.groups[kind]
        orders = list[Order]()
        for _ in range(count):
            self.started += 1
            orders.append(Start(self.started, f"{group.name}{self.started}-0", group.number, group.places))
        return orders

    def dropped(self, observation: Observation) -> list[SimulatedMachine]:
        """Spot asks that were refused, and machines that were taken: they are not waited for."""
        return [
            m
            for m in observation.machines
            if m.stage == Stage.ASKED and (m.refused or m.taken) and self.is_spot(m)
        ]

    def is_spot(self, machine: SimulatedMachine) -> bool:
        return self.scenario.kinds[machine.kinds[0]].spot

    def ask_spot(self, observation: Observation, room: int) -> list[Order]:
        """Ask for as many spot machines as there is room for, in the cheapest open places; below the on-demand price."""
        scenario, orders = self.scenario, list[Order]()
        list_price = min(
            (observation.prices[n] / scenario.kinds[n].tokens_per_second for n in scenario.on_demand),
            default=inf,
        )
        by_price = sorted(
            scenario.spot, key=lambda n: observation.prices[n] / scenario.kinds[n].tokens_per_second
        )
        for number in by_price:
            kind = scenario.kinds[number]
            cheap = observation.prices[number] / kind.tokens_per_second < list_price
            if room <= 0 or not cheap or observation.seconds < self.closed_until.get(number, 0.0):
                continue
            held = sum(
                1
                for m in observation.machines
                if m.kinds[0] == number and not (m.stage == Stage.ASKED and m.refused)
            )
            count = min(room, kind.cap - held)
            if count > 0:
                orders += self.ask(number, count)
                room -= count
        return orders

    def ask_on_demand(self, observation: Observation, count: int) -> list[Order]:
        """Ask for so many machines on demand, in the cheapest places that had some when they were asked last."""
        scenario, orders = self.scenario, list[Order]()
        open_kinds = [n for n in scenario.on_demand if observation.seconds >= self.closed_until.get(n, 0.0)]
        for number in open_kinds or scenario.on_demand:
            there = sum(1 for m in observation.machines if m.kinds[0] == number)
            chosen = max(0, min(count, scenario.kinds[number].cap - there))
            orders += self.ask(number, chosen)
            count -= chosen
        return orders


def _most_on_demand(scenario: Scenario) -> int:
    most = scenario.machines if scenario.most_on_demand is None else scenario.most_on_demand
    return min(scenario.machines, most, sum(scenario.kinds[n].cap for n in scenario.on_demand))


def _is_near_end(scenario: Scenario, observation: Observation) -> bool:
    """Whether a machine that is asked for now would come too late to be of use."""
    rate = sum(
        scenario.kinds[m.kinds[0]].tokens_per_second for m in observation.machines if m.stage == Stage.WORKING
    )
    cold = min(kind.cold_start for kind in scenario.kinds)
    return rate > 0 and observation.tokens_left / rate < 2 * cold


@dataclass(slots=True)
class OnDemandPolicy:
    """The fewest machines on demand that keep the deadline at the slow end."""

    scenario: Scenario
    renter: _Renter = field(init=False)

    def __post_init__(self) -> None:
        self.renter = _Renter(self.scenario)

    @property
    def groups(self) -> Sequence[FleetGroup]:
        return self.renter.groups

    def decide(self, observation: Observation) -> Answered:
        """Ask for what is missing."""
        scenario = self.scenario
        if not scenario.on_demand:
            return Answered([], inf)
        most, have = _most_on_demand(scenario), len(observation.machines)
        need = have
        while need < most and safety_net(scenario, observation, need).margin < 0:
            need += 1
        if have == 0:  # also where no number is enough
            need = max(need, 1)
        return Answered(
            self.renter.ask_on_demand(observation, need - have), observation.seconds + 10 * LOOK_SECONDS
        )


@dataclass(slots=True)
class SpotPolicy:
    """Greedy, and with `even` Uniform Progress."""

    scenario: Scenario
    even: bool = False
    renter: _Renter = field(init=False)
    behind: bool = False  # behind the even pace, and not yet two cold starts ahead of it
    last: bool = False  # the safety net has started: on demand to the end

    def __post_init__(self) -> None:
        self.renter = _Renter(self.scenario)

    @property
    def groups(self) -> Sequence[FleetGroup]:
        return self.renter.groups

    def decide(self, observation: Observation) -> Answered:
        """Fill the fleet with spot, and with machines on demand where the policy or the net wants them."""
        scenario, renter = self.scenario, self.renter
        renter.learn(observation)
        dropped = renter.dropped(observation)
        orders: list[Order] = [End(machine.name, "not waited for") for machine in dropped]
        gone = {machine.name for machine in dropped}
        alive = [m for m in observation.machines if m.name not in gone and m.stage != Stage.LEAVING]
        missing = self._net(observation)
        if missing:
            orders += self._make_room(alive, sum(count for _, count in missing))
            orders += [order for number, count in missing for order in renter.ask(number, count)]
            return Answered(orders, observation.seconds + LOOK_SECONDS)
        room = scenario.machines - len(alive)
        if self.even:
            orders += self._keep_pace(observation, alive)
            room = scenario.machines - len(alive) - sum(1 for order in orders if isinstance(order, Start))
        if not self.last and not _is_near_end(scenario, observation):
            orders += renter.ask_spot(observation, room)
        return Answered(orders, self._next_look(observation))

    def _net(self, observation: Observation) -> list[tuple[int, int]]:
        """Machines on demand that the safety net must ask for now."""
        found = must_start(self.scenario, observation, _most_on_demand(self.scenario))
        self.last = self.last or bool(found)
        return found

    def _make_room(self, alive: Sequence[SimulatedMachine], missing: int) -> list[Order]:
        """End spot machines that do not work, so that the net fits under the limit."""
        excess = len(alive) + missing - self.scenario.machines
        spot = [m for m in alive if self.renter.is_spot(m) and m.stage != Stage.WORKING]
        spot.sort(key=lambda machine: machine.stage)
        return [End(machine.name, "room for the safety net") for machine in spot[: max(0, excess)]]

    def _keep_pace(self, observation: Observation, alive: Sequence[SimulatedMachine]) -> list[Order]:
        """Uniform Progress: on demand for the rest of the fleet while behind; its end when well ahead."""
        if self.last:
            return []
        scenario = self.scenario
        done, line = scenario.tokens - observation.tokens_left, scenario.tokens / scenario.deadline
        cold = min(kind.cold_start for kind in scenario.kinds)
        on_demand = [m for m in alive if not self.renter.is_spot(m)]
        if done < line * observation.seconds:
            self.behind = True
        elif done >= line * (observation.seconds + 2 * cold):
            self.behind = False
        if not self.behind:
            return [Drain(machine.name) for machine in on_demand]
        if done >= line * observation.seconds:
            return []  # what runs on demand stays
        # Spot that is asked for now may come within a minute: only the rest of the fleet is rented on demand.
        return (
            self.renter.ask_on_demand(observation, scenario.machines - len(alive))
            if self._spot_is_dry()
            else []
        )

    def _spot_is_dry(self) -> bool:
        """Whether the last word of every place was that it has none: one that is asked again is not waited for."""
        return all(number in self.renter.refusals for number in self.scenario.spot)

    def _next_look(self, observation: Observation) -> float:
        """Soon where the net or the pace may change with time alone; else when a place may be asked again."""
        scenario = self.scenario
        soonest = min(self.renter.next_open(), observation.seconds + 10 * LOOK_SECONDS)
        if self.even:
            soonest = min(soonest, observation.seconds + 2 * LOOK_SECONDS)
        net = safety_net(scenario, observation, _most_on_demand(scenario))
        if net.free_rate:
            wait = net.margin / net.free_rate - ASK_SECONDS - TAIL_SECONDS
            soonest = min(soonest, observation.seconds + max(LOOK_SECONDS, wait))
        return soonest


@dataclass(slots=True)
class UniformEachPolicy(SpotPolicy):
    """Uniform Progress with an even pace for each machine."""

    even: bool = True
    lines: MachineLines = field(init=False)

    def __post_init__(self) -> None:
        SpotPolicy.__post_init__(self)
        self.lines = MachineLines(self.scenario)

    def _keep_pace(self, observation: Observation, alive: Sequence[SimulatedMachine]) -> list[Order]:
        """On demand for machines without spot that are behind; its end where one is two cold starts ahead."""
        self.lines.learn(observation, alive)
        if self.last:
            return []
        cold = min(kind.cold_start for kind in self.scenario.kinds)
        ahead = self.lines.ahead(observation.seconds + 2 * cold)
        orders: list[Order] = [
            Drain(machine.name)
            for machine in alive
            if not self.renter.is_spot(machine) and machine.name in ahead
        ]
        if self._spot_is_dry():
            wanted = min(self.lines.idle_behind(observation.seconds), self.scenario.machines - len(alive))
            orders += self.renter.ask_on_demand(observation, wanted)
        return orders
