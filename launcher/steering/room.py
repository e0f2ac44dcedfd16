"""How many more machines of a kind may be held: caps of kinds, limits of the run, quotas of the account. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import floor

from launcher.steering.situation import Kind, Limits, Machine


@dataclass(slots=True)
class Room:
    """Counts machines that are held or asked for, kind by kind, and says how many more may come."""

    limits: Limits
    kinds: Mapping[int, Kind]
    held: dict[int, int] = field(default_factory=dict[int, int])
    total: int = field(init=False)  # of all kinds

    def __post_init__(self) -> None:
        self.total = sum(self.held.values())

    @classmethod
    def after(cls, limits: Limits, kinds: Iterable[Kind], machines: Iterable[Machine]) -> "Room":
        held = dict(Counter([machine.kind for machine in machines]))
        return cls(limits, {kind.number: kind for kind in kinds}, held)

    def add(self, number: int, count: int) -> None:
        self.held[number] = self.held.get(number, 0) + count
        self.total += count

    def without(self, kinds: Iterable[int]) -> "Room":
        """The room once a machine of each of these kinds is gone."""
        room = Room(self.limits, self.kinds, dict(self.held))
        for number, count in Counter(kinds).items():
            room.add(number, -count)
        return room

    @property
    def is_full(self) -> bool:
        """Whether no machine of any kind may come within `limits.machines`."""
        return self.limits.machines is not None and self.total >= self.limits.machines

    def of(self, kind: Kind, *, beyond: int = 0) -> int:
        """Machines of a kind that may still come. `beyond`: how many of all may exceed `limits.machines`."""
        limits = self.limits
        free = [kind.cap - self.held.get(kind.number, 0), kind.may_start]
        if limits.machines is not None:
            free.append(limits.machines + beyond - self.total)
        if not kind.spot and limits.on_demand is not None:
            free.append(limits.on_demand - self._on_demand)
        free += [
            floor((quota.gpus - self._gpus(quota.kinds)) / kind.gpus)
            for quota in limits.quotas
            if kind.number in quota.kinds
        ]
        return max(0, min(free))

    @property
    def _on_demand(self) -> int:
        return sum(
            n for number, n in self.held.items() if number in self.kinds and not self.kinds[number].spot
        )

    def _gpus(self, numbers: frozenset[int]) -> float:
        return sum(
            self.held.get(number, 0) * self.kinds[number].gpus for number in numbers if number in self.kinds
        )
