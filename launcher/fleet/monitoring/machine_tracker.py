"""Which machines live and which have ended, written into the ledger; for the controller, and for commands that only look.

A launcher may be killed between any two lines, and machines go on without one. So what the ledger holds about a machine
is reconciled with its backend and with the last heartbeats of its workers.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from launcher.fleet.backends.base import Backend, MachineStatus
from launcher.fleet.monitoring.machine_price import hourly_price, planned_price, with_hardware
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.monitoring.worker_tracker import WorkerTracker
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.fleet.scheduling.states import ALIVE, CLEAN_ENDS, Phase
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import LifeEnd, Machine, MachineState, RunState, Site
from tasks.clock import utc
from tasks.protocol.messages.heartbeat import Heartbeat

DIED_UNSEEN = "it died while no launcher looked"
ERROR_LINE = "Error: "  # how a program of ours begins the line that says what is wrong


@dataclass(slots=True)
class MachineTracker:
    """The machines of one run. The caller must hold `run_lock`: two trackers at once would both write.

    A rented machine has lives, one for each time that it came up: each has a place, a price, a beginning and an end.
    """

    ledger: Ledger
    observer: StoreObserver
    backend: Backend
    groups: tuple[FleetGroup, ...] = ()
    workers: WorkerTracker | None = None  # of rented machines
    clock: Callable[[], datetime] = utc
    statuses: dict[str, MachineStatus] = field(default_factory=dict[str, MachineStatus])
    lives_begun: dict[str, int] = field(
        default_factory=dict[str, int]
    )  # the last life with a written beginning
    lives_ended: dict[str, int] = field(default_factory=dict[str, int])  # and with a written end

    @property
    def run(self) -> str:
        return self.observer.run

    def resolve_intents(self) -> None:
        """Find out what became of machines that a launcher intended to start before it died."""
        for machine in self.ledger.machines.of_run(self.run, {MachineState.INTENDED}):
            handle, heartbeat = self.backend.find(machine.name), self._heartbeat(machine.name)
            started = heartbeat.started if heartbeat else self.clock()
            if handle:
                self.ledger.machines.confirm(machine.name, handle, started)
            elif heartbeat:  # it started, worked and ended while no launcher looked
                self.ledger.machines.confirm(machine.name, f"{heartbeat.pid}:{machine.name}", started)
            else:
                self.ledger.machines.end(
                    machine.name, MachineState.LOST, machine.intended, "it never started"
                )

    def adopt(self) -> None:
        """Write down living machines of this run that the ledger does not know.

        They were started from another laptop, or the ledger that knew them was lost.
        """
        known = {m.name for m in self.ledger.machines.of_run(self.run)}
        for name, handle in self.backend.list_alive().items():
            found = (
                (group, match["slot"])
                for group in self.groups
                if (match := re.fullmatch(re.escape(group.name) + r"(?P<slot>\d+)-\d+", name))
            )
            group, slot = next(found, (None, ""))
            if name in known or group is None:
                continue
            status = self.backend.status(handle)
            site = (status.site if status else None) or Site(group.places[0].cloud)
            usd = planned_price(group, site)
            self.ledger.machines.intend(
                self.run, name, int(slot), usd, self.clock(), gpu=group.gpu, lot=group.number, site=site
            )
            self.ledger.machines.confirm(name, handle, self.clock())
            self.ledger.runs.record_event(
                self.run, "adopted", f"{name}, which this ledger did not know", self.clock()
            )

    def refresh_machines(self) -> None:
        """Compare every machine that the ledger holds as up with its backend, and write down those that ended."""
        for machine in self.ledger.machines.of_run(self.run, {MachineState.UP}):
            status = self.backend.status(machine.handle or "")
            if status:
                self.statuses[machine.name] = status
                self._record_life(machine, status)
            if status is None or not status.alive:
                self._record_end(machine, status)

    def reconcile(self) -> None:
        """Bring the ledger up to date while no launcher drives the run; without machines it becomes STOPPED or DONE."""
        self.backend.refresh()
        self.resolve_intents()
        self.observer.read_receipts()
        self.read_heartbeats()
        self.refresh_machines()
        row = self.ledger.runs.find(self.run)
        if row.state in (RunState.PLANNED, RunState.DONE) or self.ledger.machines.of_run(
            self.run, set(ALIVE)
        ):
            return
        state = RunState.DONE if self.observer.finished else RunState.STOPPED
        self.ledger.runs.set_state(self.run, state, self.clock())

    def read_heartbeats(self) -> None:
        """Read the heartbeats of the workers on all machines that are up."""
        if self.workers is None:
            self.observer.read_heartbeats()
        else:
            self.workers.read_heartbeats(
                {m.name for m in self.ledger.machines.of_run(self.run, {MachineState.UP})}
            )

    def shards_done(self, machine: str) -> int:
        return self.workers.shards_done(machine) if self.workers else self.observer.shards_by_worker[machine]

    def _record_life(self, machine: Machine, status: MachineStatus) -> None:
        """Write down the beginning of a rented machine's life, and its end when it was preempted."""
        up = life_start(machine, status)
        begun = self.lives_begun.get(machine.name, -1)
        if status.site is not None and up is not None and begun < status.life:
            self._begin_life(machine, status, up, status.site)
        lived, ended = self.lives_begun.get(machine.name), self.lives_ended.get(machine.name, -1)
        if status.phase == Phase.RECOVERING and lived == status.life and ended < status.life:
            self.lives_ended[machine.name] = status.life
            self.ledger.machines.end_life(machine.name, status.life, self.clock(), LifeEnd.PREEMPTED)
            # SkyPilot may be looking for the next one elsewhere by now.
            life = self.ledger.machines.life(machine.name, status.life)
            place = (life or machine).site.zoned
            self.ledger.runs.record_event(
                self.run, "preempted", f"{machine.name}: {place} took it away", self.clock()
            )
            if self.workers:
                self.workers.release_machine(machine.name, self.clock())

    def _begin_life(self, machine: Machine, status: MachineStatus, up: datetime, site: Site) -> None:
        group = next((g for g in self.groups if g.rented and g.number == machine.lot), None)
        usd = hourly_price(self.backend, group, site) if group else None
        whole = with_hardware(group, site) if group else site
        if self.ledger.machines.begin_life(machine.name, status.life, up, whole, usd) and status.life:
            self.ledger.runs.record_event(
                self.run, "recovered", f"{machine.name} in {site.zoned}", self.clock()
            )
        self.lives_begun[machine.name] = status.life

    def _record_end(self, machine: Machine, status: MachineStatus | None) -> None:
        """Write down the end of a machine, and free the leases that its workers held."""
        last = self._last_heartbeats(machine)
        at = _end_time(machine, last[-1] if last else None, status, self.clock())
        state = _end_state(last, status)
        reason, code = (status.reason, status.exit_code) if status else (None, None)
        if state == MachineState.STOPPED:
            self.ledger.machines.end(machine.name, state, at, reason or "it ended", code)
        elif state == MachineState.FAILED:
            log = self.backend.log_tail(machine.name)
            error = next((h.error for h in last if h.state == "failed" and h.error), None)
            if reason and self.workers is not None:  # SkyPilot knows that a program failed, and not why
                reason = with_last_error(reason, log)
            self.ledger.machines.end(machine.name, state, at, error or reason or log or "it gave up", code)
        else:
            how = reason or DIED_UNSEEN
            self.ledger.machines.end(machine.name, state, at, how, code)
            self.ledger.runs.record_event(self.run, "lost", f"{machine.name}: {how}", self.clock())
        if self.workers is None:
            blamed = self.backend.blamed_leases(machine.name, machine.handle or "", code)
            self.observer.release_leases(machine.name, at, blamed)
        self.backend.clean_up(machine.name)

    def _heartbeat(self, machine: str) -> Heartbeat | None:
        if self.workers is None:
            return self.observer.read_heartbeat(machine)
        return next(iter(self.workers.release_machine(machine, self.clock())), None)

    def _last_heartbeats(self, machine: Machine) -> list[Heartbeat]:
        """The last heartbeats of a machine's workers, oldest first. Frees the leases of a rented machine's workers."""
        if self.workers is None:
            found = self.observer.read_heartbeat(machine.name)
            return [found] if found else []
        return sorted(self.workers.release_machine(machine.name, self.clock()), key=lambda h: h.at)


def with_last_error(reason: str, log: str) -> str:
    """Why a machine ended, with the last error in the end of its log; the reason alone where the log has none."""
    errors = [
        line.removeprefix(ERROR_LINE).strip() for line in log.splitlines() if line.startswith(ERROR_LINE)
    ]
    return f"{reason}: {errors[-1]}" if errors else reason


def life_start(machine: Machine, status: MachineStatus) -> datetime | None:
    """When a life began.

    Heartbeats prove that a machine is up before its backend reports it as running. A machine that is lost in between
    is replaced without a word by the backend, and was paid for.
    """
    if status.up is None and machine.ready is not None and not status.life:
        return status.launching_since
    return status.up


def _end_state(last: Sequence[Heartbeat], status: MachineStatus | None) -> MachineState:
    """What became of a machine: by its backend, and by its workers where the backend cannot say."""
    state = status.state if status else None
    if state is None:
        if last and last[-1].state in CLEAN_ENDS:
            return MachineState.STOPPED
        return MachineState.FAILED if last and last[-1].state == "failed" else MachineState.LOST
    if state == MachineState.LOST and last and {h.state for h in last} == {"failed"}:
        return (
            MachineState.FAILED
        )  # a backend knows only that the program failed; its workers, that a user must act
    return state


def _end_time(
    machine: Machine, last: Heartbeat | None, status: MachineStatus | None, now: datetime
) -> datetime:
    """When a machine ended. One that died unseen ended with its last heartbeat: time that no one saw is not billed."""
    if status is not None:
        return status.ended or now
    if last is not None:
        return last.stopping or last.at
    return machine.confirmed or machine.intended
