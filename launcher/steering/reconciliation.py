"""One look of a launcher, as a reconciliation under way: what is held, asked for and let go so far, and the reasons.

Mutable, and lives for one `decide`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from launcher.money import decimal_of_float
from launcher.steering.course import Decision
from launcher.steering.machine_index import MachineIndex
from launcher.steering.market import beliefs
from launcher.steering.market.supply import SECONDS_PER_HOUR
from launcher.steering.room import Room
from launcher.steering.situation import (
    Belief,
    Kind,
    Machine,
    MachinePhase,
    Situation,
    Steering,
    WhenShort,
)


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask for machines of a kind, by number."""

    kind: int
    count: int


@dataclass(frozen=True, slots=True)
class Release:
    """Let a machine go. `drain`: it finishes the shards that it holds."""

    machine: str
    why: str
    drain: bool = False


@dataclass(slots=True)
class Reconciliation:
    """`kinds` are those with a known price, `staying` the machines that stay.

    `on_demand_kinds`: those of them on demand. `beliefs`: of the place of each kind, by its number. `retries`: when
    places that had none may be asked again.
    """

    situation: Situation
    kinds: Mapping[int, Kind]
    on_demand_kinds: Sequence[Kind]
    beliefs: Mapping[int, Belief]
    retries: Mapping[int, datetime]
    staying: MachineIndex
    room: Room
    asks: Counter[int] = field(default_factory=Counter[int])
    releases: list[Release] = field(default_factory=list[Release])
    let_go: list[Machine] = field(default_factory=list[Machine])  # machines that were there
    decisions: list[Decision] = field(default_factory=list[Decision])

    @classmethod
    def of(cls, situation: Situation) -> "Reconciliation":
        steering = situation.steering
        staying = [machine for machine in situation.machines if not machine.leaving]
        kinds = {kind.number: kind for kind in situation.kinds if kind.usd_per_hour is not None}
        known = beliefs.learn(steering.beliefs, steering.answers) if steering.answers else steering.beliefs
        believed = {number: known.get(kind.key, beliefs.UNKNOWN) for number, kind in kinds.items()}
        retries = ((number, beliefs.retry_after(belief)) for number, belief in believed.items())
        return cls(
            situation=situation,
            kinds=kinds,
            on_demand_kinds=[kind for kind in kinds.values() if not kind.spot],
            beliefs=believed,
            retries={number: retry for number, retry in retries if retry is not None},
            staying=MachineIndex(staying, kinds, situation.tokens_left),
            room=Room.after(steering.limits, situation.kinds, situation.machines),
        )

    @property
    def machines(self) -> list[Machine]:
        """Machines that stay, in the order in which they were asked for."""
        return self.staying.machines

    @property
    def steering(self) -> Steering:
        return self.situation.steering

    @property
    def now(self) -> datetime:
        return self.situation.now

    @property
    def is_overdue(self) -> bool:
        """Whether the deadline has passed and need no longer be served: the run goes on as cheaply as it can."""
        steering = self.steering
        passed = steering.deadline is not None and self.now >= steering.deadline
        return passed and steering.when_short is WhenShort.LATE

    @property
    def is_speed_known(self) -> bool:
        """Whether the speed of machines was measured in this run, or has no spread."""
        spread = any(kind.tokens_per_second_p10 < kind.tokens_per_second for kind in self.kinds.values())
        return bool(self.steering.pace) or not spread

    def belief(self, kind: Kind) -> Belief:
        return self.beliefs[kind.number]

    def held(self, number: int) -> int:
        """Machines of a kind that are there, without those that are asked for."""
        return self.staying.held[number]

    def may_ask(self, kind: Kind) -> bool:
        """Whether the place is not in its backoff after it had none or took some."""
        retry = self.retries.get(kind.number)
        return retry is None or retry <= self.now

    @property
    def may_work_soon(self) -> bool:
        """Whether a machine is there and does not hang, or is asked for where none was refused or taken just now.

        Places that had none are asked again in turn, so some request is open at almost every look: it promises nothing.
        """
        asked = {m.kind for m in self.staying.asked} | set(self.asks)
        kinds = [self.kinds[number] for number in asked if number in self.kinds]
        hopeful = any(not kind.spot or not self.belief(kind).refusals for kind in kinds)
        return hopeful or len(self.staying.hanging) + len(self.staying.asked) < len(self.machines)

    @property
    def likely_spot_rate(self) -> float:
        """Tokens a second of spot machines that work or start, and of those asked for by the chance that they come.

        A place that had none just now has none for its next request either, most likely. What hangs does nothing.
        """
        return self.staying.started_spot_rate + self._likely_rate(self.staying.asked_of)

    @property
    def likely_asked_rate(self) -> float:
        """Tokens a second of spot machines that this look asks for, by the chance that they come."""
        return self._likely_rate(self.asks)

    def _likely_rate(self, asked: Mapping[int, int]) -> float:
        kinds = [self.kinds[number] for number in asked if number in self.kinds]
        return sum([k.tokens_per_second * asked[k.number] * self.chance_of(k) for k in kinds if k.spot])

    def chance_of(self, kind: Kind) -> float:
        """The chance that a spot place has a machine more than are held there."""
        return beliefs.chance_of_more(self.belief(kind), self.now, held=self.held(kind.number))

    def is_spot(self, machine: Machine) -> bool:
        kind = self.kinds.get(machine.kind)
        return kind is not None and kind.spot

    def ask(self, kind: Kind, count: int, *, what: str, reason: str, usd: float | None = None) -> None:
        self.asks[kind.number] += count
        self.room.add(kind.number, count)
        self._decided(what, reason, kind.number, count, usd)

    def release(
        self, machines: Sequence[Machine], *, what: str, reason: str, usd: float | None = None
    ) -> None:
        """Let machines go; those that work finish the shards that they hold."""
        leaving = {m.name for m in machines}
        rest = [m for m in self.machines if m.name not in leaving]
        self.staying = MachineIndex(rest, self.kinds, self.situation.tokens_left)
        for machine in machines:
            drain = machine.phase == MachinePhase.WORKING
            self.releases.append(Release(machine.name, reason, drain))
            if machine.phase == MachinePhase.ASKED:
                self.room.add(machine.kind, -1)
            else:
                self.let_go.append(machine)  # it is held until it is gone
        for number, count in Counter(m.kind for m in machines).items():
            share = None if usd is None else usd * count / len(machines)
            self._decided(what, reason, number, count, share)

    def _decided(self, what: str, reason: str, number: int, count: int, usd: float | None) -> None:
        place = next((kind.key[0] for kind in self.situation.kinds if kind.number == number), None)
        expected = None if usd is None else decimal_of_float(round(usd, 4))
        self.decisions.append(Decision(what, reason, number, place, count, expected))

    def start_usd(self, kind: Kind) -> float:
        """USD of a cold start."""
        return (kind.usd_per_hour or 0.0) * kind.cold_start / SECONDS_PER_HOUR
