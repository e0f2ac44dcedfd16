"""One look of a launcher, as a reconciliation under way: what is held, asked for and let go so far, and the reasons.

Mutable, and lives for one `decide`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from launcher.money import decimal_of_float
from launcher.steering import beliefs
from launcher.steering.course import Decision
from launcher.steering.room import Room
from launcher.steering.situation import (
    Belief,
    Kind,
    Machine,
    MachinePhase,
    PlaceKey,
    Situation,
    Steering,
    WhenShort,
)
from launcher.steering.supply import SECONDS_PER_HOUR, usd_per_token

HANGING_STARTS = 2.0  # cold starts at the slow end, after which a machine that did no shard is not waited for


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
    """`kinds` are those with a known price; `machines` are those that stay, in the order in which they were asked for."""

    situation: Situation
    kinds: Mapping[int, Kind]
    spot_kinds: frozenset[int]
    known: Mapping[PlaceKey, Belief]
    machines: list[Machine]
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
        return cls(
            situation=situation,
            kinds=kinds,
            spot_kinds=frozenset(number for number, kind in kinds.items() if kind.spot),
            known=beliefs.learn(steering.beliefs, steering.answers) if steering.answers else steering.beliefs,
            machines=staying,
            room=Room.after(steering.limits, situation.kinds, situation.machines),
        )

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
        return self.known.get(kind.key, beliefs.UNKNOWN)

    def held(self, number: int) -> int:
        """Machines of a kind that are there, without those that are asked for."""
        return sum(1 for m in self.machines if m.kind == number and m.phase != MachinePhase.ASKED)

    def asked(self) -> list[Machine]:
        """Machines that are asked for and not there, in the order in which they were asked for."""
        return [m for m in self.machines if m.phase == MachinePhase.ASKED]

    def may_ask(self, kind: Kind) -> bool:
        """Whether the place is not in its backoff after it had none or took some."""
        retry = beliefs.retry_after(self.belief(kind))
        return retry is None or retry <= self.now

    def spot(self, *phases: MachinePhase) -> list[Machine]:
        """Spot machines that stay; of any phase if none is given."""
        return [m for m in self.machines if m.kind in self.spot_kinds and (not phases or m.phase in phases)]

    def on_demand(self) -> list[Machine]:
        return [m for m in self.machines if m.kind in self.kinds and m.kind not in self.spot_kinds]

    def rate(self, machines: Sequence[Machine]) -> float:
        """Tokens a second of machines, as soon as all of them work."""
        return sum(self.kinds[m.kind].tokens_per_second for m in machines if m.kind in self.kinds)

    def asked_rate(self, *, spot: bool) -> float:
        """Tokens a second of machines that this look asks for."""
        kinds = ((self.kinds[number], count) for number, count in self.asks.items())
        return sum(kind.tokens_per_second * count for kind, count in kinds if kind.spot == spot)

    def is_spot(self, machine: Machine) -> bool:
        return machine.kind in self.spot_kinds

    def works_soon(self, machine: Machine) -> bool:
        """Whether a machine works, or is asked for, or may still be within its cold start: else it hangs."""
        kind = self.kinds.get(machine.kind)
        if kind is None or machine.phase != MachinePhase.COLD:
            return True
        return machine.seconds <= HANGING_STARTS * kind.cold_start_p90

    def price(self, machine: Machine) -> float:
        """USD a token of a machine that runs: its start is paid. Without a known price it is taken for the dearest."""
        kind = self.kinds.get(machine.kind)
        return float("inf") if kind is None else usd_per_token(kind)

    def dearest_first(self, machines: Sequence[Machine]) -> list[Machine]:
        return sorted(machines, key=lambda m: (-self.price(m), m.name))

    def ask(self, kind: Kind, count: int, *, what: str, reason: str, usd: float | None = None) -> None:
        self.asks[kind.number] += count
        self.room.add(kind.number, count)
        self._decided(what, reason, kind.number, count, usd)

    def release(
        self, machines: Sequence[Machine], *, what: str, reason: str, usd: float | None = None
    ) -> None:
        """Let machines go; those that work finish the shards that they hold."""
        leaving = {m.name for m in machines}
        self.machines = [m for m in self.machines if m.name not in leaving]
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
