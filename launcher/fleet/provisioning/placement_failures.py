"""What a run learned about places: which preempted machines, and which had none. Kept in the ledger for `resume`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from launcher.fleet.backends.base import MachineStatus
from launcher.fleet.scheduling.placement import NO_CAPACITY, PREEMPTED, PlacementFailure, infra_of
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Machine
from tasks.skypilot_task import Place

EVENT_KIND = "trouble"


@dataclass(slots=True)
class PlacementFailures:
    """The placement failures of a run so far. The same failure is recorded once."""

    ledger: Ledger
    run: str
    found: list[PlacementFailure] = field(default_factory=list[PlacementFailure])
    recorded: set[tuple[str, int, str]] = field(default_factory=set[tuple[str, int, str]])

    def load_known(self) -> None:
        """Read what earlier launchers recorded."""
        for event in self.ledger.runs.events(self.run):
            if event.kind == EVENT_KIND:
                infra, _, what = event.text.partition(" ")
                self.found.append(PlacementFailure(infra, event.at, what))

    def record(self, machine: Machine, status: MachineStatus, places: Sequence[Place], now: datetime) -> None:
        """Record a preemption, or a machine that came up elsewhere than where it was requested first."""
        if status.phase == Phase.RECOVERING and (machine.name, status.life, PREEMPTED) not in self.recorded:
            self._record_preemption(machine, status, places, now)
        where = infra_of(status.site, places) if status.site else None
        requested = infra_of(machine.site, places)
        first_life = status.phase == Phase.RUNNING and not status.life
        if first_life and where and requested and where != requested:
            self._record(machine.name, 0, PlacementFailure(requested, now, NO_CAPACITY))

    def record_refusal(self, machine: Machine, places: Sequence[Place], now: datetime) -> None:
        """Record that the places which a machine was asked for in had none."""
        requested = infra_of(machine.site, places)
        if requested:
            self._record(machine.name, 0, PlacementFailure(requested, now, NO_CAPACITY))

    def _record_preemption(
        self, machine: Machine, status: MachineStatus, places: Sequence[Place], now: datetime
    ) -> None:
        """Record that the place of a machine's life took it.

        Its status names no place, or the one where SkyPilot looks for the next, as soon as SkyPilot has taken down what
        was left of it.
        """
        life = self.ledger.machines.life(machine.name, status.life)
        site = status.site if life is None else life.site
        where = infra_of(site, places) if site else None
        if where:
            self._record(machine.name, status.life, PlacementFailure(where, now, PREEMPTED))

    def _record(self, machine: str, life: int, failure: PlacementFailure) -> None:
        if (machine, life, failure.what) not in self.recorded:
            self.recorded.add((machine, life, failure.what))
            self.found.append(failure)
            self.ledger.runs.record_event(self.run, EVENT_KIND, f"{failure.infra} {failure.what}", failure.at)
