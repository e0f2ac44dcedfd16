"""One worker for each GPU of a machine, started again when it crashes.

    python -m tasks.supervisor --store OUTPUT --run RUN [--name NAME] [--workers N] [options of tasks.worker]

Worker n is called NAME-n, then NAME-nr1, NAME-nr2 and so on: every life has a name, a heartbeat and receipts of its
own, also when this program itself is started again under the same NAME. For a life that ended in a crash it writes
the last heartbeat (state `lost`, and why) and gives back the leases that this one names. SIGTERM, SIGINT and SIGUSR1
are passed on and waited for; a run that is told to drain (`tasks.protocol.control`) is as good as SIGUSR1. On Linux the
workers get SIGTERM when this process dies of whatever; elsewhere they would go on without it, and end with the run.

Exit status 0: every shard is done, or told to end; 3: every worker says that somebody must act; 1: workers crash
without finishing a shard, and nobody finished the run.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO
from uuid import uuid4

from tasks.clock import utc
from tasks.errors import Problem
from tasks.protocol import crash_marker, heartbeat, keys
from tasks.protocol.control import watch
from tasks.protocol.heartbeat import Heartbeat, ReturnedLease
from tasks.protocol.keys import lease_key
from tasks.protocol.lease import holder, release
from tasks.protocol.worker_names import free_restarts, worker_name
from tasks.stores.base import Store, Unsure, every, read
from tasks.stores.open import open_store
from tasks.supervisor.restart_policy import (
    FIRST_PAUSE_SECONDS,
    MAX_CRASHES,
    MUST_ACT,
    Restart,
    SlotEnd,
    exit_status,
    next_step,
)
from tasks.worker.heartbeat import HeartbeatWriter
from tasks.worker.machine_stats import visible_gpus

TERMINATION_SECONDS = (
    120.0  # seconds a worker has to end after SIGTERM; the longest notice that a cloud gives
)
POLL_SECONDS = 0.1  # seconds between looks at the workers
LINE_BYTES = 8_192  # bytes of a line that are passed on together
EXIT_NOT_STARTED = 126  # what a shell says of a program that it cannot execute


@dataclass(slots=True)
class WorkerSlot:
    """The place of one worker: on a GPU of its own, or on none."""

    number: int
    device: str | None
    life: int  # of the next worker here
    name: str = ""  # of the present worker, or the last
    child: "subprocess.Popen[bytes] | None" = None
    relay: threading.Thread | None = None
    words: deque[str] = field(default_factory=lambda: deque[str](maxlen=20))  # the last lines that it said
    crashes: list[float] = field(default_factory=list[float])  # without a receipt in between; monotonic
    due: float = 0.0  # when to start the next life; monotonic
    end: SlotEnd | None = None
    oom_kills: int = 0  # of the kernel on this machine when the present worker was started

    def problem(self) -> Problem:
        """Why nobody works here any more, in the worker's own words where it has any."""
        last = self.words[-1] if self.words else "it said nothing"
        if self.end == SlotEnd.GIVEN_UP:
            return Problem(
                f"{self.name} and the {MAX_CRASHES - 1} workers before it crashed without finishing a shard; "
                f"last line of its log: {last}",
                hint="read their logs above, fix the cause, then start the same command again",
            )
        said = dict(line.split(": ", 1) for line in self.words if line.startswith(("Error: ", "Try: ")))
        return Problem(
            said.get("Error", f"{self.name} cannot be helped by a restart: {last}"),
            hint=said.get("Try", "read what the workers said above"),
        )


@dataclass(slots=True)
class Supervisor:
    """Keeps every slot at work until its worker ends well, cannot be helped, or crashes too often."""

    store: Store
    run: str
    slots: list[WorkerSlot]
    machine: str  # what the workers' names begin with
    command: list[str]  # of a worker, but for its name and scratch folder
    scratch: Path
    pause: float = FIRST_PAUSE_SECONDS
    told: signal.Signals | None = None
    deadline: float | None = None  # when workers that were told to end are killed
    lock: threading.Lock = field(default_factory=threading.Lock)  # of the log

    def go(self) -> int:
        """Supervise to the end; the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, self._on_signal)
        # A signal to ourselves: the main thread hears it, as it hears the machine's.
        over = watch(self.store, self.run, lambda: os.kill(os.getpid(), signal.SIGUSR1))
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
        """Move one slot on, where there is something to do."""
        now = time.monotonic()
        if slot.child is None:
            if slot.end is None and self.told:
                slot.end = SlotEnd.DONE
            elif slot.end is None and now >= slot.due:
                self._start(slot)
            return
        status = slot.child.poll()
        if status is not None:
            self._bury(slot, slot.child.pid, status)
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
        leash = [sys.executable, "-m", "tasks.supervisor.parent_death", str(os.getpid())]
        own = ["--name", slot.name, "--scratch", str(self.scratch / slot.name)]
        # A session of its own: what a worker starts in turn (an engine, loaders) can then be ended with it.
        try:
            slot.child = subprocess.Popen(
                [*leash, *self.command, *own],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=Path(__file__).parents[2],
                start_new_session=True,
            )
        except OSError as error:  # no memory, processes or files left: the next try may find some
            slot.words.append(str(error))
            self._decide(slot, EXIT_NOT_STARTED, f"not started: {error.strerror}")
            return
        assert slot.child.stdout
        words = (slot.name, slot.child.stdout, slot.words)
        slot.relay = threading.Thread(target=self._relay, args=words, name=f"log of {slot.name}", daemon=True)
        slot.relay.start()
        if self.told:  # it came between the look and the start
            _tell(slot, self.told)

    def _bury(self, slot: WorkerSlot, pid: int, status: int) -> None:
        """A worker has ended: settle what it left, and decide what becomes of its slot."""
        _kill(pid)  # an engine that it started may still hold the GPU's memory
        assert slot.relay
        slot.relay.join(timeout=5)
        slot.child = slot.relay = None
        how = None
        obeyed = self.told is not None and status in (-signal.SIGTERM, -signal.SIGUSR1)  # before it listened
        if not obeyed and isinstance(next_step(status, [], 0.0, told=False), Restart):
            how = f"killed by {_signal_name(-status)}" if status < 0 else f"exit status {status}"
            guilty = crash_marker.died_of_its_work(status, crash_marker.oom_kills() - slot.oom_kills)
            if self._settle(
                slot, pid, how, crash_marker.marked(self.scratch / slot.name) if guilty else frozenset()
            ):
                slot.crashes.clear()
        shutil.rmtree(self.scratch / slot.name, ignore_errors=True)
        self._decide(slot, status, how)

    def _decide(self, slot: WorkerSlot, status: int, how: str | None) -> None:
        """What becomes of a slot whose worker ended so; `how` it crashed, where it did."""
        now = time.monotonic()
        if how:
            slot.crashes.append(now)
            self.say(f"{slot.name} crashed ({how}), {len(slot.crashes)} in a row without a finished shard")
        found = next_step(status, slot.crashes, now, told=self.told is not None, pause=self.pause)
        if isinstance(found, Restart):
            wait = found.seconds * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, not a secret
            slot.due = now + wait
            self.say(f"{worker_name(self.machine, slot.number, slot.life)} starts in {wait:.1f} s")
        else:
            slot.end = found

    def _settle(self, slot: WorkerSlot, pid: int, how: str, died_of: Collection[str]) -> bool:
        """Write the heartbeat that a worker could not, and give back its leases; whether it had finished a shard.

        `died_of`: keys of the leases whose shards it may have died of.
        """
        try:
            body = read(self.store, keys.heartbeat_key(self.run, slot.name))
            now = utc()
            pulse = (
                heartbeat.load(body)
                if body
                else Heartbeat(
                    run=self.run, worker=slot.name, host=socket.gethostname(), pid=pid, started=now
                )
            )
            pulse.state, pulse.stopping = "lost", now
            pulse.error = ": ".join([how, *list(slot.words)[-1:]])
            for slab, shard, generation, claimed in pulse.leases:
                lease = lease_key(self.run, slab, shard, generation)
                held = holder(self.store, lease)
                if held and held[0] == slot.name:
                    release(self.store, lease, crashed=lease in died_of)
                    pulse.returned.append(ReturnedLease(slab, shard, generation, claimed, now))
            for lease in died_of:  # taken after its last sign of life
                held = holder(self.store, lease)
                if held and held[0] == slot.name:
                    release(self.store, lease, crashed=True)
            pulse.leases = []
            HeartbeatWriter(self.store, pulse).beat()
        except (Problem, Unsure, OSError, ValueError) as error:  # its leases run out by themselves
            self.say(f"the last heartbeat of {slot.name} was not written: {error}")
            return False
        return pulse.shards > 0

    def _relay(self, name: str, pipe: IO[bytes], words: deque[str]) -> None:
        """Pass on what a worker says, with its name before it, until nobody is left to say anything."""
        with pipe:
            while line := pipe.readline(LINE_BYTES):
                text = line.decode("utf-8", "replace").rstrip()
                if text:
                    words.append(text)
                self.say(text, name)

    def say(self, text: str, name: str = "supervisor") -> None:
        """One line of the log."""
        with self.lock, contextlib.suppress(OSError, ValueError):  # nobody may be left to read it
            print(f"{name} | {text}", flush=True)  # noqa: T201 - the machine's log

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGUSR1:
            self.told = self.told or signal.SIGUSR1
        else:
            self.told = signal.SIGTERM
            self.deadline = time.monotonic() + TERMINATION_SECONDS
        for slot in self.slots:
            _tell(slot, self.told)


def _tell(slot: WorkerSlot, number: signal.Signals) -> None:
    if slot.child:
        with contextlib.suppress(ProcessLookupError):
            slot.child.send_signal(number)


def _kill(pid: int) -> None:
    """A worker and all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _slots(wanted: int | None, lives: dict[int, int]) -> list[WorkerSlot]:
    """A slot for each GPU, or as many as are wanted, over the GPUs in turn."""
    gpus = visible_gpus()
    count = wanted or len(gpus) or 1
    return [WorkerSlot(n, gpus[n % len(gpus)] if gpus else None, lives.get(n, 0)) for n in range(count)]


def _command(arguments: argparse.Namespace, rest: list[str], slots: Sequence[WorkerSlot]) -> list[str]:
    """What every worker is started with. Cores are shared out where there is no GPU."""
    command = [
        sys.executable,
        "-m",
        "tasks.worker",
        "--store",
        arguments.store,
        "--run",
        arguments.run,
        *rest,
    ]
    if slots[0].device is None and not any(word.partition("=")[0] == "--threads" for word in rest):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        command += ["--threads", str(max(1, cores // len(slots)))]
    return command


@contextlib.contextmanager
def _folder(chosen: Path | None) -> Generator[Path, None, None]:
    """The chosen folder, or a new one that goes with us."""
    if chosen:
        yield chosen.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="embedfleet-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="python -m tasks.supervisor",
        description=__doc__.partition("\n")[0] if __doc__ else None,
        epilog="Every other option is passed on to the workers: see python -m tasks.worker --help.",
        allow_abbrev=False,
    )
    parser.add_argument("--store", required=True, help="the job's output path")
    parser.add_argument("--run", required=True)
    parser.add_argument(
        "--name",
        default=f"{socket.gethostname()}-{uuid4().hex[:6]}",
        help="of this machine; worker n is NAME-n (default: the host's, and something random)",
    )
    parser.add_argument("--workers", type=int, help="how many (default: one a GPU, or one)")
    parser.add_argument("--scratch", type=Path, help="folder for the workers' files (default: a new one)")
    parser.add_argument(
        "--pause", type=float, default=FIRST_PAUSE_SECONDS, help="seconds from a first crash to the restart"
    )
    return parser.parse_known_args()


def main() -> int:
    """Supervise this machine's workers; the exit status."""
    arguments, rest = _arguments()
    if "://" not in arguments.store:
        arguments.store = str(Path(arguments.store).absolute())  # a worker runs elsewhere
    status, problem = 0, None
    try:
        store = open_store(arguments.store)
        known = every(store, keys.heartbeats_prefix(arguments.run, f"{arguments.name}-"))
        workers = [keys.worker_of(entry.key) for entry in known]
        slots = _slots(arguments.workers, free_restarts(workers, arguments.name))
        command = _command(arguments, rest, slots)
        with _folder(arguments.scratch) as scratch:
            supervisor = Supervisor(
                store, arguments.run, slots, arguments.name, command, scratch, arguments.pause
            )
            status = supervisor.go()
        if status:
            problem = next(slot.problem() for slot in slots if slot.end != SlotEnd.DONE)
    except Problem as found:
        status, problem = MUST_ACT, found
    if problem:
        print(f"Error: {problem}\nTry: {problem.hint}", file=sys.stderr, flush=True)  # noqa: T201 - its own stderr
    return status
