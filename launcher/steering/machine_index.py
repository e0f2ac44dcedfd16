"""The machines that stay at one moment of a look, by kind and phase: each list is made once, when it is first asked for.

A look asks for the same lists dozens of times, and changes its machines a few times at most: then it has a new index.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from math import inf

from launcher.steering.market.supply import usd_per_token
from launcher.steering.situation import Kind, Machine, MachinePhase

HANGING_STARTS = 2.0  # cold starts at the slow end, after which a machine that did no shard is not waited for


class MachineIndex:
    """Machines in the order in which they were asked for. `kinds`: those with a known price, by number.

    Speeds are tokens a second, of machines as soon as all of them work.
    """

    def __init__(self, machines: list[Machine], kinds: Mapping[int, Kind], tokens_left: float) -> None:
        self.machines = machines
        self.kinds = kinds
        self.tokens_left = tokens_left

    @cached_property
    def asked(self) -> list[Machine]:
        """Machines that are asked for and not there."""
        return [m for m in self.machines if m.phase == MachinePhase.ASKED]

    @cached_property
    def asked_of(self) -> Counter[int]:
        """How many machines of each kind are asked for."""
        return Counter([m.kind for m in self.asked])

    @cached_property
    def held(self) -> Counter[int]:
        """How many machines of each kind are there."""
        return Counter([m.kind for m in self.machines if m.phase != MachinePhase.ASKED])

    @cached_property
    def spot(self) -> list[Machine]:
        """Spot machines of any phase."""
        spot = {number for number, kind in self.kinds.items() if kind.spot}
        return [m for m in self.machines if m.kind in spot]

    @cached_property
    def working_spot(self) -> list[Machine]:
        return [m for m in self.spot if m.phase == MachinePhase.WORKING]

    @cached_property
    def on_demand(self) -> list[Machine]:
        """Machines on demand of any phase."""
        rented = {number for number, kind in self.kinds.items() if not kind.spot}
        return [m for m in self.machines if m.kind in rented]

    @cached_property
    def hanging(self) -> list[Machine]:
        """Machines that are there and are not waited for any more."""
        return [m for m in self.machines if m.phase == MachinePhase.COLD and not self.works_soon(m)]

    @cached_property
    def dearest_first(self) -> list[Machine]:
        """All machines by USD a token."""
        return self.by_price(self.machines)

    def by_price(self, machines: Sequence[Machine]) -> list[Machine]:
        """Machines by USD a token, the dearest first; ties by name."""
        prices = {number: self.price(number) for number in {m.kind for m in machines}}
        return sorted(machines, key=lambda m: (-prices[m.kind], m.name))

    def price(self, number: int) -> float:
        """USD a token of a machine of a kind that runs: its start is paid. Without a known price it is the dearest."""
        kind = self.kinds.get(number)
        return inf if kind is None else usd_per_token(kind)

    def works_soon(self, machine: Machine) -> bool:
        """Whether a machine works, or is asked for, or may still be within its cold start: else it hangs."""
        if machine.phase != MachinePhase.COLD:
            return True
        kind = self.kinds.get(machine.kind)
        return kind is None or machine.seconds <= HANGING_STARTS * kind.cold_start_p90

    def rate(self, machines: Sequence[Machine]) -> float:
        kinds = self.kinds
        return sum([kinds[m.kind].tokens_per_second for m in machines if m.kind in kinds])

    @cached_property
    def started_spot_rate(self) -> float:
        """The speed of spot machines that work, or may still be within their cold start."""
        there = [m for m in self.spot if m.phase != MachinePhase.ASKED]
        return self.rate([m for m in there if self.works_soon(m)] if self.hanging else there)

    @cached_property
    def working_spot_rate(self) -> float:
        return self.rate(self.working_spot)

    @cached_property
    def seconds_to_finish(self) -> float | None:
        """Seconds until the machines that are there have done the work, each after its start; None: never.

        A machine that would come when the others are done adds nothing, however fast it is.
        """
        there = [m for m in self.machines if m.phase != MachinePhase.ASKED]
        if self.hanging:
            hanging = {m.name for m in self.hanging}
            there = [m for m in there if m.name not in hanging]
        tokens, rate, at = self.tokens_left, 0.0, 0.0
        for wait, speed in sorted([self._begin(machine) for machine in there]):
            if tokens <= rate * (wait - at):
                break
            tokens -= rate * (wait - at)
            at, rate = wait, rate + speed
        return at + tokens / rate if rate else None

    def _begin(self, machine: Machine) -> tuple[float, float]:
        """Seconds until a machine embeds, and tokens a second from then on."""
        kind = self.kinds.get(machine.kind)
        if kind is None:
            return 0.0, 0.0
        wait = 0.0 if machine.phase == MachinePhase.WORKING else max(0.0, kind.cold_start - machine.seconds)
        return wait, kind.tokens_per_second
