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
from tasks.protocol.heartbeat import Pulse

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
    eye: StoreObserver
    cloud: Backend
    price: Callable[[Machine, Site], Decimal | None] = planned_price
    whole: Callable[[Machine, Site], Site] = site_as_reported
    crew: WorkerTracker | None = None  # of rented machines
    sights: dict[str, MachineStatus] = field(default_factory=dict[str, MachineStatus])
    lives: dict[str, int] = field(default_factory=dict[str, int])  # the last that was written down as begun
    ended: dict[str, int] = field(default_factory=dict[str, int])  # and as ended

    @property
    def run(self) -> str:
        return self.eye.run

    def adopt(self) -> None:
        """Intents of which nobody wrote down the end: a machine that was started is found, or its pulse is."""
        for machine in self.ledger.machines(self.run, {MachineState.INTENDED}):
            handle, pulse = self.cloud.find(machine.name), self._pulse(machine.name)
            if handle:
                self.ledger.confirm_machine(machine.name, handle, _started(pulse) or utc())
            elif pulse:  # it came, worked and went while nobody looked
                self.ledger.confirm_machine(
                    machine.name, f"{pulse.pid}:{machine.name}", _started(pulse) or utc()
                )
            else:
                self.ledger.end_machine(machine.name, MachineState.LOST, machine.intended, "it never started")

    def count(self) -> None:
        """See every machine that is believed to be up, and bury the dead."""
        for machine in self.ledger.machines(self.run, {MachineState.UP}):
            sight = self.cloud.sight(machine.handle or "")
            if sight:
                self.sights[machine.name] = sight
                self._live(machine, sight)
            if sight is None or not sight.alive:
                self._bury(machine, sight)

    def settle(self) -> None:
        """Make the ledger true where no launcher does: the dead are buried, and a run that nobody works on rests."""
        self.cloud.look()
        self.adopt()
        self.eye.receipts()
        self.pulses()
        self.count()
        row = self.ledger.find(self.run)
        if row.state in (RunState.PLANNED, RunState.DONE) or self.ledger.machines(self.run, set(ALIVE)):
            return
        self.ledger.set_run_state(self.run, RunState.DONE if self.eye.finished else RunState.STOPPED, utc())

    def pulses(self) -> None:
        """What the workers of the machines that are up say of themselves."""
        if self.crew is None:
            self.eye.pulses()
        else:
            self.crew.look({m.name for m in self.ledger.machines(self.run, {MachineState.UP})})

    def shards(self, machine: str) -> int:
        return self.crew.shards(machine) if self.crew else self.eye.by_worker[machine]

    def _live(self, machine: Machine, sight: MachineStatus) -> None:
        """The lives of a rented machine: each has a place, a price, a beginning and an end."""
        up = life_start(machine, sight)
        if sight.site is not None and up is not None and self.lives.get(machine.name, -1) < sight.life:
            site = self.whole(machine, sight.site)
            usd = self.price(machine, site)
            if self.ledger.begin_life(machine.name, sight.life, up, site, usd) and sight.life:
                self.ledger.note(self.run, "recovered", f"{machine.name} in {sight.site.place}", utc())
            self.lives[machine.name] = sight.life
        lived, ended = self.lives.get(machine.name), self.ended.get(machine.name, -1)
        if sight.phase == Phase.RECOVERING and lived == sight.life and ended < sight.life:
            self.ended[machine.name] = sight.life
            self.ledger.end_life(machine.name, sight.life, utc(), How.PREEMPTED)
            self.ledger.note(
                self.run, "preempted", f"{machine.name}: {_place(machine, sight)} took it away", utc()
            )
            if self.crew:
                self.crew.settle(machine.name, utc())

    def _bury(self, machine: Machine, sight: MachineStatus | None) -> None:
        """Write down the end of a machine, and free what its workers held."""
        pulses = self._last(machine)
        pulse = pulses[-1] if pulses else None
        at = _end(machine, pulse, sight)
        state, code = (sight.state, sight.code) if sight else (None, None)
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
            words = self.cloud.last_words(machine.name)
            why = failed or reason or words or "it gave up"
            self.ledger.end_machine(machine.name, state, at, why, code)
        else:
            how = reason or DIED_UNSEEN
            self.ledger.end_machine(machine.name, state, at, how, code)
            self.ledger.note(self.run, "lost", f"{machine.name}: {how}", utc())
        if self.crew is None:
            blame = self.cloud.to_blame(machine.name, machine.handle or "", code)
            self.eye.release(machine.name, at, blame)
        self.cloud.forget(machine.name)

    def _pulse(self, machine: str) -> Pulse | None:
        if self.crew is None:
            return self.eye.pulse(machine)
        return next(iter(self.crew.settle(machine, utc())), None)

    def _last(self, machine: Machine) -> list[Pulse]:
        """What its workers said last, the latest last; their leases are free."""
        if self.crew is None:
            pulse = self.eye.pulse(machine.name)
            return [pulse] if pulse else []
        return sorted(self.crew.settle(machine.name, utc()), key=lambda p: p.at)


def life_start(machine: Machine, sight: MachineStatus) -> datetime | None:
    """Since when a life runs.

    Workers that were heard prove a machine before its cloud calls it running: one that is lost in between is replaced
    without a word, and was paid for.
    """
    if sight.up is None and machine.ready is not None and not sight.life:
        return sight.coming
    return sight.up


def _started(pulse: Pulse | None) -> datetime | None:
    return datetime.fromisoformat(pulse.started) if pulse else None


def _place(machine: Machine, sight: MachineStatus) -> str:
    return (sight.site or machine.site).place


def _end(machine: Machine, pulse: Pulse | None, sight: MachineStatus | None) -> datetime:
    """Whoever died while nobody looked died after its last sign of life; it is not billed for what nobody saw."""
    if sight is not None:
        return sight.ended or utc()
    if pulse is not None:
        return datetime.fromisoformat(pulse.stopping or pulse.at)
    return machine.confirmed or machine.intended
