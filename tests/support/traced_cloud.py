"""A cloud of this machine whose machines are supervisors with real workers, and live and die by a trace.

A trace says how many machines each place has from which minute on. Its clock runs many times as fast as ours: a minute
of the run passes in a second. An ask is answered after a minute of the run: the machine's processes start, or its place
has none. Where a place has fewer machines than it gave, some are killed with SIGKILL, workers and all, and nothing is
told to them before.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psutil

from launcher.fleet.backends.base import LaunchRequest, MachineStatus
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.records import MachineState, Site
from tasks.protocol.messages import control
from tasks.stores.folder import FolderStore
from tests.support.paths import ROOT

ANSWER = timedelta(minutes=1)
Trace = Mapping[str, Sequence[tuple[float, int]]]  # by place: from which minute on, how many machines


class FastClock:
    """Time that passes `times` as fast as ours."""

    def __init__(self, times: float) -> None:
        self.times = times
        self.start = datetime.now(UTC)
        self._began = time.monotonic()

    def __call__(self) -> datetime:
        return self.start + timedelta(seconds=(time.monotonic() - self._began) * self.times)


@dataclass(slots=True)
class TracedMachine:
    """A machine that was asked for in one place."""

    place: str
    site: Site
    offset: int
    requested: datetime
    up: datetime | None = None
    ended: datetime | None = None
    taken: bool = False
    refused: datetime | None = None  # when its place first said that it has none
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def held(self) -> bool:
        return self.up is not None and self.ended is None and not self.taken


@dataclass(slots=True)
class TracedBackend:
    """The machines of one run. `most` is how many were held at once at most."""

    folder: Path
    store: FolderStore
    run: str
    trace: Trace
    clock: FastClock
    environment: Mapping[str, str]
    purchases: Mapping[str, str]  # by place
    poll_seconds: float = 0.4
    machines: dict[str, TracedMachine] = field(default_factory=dict[str, TracedMachine])
    most: int = 0
    killed: int = 0
    looks: list[datetime] = field(default_factory=list[datetime])  # when the launcher asked how machines are

    def refresh(self) -> None:
        """Let the trace happen up to now."""
        now = self.clock()
        self.looks.append(now)
        for name, machine in self.machines.items():
            process = machine.process
            if machine.held and process is not None and process.poll() is not None:
                machine.ended = now
            waits = machine.up is None and machine.ended is None and now - machine.requested >= ANSWER
            if waits and self._held(machine.place) < self.machines_there(machine.place, now):
                self._bring_up(name, machine, now)
            elif waits:
                machine.refused = machine.refused or now
        for place in self.trace:
            held = [m for m in self.machines.values() if m.place == place and m.held]
            for machine in held[self.machines_there(place, now) :]:
                self._take(machine)
        self.most = max(self.most, sum(m.held for m in self.machines.values()))

    def start(self, requests: Sequence[LaunchRequest]) -> dict[str, str | Exception]:
        now = self.clock()
        for one in requests:
            assert one.name not in self.machines, f"{one.name} was asked for before"
            (place,) = one.places
            site = Site(place.cloud, place.region, place.zone, self.purchases[place.infra])
            self.machines[one.name] = TracedMachine(place.infra, site, one.offset, now)
        return {one.name: f"7:{one.name}" for one in requests}

    def find(self, name: str) -> str | None:
        machine = self.machines.get(name)
        return f"7:{name}" if machine is not None and machine.ended is None else None

    def list_alive(self) -> dict[str, str]:
        return {name: f"7:{name}" for name, m in self.machines.items() if m.ended is None}

    def status(self, handle: str) -> MachineStatus | None:
        return self.last_status(handle.partition(":")[2])

    def last_status(self, name: str) -> MachineStatus | None:
        machine = self.machines.get(name)
        if machine is None:
            return None
        if machine.ended is not None:
            return MachineStatus(
                None,
                MachineState.STOPPED,
                0,
                "it ended",
                site=machine.site,
                up=machine.up,
                ended=machine.ended,
            )
        if machine.taken:
            return MachineStatus(Phase.RECOVERING, site=machine.site, up=machine.up)
        if machine.up is None:
            return MachineStatus(Phase.WAITING, refused=machine.refused is not None)
        return MachineStatus(Phase.RUNNING, site=machine.site, up=machine.up)

    def drain(self, handles: Sequence[str]) -> None:
        for handle in handles:
            control.drain_machine(self.store, self.run, handle.partition(":")[2], datetime.now(UTC))

    def terminate(self, handles: Sequence[str]) -> None:
        for handle in handles:
            machine = self.machines[handle.partition(":")[2]]
            self._kill(machine)
            machine.ended = machine.ended or self.clock()

    def kill(self, handles: Sequence[str]) -> None:
        self.terminate(handles)

    def price(self, site: Site, instance_type: str | None) -> Decimal | None:
        del site, instance_type
        return None

    def blamed_leases(self, name: str, handle: str, exit_code: int | None) -> Mapping[str, str]:
        del name, handle, exit_code
        return {}

    def log_path(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def log_tail(self, name: str) -> str:
        with suppress(OSError):
            return self.log_path(name).read_text()[-2_000:]
        return ""

    def clean_up(self, name: str) -> None:
        """Nothing is kept but the log."""

    def close(self) -> None:
        """End every process that is left."""
        for machine in self.machines.values():
            self._kill(machine)

    def _held(self, place: str) -> int:
        return sum(m.held for m in self.machines.values() if m.place == place)

    def machines_there(self, place: str, now: datetime) -> int:
        """How many machines a place has now, those that it gave included."""
        minutes = (now - self.clock.start).total_seconds() / 60
        return next((n for since, n in reversed(self.trace[place]) if minutes >= since), 0)

    def _bring_up(self, name: str, machine: TracedMachine, now: datetime) -> None:
        machine.up = now
        command = [
            sys.executable,
            "-m",
            "tasks.supervisor",
            "--store",
            str(self.store.root),
            "--run",
            self.run,
        ]
        command += ["--name", name, "--workers", "1", "--heartbeat", "0.3", "--offset", str(machine.offset)]
        command += ["--scratch", str(self.folder / f"{name}.scratch")]
        with self.log_path(name).open("ab") as log:
            machine.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _take(self, machine: TracedMachine) -> None:
        self._kill(machine)
        machine.taken = True
        self.killed += 1

    def _kill(self, machine: TracedMachine) -> None:
        process = machine.process
        if process is None or process.poll() is not None:
            return
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    child.send_signal(signal.SIGKILL)
        process.kill()
        process.wait()


def places_of(machines: Mapping[str, TracedMachine]) -> Counter[str]:
    """How many machines came in each place."""
    return Counter(machine.place for machine in machines.values() if machine.up is not None)
