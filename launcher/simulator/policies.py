"""What every policy of a simulation sees and gives back, and the two of the product: static, and a steered run. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Protocol

from launcher.fleet.scheduling.fleet_view import FleetGroup, FleetView, MachineView
from launcher.fleet.scheduling.placement import FAILURE_MEMORY, PlacementFailure
from launcher.fleet.scheduling.policy import is_near_budget, is_out_of_money, step
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.records import MachineState
from launcher.simulator.replayed_cloud import (
    AnswerOf,
    PlaceAnswer,
    SimulatedMachine,
    Stage,
    merged_answers,
)
from launcher.simulator.scenario import RUN_NAME, Scenario
from launcher.steering.orders import Order
from launcher.steering.situation import Steering

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)  # when every simulated run begins
QUIET_SECONDS = 300.0  # until the next look of a policy that names none, where nothing happens
STAGES = {Stage.COLD: Phase.RUNNING, Stage.WORKING: Phase.RUNNING, Stage.LEAVING: Phase.ENDING}


@dataclass(frozen=True, slots=True)
class Observation:
    """What a launcher sees at one moment. Seconds of the run; `answers` are those since the look before."""

    seconds: float
    tokens_left: float
    machines: Sequence[SimulatedMachine]
    ended: Mapping[str, int]  # names of machines that ended, as `FleetView.taken`: they are not used again
    prices: Sequence[float]  # USD per machine-hour now, by kind
    answers: Sequence[PlaceAnswer]
    spent: float
    committed: float
    pace: float | None = (
        None  # measured speed as a share of the planned one; None: no machine has worked a minute
    )


@dataclass(frozen=True, slots=True)
class Answered:
    """A policy's orders, and the seconds of the run at which it wants to look again where nothing happens.

    `stop`: its budget ends the run as soon as no machine is left.
    """

    orders: Sequence[Order]
    next_look: float
    stop: bool = False


class Policy(Protocol):
    """A policy during one run; it may remember what it saw."""

    @property
    def groups(self) -> Sequence[FleetGroup]: ...

    def decide(self, observation: Observation) -> Answered: ...


@lru_cache(maxsize=100_000)
def moment(seconds: float) -> datetime:
    """The time of day of a moment of the run."""
    return EPOCH + timedelta(seconds=seconds)


@dataclass(slots=True)
class StaticPolicy:
    """The product's policy without steering: the fixed fleet of the plan, whatever happens."""

    scenario: Scenario
    failures: list[PlacementFailure] = field(default_factory=list[PlacementFailure])
    views: "MachineViews" = field(init=False)

    def __post_init__(self) -> None:
        self.views = MachineViews(self.scenario)

    @property
    def groups(self) -> Sequence[FleetGroup]:
        return self.scenario.fleet

    def decide(self, observation: Observation) -> Answered:
        """The orders of the product's `step`."""
        now = moment(observation.seconds)
        words = {AnswerOf.TAKEN: "preempted", AnswerOf.NONE: "no capacity"}
        for answer in merged_answers(observation.answers):
            if answer.what in words:
                infra = self.scenario.kinds[answer.kind].place.infra
                self.failures.append(PlacementFailure(infra, moment(answer.at), words[answer.what]))
        self.failures = [one for one in self.failures if now - one.at < FAILURE_MEMORY]
        view = fleet_view(self.views, self.groups, observation, self.failures)
        stop = is_near_budget(view) or is_out_of_money(view)
        return Answered(step(view, now), observation.seconds + QUIET_SECONDS, stop)


def fleet_view(
    views: "MachineViews",
    groups: Sequence[FleetGroup],
    observation: Observation,
    failures: Sequence[PlacementFailure] = (),
    *,
    steering: Steering | None = None,
    draining: bool = False,
) -> FleetView:
    """What the product's `step` would see of this run."""
    scenario = views.scenario
    shards = max(1, round(scenario.tokens / scenario.shard_tokens))
    done = int((scenario.tokens - observation.tokens_left) / scenario.shard_tokens)
    return FleetView(
        run=RUN_NAME,
        groups=tuple(groups),
        workers=views.of(observation.machines, observation.seconds),
        shards=shards,
        done=min(done, shards - 1),  # a look is only taken while work is left
        draining=draining,
        spent=usd(observation.spent),
        committed=usd(observation.committed),
        budget=scenario.budget,
        tokens_left=observation.tokens_left,
        failures=failures,
        taken=observation.ended,
        steering=steering,
    )


# What the view of a machine is made from: its stage and kind, since when it is there, whether it was taken, and whether
# it has done a shard. When it was asked for never changes.
SeenState = tuple[Stage, int | None, float | None, bool, bool]


@dataclass(slots=True)
class MachineViews:
    """What the product would see of the machines of a run. A view is made again only when its machine has changed."""

    scenario: Scenario
    _made: dict[str, tuple[SeenState, MachineView]] = field(init=False)

    def __post_init__(self) -> None:
        self._made = {}

    def of(self, machines: Iterable[SimulatedMachine], seconds: float) -> list[MachineView]:
        """The machines at one moment of the run, in their order."""
        made, found = self._made, list[MachineView]()
        for machine in machines:
            stage = machine.stage
            has_shard = stage == Stage.WORKING and self._has_shard(machine, seconds)
            state = (stage, machine.kind, machine.up, machine.taken, has_shard)
            before = made.get(machine.name)
            if before is None or before[0] != state:
                before = made[machine.name] = (state, self._view(machine, has_shard=has_shard))
            found.append(before[1])
        return found

    def _has_shard(self, machine: SimulatedMachine, seconds: float) -> bool:
        """Whether a machine that works has done a shard: no order depends on how many."""
        if machine.kind is None:
            return False
        rate = self.scenario.kinds[machine.kind].tokens_per_second * self.scenario.slower
        return (seconds - machine.worked_from) * rate >= self.scenario.shard_tokens

    def _view(self, machine: SimulatedMachine, *, has_shard: bool) -> MachineView:
        waiting = Phase.RECOVERING if machine.taken else Phase.WAITING
        return MachineView(
            name=machine.name,
            slot=machine.slot,
            state=MachineState.UP,
            ended=None,
            shards=int(has_shard),
            group=machine.group,
            phase=STAGES.get(machine.stage, waiting),
            infra=None if machine.kind is None else self.scenario.kinds[machine.kind].infra,
            requested=moment(machine.requested),
            up=None if machine.up is None else moment(machine.up),
        )


def usd(amount: float) -> Decimal:
    """Simulated dollars as the product's."""
    return Decimal(round(amount * 1_000_000)) / 1_000_000
