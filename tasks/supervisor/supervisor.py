"""The supervisor: starts the workers of a machine, one for each GPU, and restarts them with backoff when they crash.

For a worker that crashed it writes the last heartbeat (state `lost`, with the cause) and releases the leases that it
lists (`settle`). SIGTERM, SIGINT and SIGUSR1 are passed on, and the workers' end is waited for. A drained run or
machine (`messages.control`) has the effect of SIGUSR1. On Linux the workers get SIGTERM when the supervisor dies;
elsewhere they continue and end with the run.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from tasks.errors import Problem
from tasks.printable import plain
from tasks.protocol.messages import crash_marker
from tasks.protocol.messages.control import watch
from tasks.protocol.messages.exit_codes import ENGINE_BROKEN, ENGINE_HUNG
from tasks.protocol.messages.worker_names import worker_name
from tasks.stores.base import OutcomeUnknown, Store
from tasks.supervisor.restart_policy import (
    FIRST_PAUSE_SECONDS,
    MAX_CRASHES,
    Restart,
    SlotEnd,
    exit_status,
    next_step,
)
from tasks.supervisor.settle import settle
from tasks.worker.monitoring.start_timer import SETUP_VARIABLE

TERMINATION_SECONDS = 120.0  # a worker has to end after SIGTERM; the longest notice that a cloud gives
POLL_SECONDS = 0.1  # between looks at the workers
LINE_BYTES = 8_192  # of a log line that are passed on together
EXIT_NOT_STARTED = 126  # as a shell has it for a program that it cannot execute


@dataclass(slots=True)
class WorkerSlot:
    """The place of one worker, on a GPU of its own or without one.

    Attributes:
        life: restart number of the next worker here.
        started: a worker has been started here by this supervisor.
        name: of the present worker, or of the last.
        words: the last lines of its log.
        crashes: times of crashes without a receipt in between, by the monotonic clock.
        due: when the next worker starts, by the monotonic clock.
        oom_kills: of the kernel on this machine when the present worker was started.
    """

    number: int
    device: str | None
    life: int
    started: bool = False
    name: str = ""
    child: "subprocess.Popen[bytes] | None" = None
    relay: threading.Thread | None = None
    words: deque[str] = field(default_factory=lambda: deque[str](maxlen=20))
    crashes: list[float] = field(default_factory=list[float])
    due: float = 0.0
    end: SlotEnd | None = None
    oom_kills: int = 0

    def problem(self) -> Problem:
        """Why no worker runs here any more, by the worker's own error where it gave one."""
        last = self.words[-1] if self.words else "it logged nothing"
        if self.end == SlotEnd.GIVEN_UP:
            return Problem(
                f"{self.name} and the {MAX_CRASHES - 1} workers before it crashed without finishing a shard; "
                f"last line of its log: {last}",
                hint="read their logs above, fix the cause, then start the same command again",
            )
        said = dict(line.split(": ", 1) for line in self.words if line.startswith(("Error: ", "Try: ")))
        return Problem(
            said.get("Error", f"a restart does not help {self.name}: {last}"),
            hint=said.get("Try", "read the logs of the workers above"),
        )


@dataclass(slots=True)
class Supervisor:
    """Keeps a worker running in every slot until it ends well, needs a person, or crashes too often.

    Attributes:
        machine: what the workers' names begin with.
        command: of a worker, without its name and scratch folder.
        told: the signal that the supervisor received.
        deadline: when workers that were told to end are killed, by the monotonic clock.
        lock: of the log.
    """

    store: Store
    run: str
    slots: list[WorkerSlot]
    machine: str
    command: list[str]
    scratch: Path
    pause: float = FIRST_PAUSE_SECONDS
    told: signal.Signals | None = None
    deadline: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def go(self) -> int:
        """Supervise to the end; the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, self._on_signal)
        # A signal to this process, so that the main thread handles a drained run as it handles the machine's signals.
        over = watch(
            self.store,
            self.run,
            lambda: os.kill(os.getpid(), signal.SIGUSR1),
            say=self.log,
            machine=self.machine,
        )
        try:
            while any(slot.end is None for slot in self.slots):
                for slot in self.slots:
                    self._look(slot)
                time.sleep(POLL_SECONDS)
        finally:
            over.set()
            for slot in self.slots:
                _tell(slot, signal.SIGTERM)
        return exit_status([slot.end for slot in self.slots if slot.end])

    def _look(self, slot: WorkerSlot) -> None:
        """Start, settle or kill the worker of one slot, where that is due."""
        now = time.monotonic()
        if slot.child is None:
            if slot.end is None and self.told:
                slot.end = SlotEnd.DONE
            elif slot.end is None and now >= slot.due:
                self._start(slot)
            return
        status = slot.child.poll()
        if status is not None:
            self._reap(slot, slot.child.pid, status)
        elif self.deadline and now > self.deadline:
            _kill(slot.child.pid)

    def _start(self, slot: WorkerSlot) -> None:
        slot.name = worker_name(self.machine, slot.number, slot.life)
        slot.life += 1
        slot.oom_kills = crash_marker.oom_kills()
        slot.words = deque(maxlen=slot.words.maxlen)
        environment = dict(os.environ)
        if slot.device is not None:
            environment["CUDA_VISIBLE_DEVICES"] = slot.device
        if slot.started:  # the machine's setup is no part of the start of a later worker
            environment.pop(SETUP_VARIABLE, None)
        slot.started = True
        wrapper = [sys.executable, "-m", "tasks.supervisor.parent_death", str(os.getpid())]
        own = ["--name", slot.name, "--scratch", str(self.scratch / slot.name)]
        # A session of its own, so that a worker's own children (an engine, loaders) can be ended with it.
        try:
            slot.child = subprocess.Popen(
                [*wrapper, *self.command, *own],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=Path(__file__).parents[2],
                start_new_session=True,
            )
        except OSError as error:  # no memory, processes or files left: a later try may succeed
            slot.words.append(str(error))
            self._decide(slot, EXIT_NOT_STARTED, f"not started: {error.strerror}")
            return
        assert slot.child.stdout
        words = (slot.name, slot.child.stdout, slot.words)
        slot.relay = threading.Thread(target=self._relay, args=words, name=f"log of {slot.name}", daemon=True)
        slot.relay.start()
        if self.told:  # the signal came between the look and the start
            _tell(slot, self.told)

    def _reap(self, slot: WorkerSlot, pid: int, status: int) -> None:
        """A worker has ended: release what it held, and decide whether its slot gets another."""
        _kill(pid)  # an engine that it started may still hold the GPU's memory
        assert slot.relay
        slot.relay.join(timeout=5)
        slot.child = slot.relay = None
        how = None
        ended_as_told = self.told is not None and status in (
            -signal.SIGTERM,
            -signal.SIGUSR1,
        )  # before its handlers were installed
        if not ended_as_told and isinstance(next_step(status, [], 0.0, told=False), Restart):
            how = _ending(status)
            crashed_on_work = crash_marker.died_of_its_work(status, crash_marker.oom_kills() - slot.oom_kills)
            died_of = crash_marker.blamed(self.scratch / slot.name) if crashed_on_work else {}
            said = ": ".join([how, *list(slot.words)[-1:]])
            try:
                if settle(self.store, self.run, slot.name, pid, said, died_of):
                    slot.crashes.clear()
            except (Problem, OutcomeUnknown, OSError, ValueError) as error:  # its leases expire by themselves
                self.log(f"the last heartbeat of {slot.name} was not written: {error}")
        shutil.rmtree(self.scratch / slot.name, ignore_errors=True)
        self._decide(slot, status, how)

    def _decide(self, slot: WorkerSlot, status: int, how: str | None) -> None:
        """Restart the slot after a backoff, or end it; `how` is the cause of a crash."""
        now = time.monotonic()
        if how:
            slot.crashes.append(now)
            self.log(f"{slot.name} crashed ({how}), {len(slot.crashes)} in a row without a finished shard")
        found = next_step(status, slot.crashes, now, told=self.told is not None, pause=self.pause)
        if isinstance(found, Restart):
            wait = found.seconds * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, not a secret
            slot.due = now + wait
            self.log(f"{worker_name(self.machine, slot.number, slot.life)} starts in {wait:.1f} s")
        else:
            slot.end = found

    def _relay(self, name: str, pipe: IO[bytes], words: deque[str]) -> None:
        """Pass on a worker's log with its name before each line, until the pipe closes."""
        with pipe:
            while line := pipe.readline(LINE_BYTES):
                text = line.decode("utf-8", "replace").rstrip()
                if text:
                    words.append(text)
                self.log(text, name)

    def log(self, text: str, name: str = "supervisor") -> None:
        """One line of the log."""
        with self.lock, contextlib.suppress(OSError, ValueError):  # the log may be closed
            print(f"{name} | {plain(text)}", flush=True)  # noqa: T201 - the machine's log

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGUSR1:
            self.told = self.told or signal.SIGUSR1
        else:
            self.told = signal.SIGTERM
            self.deadline = time.monotonic() + TERMINATION_SECONDS
        for slot in self.slots:
            _tell(slot, self.told)


def _ending(status: int) -> str:
    """How a worker crashed, in words."""
    if status < 0:
        return f"killed by {_signal_name(-status)}"
    meaning = {ENGINE_BROKEN: ", its engine is broken", ENGINE_HUNG: ", its engine hung"}
    return f"exit status {status}{meaning.get(status, '')}"


def _tell(slot: WorkerSlot, number: signal.Signals) -> None:
    if slot.child:
        with contextlib.suppress(ProcessLookupError):
            slot.child.send_signal(number)


def _kill(pid: int) -> None:
    """Kill a worker and its children."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
