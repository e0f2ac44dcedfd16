"""Supervise the workers of a machine: one for each GPU, restarted with backoff when it crashes.

    python -m tasks.supervisor --store OUTPUT --run RUN [--name NAME] [--workers N] [options of tasks.worker]

Worker n is called NAME-n, then after restarts NAME-nr1, NAME-nr2 and so on: each process has a name, a heartbeat and
receipts of its own, also when the supervisor itself is started again under the same NAME. For a worker that crashed the
supervisor writes the last heartbeat (state `lost`, with the cause) and releases the leases that it lists. SIGTERM, SIGINT
and SIGUSR1 are passed on, and the workers' end is waited for; a drained run (`tasks.protocol.control`) has the effect of
SIGUSR1. On Linux the workers get SIGTERM when the supervisor dies; elsewhere they continue and end with the run.

Exit status 0: every shard is done, or told to end; 3: every worker says that a person must act; 1: the workers crash
without finishing a shard, and the run is not done.
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
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO
from uuid import uuid4

from tasks.clock import utc
from tasks.errors import Problem
from tasks.printable import log_in_utf8, plain
from tasks.protocol import crash_marker, heartbeat, keys
from tasks.protocol.control import watch
from tasks.protocol.exit_codes import ENGINE_BROKEN, ENGINE_HUNG, MUST_ACT
from tasks.protocol.heartbeat import Heartbeat, ReturnedLease
from tasks.protocol.keys import lease_key
from tasks.protocol.lease import holder, release
from tasks.protocol.worker_names import free_restarts, worker_name
from tasks.stores.base import OutcomeUnknown, Store, list_all, read
from tasks.stores.open import open_store
from tasks.supervisor.restart_policy import (
    FIRST_PAUSE_SECONDS,
    MAX_CRASHES,
    Restart,
    SlotEnd,
    exit_status,
    next_step,
)
from tasks.worker.heartbeat import HeartbeatWriter
from tasks.worker.machine_stats import visible_gpus

TERMINATION_SECONDS = 120.0  # a worker has to end after SIGTERM; the longest notice that a cloud gives
POLL_SECONDS = 0.1  # between looks at the workers
LINE_BYTES = 8_192  # of a log line that are passed on together
EXIT_NOT_STARTED = 126  # as a shell has it for a program that it cannot execute


@dataclass(slots=True)
class WorkerSlot:
    """The place of one worker, on a GPU of its own or without one.

    Attributes:
        life: restart number of the next worker here.
        name: of the present worker, or of the last.
        words: the last lines of its log.
        crashes: times of crashes without a receipt in between, by the monotonic clock.
        due: when the next worker starts, by the monotonic clock.
        oom_kills: of the kernel on this machine when the present worker was started.
    """

    number: int
    device: str | None
    life: int
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
        over = watch(self.store, self.run, lambda: os.kill(os.getpid(), signal.SIGUSR1), say=self.log)
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
            if self._settle(slot, pid, how, died_of):
                slot.crashes.clear()
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

    def _settle(self, slot: WorkerSlot, pid: int, how: str, died_of: Mapping[str, str]) -> bool:
        """Write the last heartbeat of a crashed worker and release its leases; whether it had finished a shard.

        Args:
            slot: where it ran.
            pid: of the crashed process.
            how: the cause, for the heartbeat.
            died_of: keys of the leases whose shards it may have crashed on, with its place.
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
                    release(self.store, lease, died_at=died_of.get(lease))
                    pulse.returned.append(
                        ReturnedLease(
                            slab=slab, shard=shard, generation=generation, claimed=claimed, returned=now
                        )
                    )
            for lease, place in died_of.items():  # claimed after its last heartbeat
                held = holder(self.store, lease)
                if held and held[0] == slot.name:
                    release(self.store, lease, died_at=place)
            pulse.leases = []
            HeartbeatWriter(self.store, pulse).write_now()
        except (Problem, OutcomeUnknown, OSError, ValueError) as error:  # its leases expire by themselves
            self.log(f"the last heartbeat of {slot.name} was not written: {error}")
            return False
        return pulse.shards > 0

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


def _slots(wanted: int | None, lives: dict[int, int]) -> list[WorkerSlot]:
    """A slot for each GPU, or `wanted` slots over the GPUs in turn."""
    gpus = visible_gpus()
    count = wanted or len(gpus) or 1
    return [WorkerSlot(n, gpus[n % len(gpus)] if gpus else None, lives.get(n, 0)) for n in range(count)]


def _command(arguments: argparse.Namespace, rest: list[str], slots: Sequence[WorkerSlot]) -> list[str]:
    """The command of every worker. Without a GPU the CPU cores are shared out."""
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
    """The chosen folder, or a temporary one."""
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
    log_in_utf8()
    arguments, rest = _arguments()
    if "://" not in arguments.store:
        arguments.store = str(Path(arguments.store).absolute())  # a worker has another working directory
    status, problem = 0, None
    try:
        store = open_store(arguments.store)
        known = list_all(store, keys.heartbeats_prefix(arguments.run, f"{arguments.name}-"))
        workers = [keys.worker_of(entry.key) for entry in known]
        slots = _slots(arguments.workers, free_restarts(workers, arguments.name))
        command = _command(arguments, rest, slots)
        with _folder(arguments.scratch) as scratch:
            supervisor = Supervisor(
                store=store,
                run=arguments.run,
                slots=slots,
                machine=arguments.name,
                command=command,
                scratch=scratch,
                pause=arguments.pause,
            )
            status = supervisor.go()
        if status:
            problem = next(slot.problem() for slot in slots if slot.end != SlotEnd.DONE)
    except Problem as found:
        status, problem = MUST_ACT, found
    if problem:
        print(problem.two_lines(), file=sys.stderr, flush=True)  # noqa: T201 - its own stderr
    return status
