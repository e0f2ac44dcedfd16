"""Which workers live and which are dead, written into the ledger. For whoever drives a run, and whoever only looks.

A launcher may be killed between any two lines, and workers go on without one: so what the ledger believes of a
worker is held against the process table and the worker's own last sign of life.
"""

import shutil
from dataclasses import dataclass
from datetime import datetime

from launcher.clouds.local import RUNNING, Local
from launcher.fleet import ALIVE
from launcher.ledger import Ledger
from launcher.observe import Eye
from launcher.record import Machine, MachineState, RunState
from tasks import grip
from tasks.heart import Pulse, utc
from tasks.worker import MUST_ACT

ENDED_WELL = ("done", "stopped")  # a pulse's last state


@dataclass(slots=True)
class Census:
    """Needs to be the only one that writes down this run's machines: see `drive.sole`."""

    ledger: Ledger
    eye: Eye
    cloud: Local

    @property
    def run(self) -> str:
        return self.eye.run

    def adopt(self) -> None:
        """Intents of which nobody wrote down the end: a worker that was started is found, or its pulse is."""
        for machine in self.ledger.machines(self.run, {MachineState.INTENDED}):
            handle, pulse = self.cloud.find(machine.name), self.eye.pulse(machine.name)
            if handle:
                self.ledger.confirm_machine(machine.name, handle, _started(pulse) or utc())
            elif pulse:  # it came, worked and went while nobody looked
                self.ledger.confirm_machine(
                    machine.name, f"{pulse.pid}:{machine.name}", _started(pulse) or utc()
                )
            else:
                self.ledger.end_machine(machine.name, MachineState.LOST, machine.intended, "it never started")

    def count(self) -> None:
        """Bury the dead."""
        for machine in self.ledger.machines(self.run, {MachineState.UP}):
            state = self.cloud.state(machine.handle or "")
            if state != RUNNING:
                self._bury(machine, state)

    def settle(self) -> None:
        """Make the ledger true where no launcher does: the dead are buried, and a run that nobody works on rests."""
        self.adopt()
        self.eye.receipts()
        self.eye.pulses()
        self.count()
        row = self.ledger.find(self.run)
        if row.state in (RunState.PLANNED, RunState.DONE) or self.ledger.machines(self.run, set(ALIVE)):
            return
        self.ledger.set_run_state(self.run, RunState.DONE if self.eye.finished else RunState.STOPPED, utc())

    def _bury(self, machine: Machine, state: str | int | None) -> None:
        """Write down the end of a worker, and free what it held."""
        pulse = self.eye.pulse(machine.name)
        at = _end(machine, pulse, state)
        code = state if isinstance(state, int) else None
        if code == 0 or (code is None and pulse is not None and pulse.state in ENDED_WELL):
            self.ledger.end_machine(machine.name, MachineState.STOPPED, at, "it ended", code)
        elif code == MUST_ACT or (code is None and pulse is not None and pulse.state == "failed"):
            reason = pulse.error if pulse and pulse.error else self.cloud.last_words(machine.name)
            self.ledger.end_machine(machine.name, MachineState.FAILED, at, reason or "it gave up", code)
        else:
            how = f"killed by signal {-code}" if code and code < 0 else f"it died with exit status {code}"
            how = "it died while no launcher looked" if code is None else how
            self.ledger.end_machine(machine.name, MachineState.LOST, at, how, code)
            self.ledger.note(self.run, "lost", f"{machine.name}: {how}", utc())
        scratch = self.cloud.scratch(machine.name)
        kills = self.cloud.oom_kills(machine.handle or "")
        self.eye.release(machine.name, at, grip.held(scratch) if grip.guilty(code, kills) else ())
        shutil.rmtree(scratch, ignore_errors=True)


def _started(pulse: Pulse | None) -> datetime | None:
    return datetime.fromisoformat(pulse.started) if pulse else None


def _end(machine: Machine, pulse: Pulse | None, state: str | int | None) -> datetime:
    """Whoever died while nobody looked died after its last sign of life; it is not billed for what nobody saw."""
    if state is not None:
        return utc()
    if pulse is not None:
        return datetime.fromisoformat(pulse.stopping or pulse.at)
    return machine.confirmed or machine.intended
