"""How far each machine of a fleet is with an equal share of the work, for rules that hold for one machine. Pure.

A machine that is lost leaves its share to the machine that comes in its place. What was done since the look before is
divided by the seconds that machines have worked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from launcher.simulator.policies import Observation
from launcher.simulator.replayed_cloud import SimulatedMachine, Stage
from launcher.simulator.scenario import Scenario


@dataclass(slots=True)
class MachineLines:
    """The shares of the work, one for each machine that may be held. `names`: who is at each, or None."""

    scenario: Scenario
    done: list[float] = field(init=False)  # tokens
    names: list[str | None] = field(init=False)
    _seconds: float = 0.0  # of the look before
    _left: float = field(init=False)

    def __post_init__(self) -> None:
        self.done = [0.0] * self.scenario.machines
        self.names = [None] * self.scenario.machines
        self._left = self.scenario.tokens

    def learn(self, observation: Observation, alive: Sequence[SimulatedMachine]) -> None:
        """Add what was done, and put machines that are new at the shares that are furthest behind."""
        self._add(observation)
        there = {machine.name for machine in alive}
        self.names = [name if name in there else None for name in self.names]
        new = [machine for machine in alive if machine.name not in self.names]
        # What is on demand was asked for because a share is behind.
        new.sort(key=lambda machine: self.scenario.kinds[machine.kinds[0]].spot)
        free = sorted((n for n, name in enumerate(self.names) if name is None), key=lambda n: self.done[n])
        for number, machine in zip(free, new, strict=False):
            self.names[number] = machine.name

    def _add(self, observation: Observation) -> None:
        worked = {
            machine.name: (observation.seconds - max(self._seconds, machine.worked_from))
            * self.scenario.kinds[machine.kind].tokens_per_second
            for machine in observation.machines
            if machine.kind is not None and machine.stage in (Stage.WORKING, Stage.LEAVING)
        }
        shares = [worked.get(name, 0.0) if name else 0.0 for name in self.names]
        done, total = self._left - observation.tokens_left, sum(shares)
        if total > 0:
            self.done = [had + done * one / total for had, one in zip(self.done, shares, strict=True)]
        self._seconds, self._left = observation.seconds, observation.tokens_left

    def idle_behind(self, seconds: float) -> int:
        """Shares without a machine that are behind an even pace."""
        line = self._line(seconds)
        return sum(name is None and had < line for name, had in zip(self.names, self.done, strict=True))

    def ahead(self, seconds: float) -> set[str]:
        """Machines whose share is where an even pace is at this moment, or further."""
        line = self._line(seconds)
        return {name for name, had in zip(self.names, self.done, strict=True) if name and had >= line}

    def _line(self, seconds: float) -> float:
        return self.scenario.tokens / self.scenario.machines * seconds / self.scenario.deadline
