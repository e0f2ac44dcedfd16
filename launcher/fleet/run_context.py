"""What every part of a launcher needs of the run that it works on, passed by name.

`controller`, `status` and `teardown` build the same context: status and teardown need the machine tracker of a run
without a controller.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from launcher.fleet.backends.base import Backend
from launcher.fleet.monitoring.machine_tracker import MachineTracker
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.monitoring.worker_tracker import WorkerTracker
from launcher.fleet.provisioning.provisioner import provision
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Machine, Run
from launcher.planning.saved import plan_file
from tasks.clock import utc
from tasks.stores.base import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """A run, where its state is read and written, and where its machines come from."""

    ledger: Ledger
    observer: StoreObserver
    backend: Backend
    groups: tuple[FleetGroup, ...]  # one of this machine, or those that are rented
    clock: Callable[[], datetime] = utc

    @property
    def run(self) -> str:
        return self.observer.run

    @property
    def store(self) -> Store:
        return self.observer.store

    @property
    def rented(self) -> bool:
        return any(group.rented for group in self.groups)

    def group(self, number: int) -> FleetGroup:
        return next(group for group in self.groups if group.number == number)

    def rented_group_of(self, machine: Machine) -> FleetGroup | None:
        """The group of a rented machine; None for a worker of this machine."""
        return next((g for g in self.groups if g.rented and g.number == machine.lot), None)


def context_of(ledger: Ledger, run: Run, observer: StoreObserver, folder: Path) -> RunContext:
    """The context of a run that is in the ledger. Asks no cloud."""
    provisioned = provision(plan_file.read_recorded(run.plan), run.output, observer.store, folder)
    return RunContext(
        ledger=ledger, observer=observer, backend=provisioned.backend, groups=provisioned.groups
    )


def track_machines(context: RunContext) -> MachineTracker:
    """The tracker of the run's machines; the caller must hold the run's lock to use it."""
    return MachineTracker(
        ledger=context.ledger,
        observer=context.observer,
        backend=context.backend,
        groups=context.groups,
        workers=WorkerTracker(context.observer) if context.rented else None,
        clock=context.clock,
    )
