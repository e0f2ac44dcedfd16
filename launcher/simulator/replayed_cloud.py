"""A simulated cloud: machines that are asked for, come up, work and are taken as a market says. Pure, with its own clock.

An ask is answered after a minute, and asks one after another as fast as SkyPilot launches. Where there is no machine, it
is asked for again every minute until it is ended, as SkyPilot does. A machine is billed from the answer on and works
after a cold start, which is drawn about the kind's. Where a place has fewer machines than are held there, some are
taken, with half a shard of work in flight, and asked for again in the same place.

Money is `float` here: thousands of runs are added up, and nothing is paid by these figures.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from numpy.random import Generator

from launcher.planning.estimates.estimate import SHARD_SECONDS
from launcher.simulator.market import Market
from launcher.simulator.scenario import Scenario

ANSWER_SECONDS = 60.0  # from an ask to its answer, and between two tries
P90_SIGMAS = 1.2816  # standard deviations of a normal distribution up to its P90


class Stage(IntEnum):
    """Where a machine is."""

    ASKED = 0
    COLD = 1
    WORKING = 2
    LEAVING = 3  # works until its shard is done, and ends


class AnswerOf(IntEnum):
    """What a place said to an ask, or did."""

    CAME = 0
    NONE = 1
    TAKEN = 2


@dataclass(slots=True)
class SimulatedMachine:
    """A machine that has not ended. `kinds` in the order to try; `due` is when its stage ends, in seconds of the run."""

    name: str
    group: int
    slot: int
    kinds: Sequence[int]
    requested: float
    due: float
    stage: Stage = Stage.ASKED
    kind: int | None = None  # where it is, or was last
    up: float | None = None  # since when it is there
    worked_from: float = 0.0
    taken: bool = False  # it was there, was taken and is asked for again
    refused: bool = False  # its present ask was answered with none


@dataclass(frozen=True, slots=True)
class PlaceAnswer:
    """One answer: machines of a kind that came, were not to be had, or were taken. `held` are there afterwards."""

    at: float
    kind: int
    what: AnswerOf
    count: int
    held: int


@dataclass(slots=True)
class ReplayedCloud:
    """The cloud of one run. `random` draws cold starts and which machines are taken."""

    scenario: Scenario
    market: Market
    random: Generator
    now: float = 0.0
    tokens: float = 0.0
    usd: float = 0.0
    usd_on_demand: float = 0.0
    finished: float | None = None
    machines: dict[str, SimulatedMachine] = field(default_factory=dict[str, SimulatedMachine])
    answers: list[PlaceAnswer] = field(default_factory=list[PlaceAnswer])
    held: list[int] = field(init=False)  # of each kind, there and billed
    asks: int = 0
    starts: int = 0
    losses: int = 0
    most_machines: int = 0
    _working: list[int] = field(init=False)
    _drop: int = 0  # the next of the market's drops
    _news: bool = False
    _answered: float = 0.0  # when the last machine that was asked for gets its answer

    def __post_init__(self) -> None:
        self.held = [0] * len(self.scenario.kinds)
        self._working = [0] * len(self.scenario.kinds)

    @property
    def tokens_left(self) -> float:
        return max(0.0, self.scenario.tokens - self.tokens)

    def price(self, kind: int) -> float:
        """USD per machine-hour now."""
        prices = self.market.kinds[kind].usd_per_hour
        return prices[min(int(self.now // 60.0), len(prices) - 1)]

    def prices(self) -> list[float]:
        """USD per machine-hour now, of each kind."""
        minute = int(self.now // 60.0)
        return [kind.usd_per_hour[min(minute, len(kind.usd_per_hour) - 1)] for kind in self.market.kinds]

    def start(self, name: str, group: int, slot: int, kinds: Sequence[int]) -> None:
        """Ask for a machine."""
        self._answered = max(
            self.now + ANSWER_SECONDS, self._answered + 1 / self.scenario.launches_per_second
        )
        due = self._answered
        self.machines[name] = SimulatedMachine(name, group, slot, kinds, requested=self.now, due=due)
        self.asks += 1
        self.most_machines = max(self.most_machines, len(self.machines))

    def end(self, name: str) -> None:
        """End a machine at once: half a shard of its work is lost."""
        machine = self.machines.pop(name, None)
        if machine is not None:
            if machine.stage in (Stage.WORKING, Stage.LEAVING):
                self._lose_half_a_shard(machine)
            self._release(machine)
            if machine.stage == Stage.ASKED and not machine.refused and not machine.taken:
                self._leave_queue(machine)

    def _leave_queue(self, machine: SimulatedMachine) -> None:
        """An ask that is cancelled before its answer: those behind it are launched sooner."""
        each = 1 / self.scenario.launches_per_second
        for other in self.machines.values():
            if other.stage == Stage.ASKED and other.due > machine.due:
                other.due = max(self.now, other.requested + ANSWER_SECONDS, other.due - each)
        self._answered = max(self.now, self._answered - each)

    def drain(self, name: str) -> None:
        """Let a machine finish its shard, which takes half of one on average, and end."""
        machine = self.machines.get(name)
        if machine is None or machine.stage == Stage.LEAVING:
            return
        if machine.stage == Stage.WORKING:
            machine.stage, machine.due = Stage.LEAVING, self.now + SHARD_SECONDS / 2
        else:
            self.end(name)

    def advance(self, until: float) -> None:
        """Let time pass until then, or until the first whole minute after something that a launcher would notice."""
        self._news = False
        while self.finished is None and self.now < until:
            moment = self._next_moment(until)
            self._accrue(moment)
            if self.finished is not None:
                return
            for machine in [m for m in self.machines.values() if m.due <= moment]:
                self._due(machine)
            self._take_back(moment)
            if self._news:
                until = min(until, math.ceil(moment / 60.0) * 60.0)

    def _next_moment(self, until: float) -> float:
        moment = min((machine.due for machine in self.machines.values()), default=until)
        if self._drop < len(self.market.drops):
            moment = min(moment, self.market.drops[self._drop][0])
        return max(self.now, min(moment, until))

    def _accrue(self, moment: float) -> None:
        """Work and dollars until this moment; the run may be done before it."""
        seconds = moment - self.now
        if seconds <= 0:
            return
        kinds, slower = self.scenario.kinds, self.scenario.slower
        rate = (
            sum(n * kind.tokens_per_second for n, kind in zip(self._working, kinds, strict=True) if n)
            * slower
        )
        if rate and self.tokens + rate * seconds >= self.scenario.tokens:
            seconds = max(0.0, (self.scenario.tokens - self.tokens) / rate)
            moment = self.now + seconds
            self.finished = moment
        self.tokens += rate * seconds
        for number, count in enumerate(self.held):
            if count:
                usd = count * self.market.kinds[number].usd(self.now, moment)
                self.usd += usd
                if not kinds[number].spot:
                    self.usd_on_demand += usd
        self.now = moment
        if self.finished is not None:
            for name in [*self.machines]:
                self._release(self.machines.pop(name))

    def _due(self, machine: SimulatedMachine) -> None:
        match machine.stage:
            case Stage.ASKED:
                self._answer(machine)
            case Stage.COLD:
                machine.stage, machine.due = Stage.WORKING, math.inf
                machine.worked_from = self.now
                self._working[_kind_of(machine)] += 1
                self._news = True
            case Stage.WORKING:
                raise AssertionError("a working machine has nothing due")
            case Stage.LEAVING:
                self._release(self.machines.pop(machine.name))
                self._news = True

    def _answer(self, machine: SimulatedMachine) -> None:
        """The machine comes in the first place that has one, or there is none and it is asked again."""
        for kind in machine.kinds:
            if self._obtainable(kind):
                self._come(machine, kind)
                return
        machine.due = self.now + ANSWER_SECONDS
        if not machine.refused:
            machine.refused = True
            self._tell(machine.kinds[0], AnswerOf.NONE)

    def _obtainable(self, kind: int) -> bool:
        market = self.market.kinds[kind].available
        return self.held[kind] < market[min(int(self.now // 60.0), len(market) - 1)]

    def _come(self, machine: SimulatedMachine, kind: int) -> None:
        if machine.kinds[0] != kind and not machine.refused:
            self._tell(machine.kinds[0], AnswerOf.NONE)
        known = self.scenario.kinds[kind]
        sigma = math.log(max(1.0, known.cold_start_p90 / known.cold_start)) / P90_SIGMAS
        machine.stage, machine.kind, machine.up = Stage.COLD, kind, self.now
        machine.taken = machine.refused = False
        machine.due = self.now + known.cold_start * math.exp(sigma * self.random.standard_normal())
        self.held[kind] += 1
        self.starts += 1
        self._tell(kind, AnswerOf.CAME)

    def _take_back(self, moment: float) -> None:
        """Take machines where the market has fewer than are held."""
        drops = self.market.drops
        while self._drop < len(drops) and drops[self._drop][0] <= moment:
            _, kind, left = drops[self._drop]
            self._drop += 1
            if self.held[kind] <= left:
                continue
            there = [m for m in self.machines.values() if m.kind == kind and m.stage != Stage.ASKED]
            chosen = self.random.permutation(len(there))[: self.held[kind] - left]
            for position in sorted(int(n) for n in chosen):
                self._take(there[position])
            self._tell(kind, AnswerOf.TAKEN, len(chosen))

    def _take(self, machine: SimulatedMachine) -> None:
        self.losses += 1
        if machine.stage == Stage.LEAVING:
            self._lose_half_a_shard(machine)
            self._release(self.machines.pop(machine.name))
            return
        if machine.stage == Stage.WORKING:
            self._lose_half_a_shard(machine)
        self._release(machine, teardown=False)
        machine.stage, machine.due = Stage.ASKED, self.now + ANSWER_SECONDS
        machine.taken, machine.up = True, None

    def _release(self, machine: SimulatedMachine, *, teardown: bool = True) -> None:
        """Take a machine out of the counts; it is billed until it is gone."""
        if machine.stage == Stage.ASKED:
            return
        kind = _kind_of(machine)
        self.held[kind] -= 1
        if machine.stage in (Stage.WORKING, Stage.LEAVING):
            self._working[kind] -= 1
        if teardown:
            usd = self.price(kind) * self.scenario.teardown / 3600
            self.usd += usd
            if not self.scenario.kinds[kind].spot:
                self.usd_on_demand += usd

    def _lose_half_a_shard(self, machine: SimulatedMachine) -> None:
        """What the machine had of its present shard: half of one on average, and at most what it did."""
        kind = self.scenario.kinds[_kind_of(machine)]
        rate = kind.tokens_per_second * self.scenario.slower
        worked = rate * (self.now - machine.worked_from)
        self.tokens = max(0.0, self.tokens - min(self.scenario.shard_tokens / 2, worked))

    def _tell(self, kind: int, what: AnswerOf, count: int = 1) -> None:
        self._news = True
        self.answers.append(PlaceAnswer(self.now, kind, what, count, self.held[kind]))


def _kind_of(machine: SimulatedMachine) -> int:
    if machine.kind is None:
        raise AssertionError("a machine that came up is of a kind")
    return machine.kind


def merged_answers(answers: Iterable[PlaceAnswer]) -> list[PlaceAnswer]:
    """Answers of one kind and sort at one moment as one event, with the machines of all of them."""
    found: dict[tuple[float, int, AnswerOf], PlaceAnswer] = {}
    for one in answers:
        key = (one.at, one.kind, one.what)
        before = found.get(key)
        count = one.count + (before.count if before else 0)
        found[key] = PlaceAnswer(one.at, one.kind, one.what, count, one.held)
    return list(found.values())
