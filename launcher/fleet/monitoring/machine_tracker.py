"""Which machines live and which are dead, written into the ledger. For whoever drives a run, and whoever only looks.

A launcher may be killed between any two lines, and machines go on without one: so what the ledger believes of a
machine is held against its cloud and its workers' own last signs of life.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from launcher.fleet.backends.base import Backend, MachineStatus
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.monitoring.worker_tracker import WorkerTracker
from launcher.fleet.states import ALIVE, Phase
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import How, Machine, MachineState, RunState, Site
from tasks.clock import utc
from tasks.protocol.heartbeat import Heartbeat

CLEAN_ENDS = ("done", "stopped")  # a pulse's last state
DIED_UNSEEN = "it died while no launcher looked"


def planned_price(machine: Machine, site: Site) -> Decimal | None:
    """Of places that nobody priced."""
    del site
    return machine.usd_per_hour


def site_as_reported(machine: Machine, site: Site) -> Site:
    """Where its cloud tells all there is to know of a machine."""
    del machine
    return site


@dataclass(slots=True)
class MachineTracker:
    """Needs to be the only one that writes down this run's machines: see `drive.sole`.

    `whole`: the site where a machine came up, with what its cloud does not tell of it. `price`: what an hour costs
    there. A rented machine has lives, each with a place and a price; it may have several workers, and what was found
    in a place that took one away goes to `troubles`.
    """

    ledger: Ledger
    observer: StoreObserver
    backend: Backend
    price: Callable[[Machine, Site], Decimal | None] = planned_price
    whole: Callable[[Machine, Site], Site] = site_as_reported
    workers: WorkerTracker | None = None  # of rented machines
    statuses: dict[str, MachineStatus] = field(default_factory=dict[str, MachineStatus])
    lives_begun: dict[str, int] = field(
        default_factory=dict[str, int]
    )  # the last that was written down as begun
    lives_ended: dict[str, int] = field(default_factory=dict[str, int])  # and as ended

    @property
    def run(self) -> str:
        return self.observer.run

    def resolve_intents(self) -> None:
        """Intents of which nobody wrote down the end: a machine that was started is found, or its pulse is."""
        for machine in self.ledger.machines(self.run, {MachineState.INTENDED}):
            handle, pulse = self.backend.find(machine.name), self._pulse(machine.name)
            if handle:
                self.ledger.confirm_machine(machine.name, handle, _started(pulse) or utc())
            elif pulse:  # it came, worked and went while nobody looked
                self.ledger.confirm_machine(
                    machine.name, f"{pulse.pid}:{machine.name}", _started(pulse) or utc()
                )
            else:
                self.ledger.end_machine(machine.name, MachineState.LOST, machine.intended, "it never started")

    def refresh_machines(self) -> None:
        """See every machine that is believed to be up, and bury the dead."""
        for machine in self.ledger.machines(self.run, {MachineState.UP}):
            sight = self.backend.status(machine.handle or "")
            if sight:
                self.statuses[machine.name] = sight
                self._live(machine, sight)
            if sight is None or not sight.alive:
                self._bury(machine, sight)

    def reconcile(self) -> None:
        """Make the ledger true where no launcher does: the dead are buried, and a run that nobody works on rests."""
        self.backend.refresh()
        self.resolve_intents()
        self.observer.read_receipts()
        self.read_heartbeats()
        self.refresh_machines()
        row = self.ledger.find(self.run)
        if row.state in (RunState.PLANNED, RunState.DONE) or self.ledger.machines(self.run, set(ALIVE)):
            return
        self.ledger.set_run_state(
            self.run, RunState.DONE if self.observer.finished else RunState.STOPPED, utc()
        )

    def read_heartbeats(self) -> None:
        """What the workers of the machines that are up say of themselves."""
        if self.workers is None:
            self.observer.read_heartbeats()
        else:
            self.workers.read_heartbeats({m.name for m in self.ledger.machines(self.run, {MachineState.UP})})

    def shards_done(self, machine: str) -> int:
        return self.workers.shards_done(machine) if self.workers else self.observer.shards_by_worker[machine]

    def _live(self, machine: Machine, sight: MachineStatus) -> None:
        """The lives of a rented machine: each has a place, a price, a beginning and an end."""
        up = life_start(machine, sight)
        if sight.site is not None and up is not None and self.lives_begun.get(machine.name, -1) < sight.life:
            site = self.whole(machine, sight.site)
            usd = self.price(machine, site)
            if self.ledger.begin_life(machine.name, sight.life, up, site, usd) and sight.life:
                self.ledger.note(self.run, "recovered", f"{machine.name} in {sight.site.place}", utc())
            self.lives_begun[machine.name] = sight.life
        lived, ended = self.lives_begun.get(machine.name), self.lives_ended.get(machine.name, -1)
        if sight.phase == Phase.RECOVERING and lived == sight.life and ended < sight.life:
            self.lives_ended[machine.name] = sight.life
            self.ledger.end_life(machine.name, sight.life, utc(), How.PREEMPTED)
            self.ledger.note(
                self.run, "preempted", f"{machine.name}: {_place(machine, sight)} took it away", utc()
            )
            if self.workers:
                self.workers.release_machine(machine.name, utc())

    def _bury(self, machine: Machine, sight: MachineStatus | None) -> None:
        """Write down the end of a machine, and free what its workers held."""
        pulses = self._last(machine)
        pulse = pulses[-1] if pulses else None
        at = _end(machine, pulse, sight)
        state, code = (sight.state, sight.exit_code) if sight else (None, None)
        said = [p.state for p in pulses]
        failed = next((p.error for p in pulses if p.state == "failed" and p.error), None)
        if state is None:  # the cloud cannot say
            state = MachineState.LOST
            if pulse is not None and pulse.state in CLEAN_ENDS:
                state = MachineState.STOPPED
            elif pulse is not None and pulse.state == "failed":
                state = MachineState.FAILED
        elif state == MachineState.LOST and said and set(said) == {"failed"}:
            state = (
                MachineState.FAILED
            )  # the cloud knows a failed program; its workers know that somebody must act
        reason = sight.reason if sight else None
        if state == MachineState.STOPPED:
            self.ledger.end_machine(machine.name, state, at, reason or "it ended", code)
        elif state == MachineState.FAILED:
            words = self.backend.log_tail(machine.name)
            why = failed or reason or words or "it gave up"
            self.ledger.end_machine(machine.name, state, at, why, code)
        else:
            how = reason or DIED_UNSEEN
            self.ledger.end_machine(machine.name, state, at, how, code)
            self.ledger.note(self.run, "lost", f"{machine.name}: {how}", utc())
        if self.workers is None:
            blame = self.backend.blamed_leases(machine.name, machine.handle or "", code)
            self.observer.release_leases(machine.name, at, blame)
        self.backend.clean_up(machine.name)

    def _pulse(self, machine: str) -> Heartbeat | None:
        if self.workers is None:
            return self.observer.read_heartbeat(machine)
        return next(iter(self.workers.release_machine(machine, utc())), None)

    def _last(self, machine: Machine) -> list[Heartbeat]:
        """What its workers said last, the latest last; their leases are free."""
        if self.workers is None:
            pulse = self.observer.read_heartbeat(machine.name)
            return [pulse] if pulse else []
        return sorted(self.workers.release_machine(machine.name, utc()), key=lambda p: p.at)


def life_start(machine: Machine, sight: MachineStatus) -> datetime | None:
    """Since when a life runs.

    Workers that were heard prove a machine before its cloud calls it running: one that is lost in between is replaced
    without a word, and was paid for.
    """
    if sight.up is None and machine.ready is not None and not sight.life:
        return sight.launching_since
    return sight.up


def _started(pulse: Heartbeat | None) -> datetime | None:
    return pulse.started if pulse else None


def _place(machine: Machine, sight: MachineStatus) -> str:
    return (sight.site or machine.site).place


def _end(machine: Machine, pulse: Heartbeat | None, sight: MachineStatus | None) -> datetime:
    """Whoever died while nobody looked died after its last sign of life; it is not billed for what nobody saw."""
    if sight is not None:
        return sight.ended or utc()
    if pulse is not None:
        return pulse.stopping or pulse.at
    return machine.confirmed or machine.intended
