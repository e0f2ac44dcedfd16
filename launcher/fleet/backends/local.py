"""Workers as processes of this machine, with the verbs that every cloud has.

A worker's name is on its command line, so one that was started by a launcher since dead can be found again: its
handle is "pid:name", which no later process shares.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import psutil

from launcher.fleet.backends.base import LaunchRequest, MachineStatus
from launcher.fleet.states import Phase
from launcher.ledger.records import MachineState, Site
from tasks.errors import Problem
from tasks.protocol import crash_marker
from tasks.protocol.exit_codes import MUST_ACT


class LocalBackend:
    """The processes that this launcher started, and those it finds."""

    poll_seconds = 0.5  # seconds between looks

    def __init__(self, folder: Path, words: Sequence[str] = ()) -> None:
        """`words`: options of every worker."""
        self.logs = folder.absolute() / "logs"
        self.scratches = folder.absolute() / "scratch"  # a worker runs elsewhere
        self.words = list(words)
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.kills: dict[str, int] = {}  # of the kernel for want of memory, when a child was started

    def refresh(self) -> None:
        """The process table answers at any time."""

    def start(self, asks: Sequence[LaunchRequest]) -> dict[str, str | Exception]:
        """Start `python -m tasks.worker` under each name. What it prints goes to its log."""
        handles: dict[str, str | Exception] = {}
        for ask in asks:
            try:
                handles[ask.name] = self._start(ask)
            except Problem as problem:
                handles[ask.name] = problem
        return handles

    def _start(self, ask: LaunchRequest) -> str:
        environment = dict(os.environ)
        if ask.device is not None:
            environment["CUDA_VISIBLE_DEVICES"] = ask.device
        own = ["--offset", str(ask.offset), "--name", ask.name, "--scratch", str(self.scratch(ask.name))]
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            with self.log_path(ask.name).open("ab") as log:
                # A session of its own: Ctrl-C is the launcher's to pass on, and its death is not the worker's.
                child = subprocess.Popen(
                    [sys.executable, "-m", "tasks.worker", *self.words, *own],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    cwd=Path(__file__).parents[3],
                    start_new_session=True,
                )
        except OSError as error:
            raise Problem(
                f"cannot start a worker: {error.strerror or error}",
                hint="free memory or disk, then resume the run",
            ) from error
        handle = f"{child.pid}:{ask.name}"
        self.children[handle] = child
        self.kills[handle] = crash_marker.oom_kills()
        return handle

    def find(self, name: str) -> str | None:
        """The handle of the living worker of this name, None when there is none."""
        for process in psutil.process_iter():
            if _is(process, name):
                return f"{process.pid}:{name}"
        return None

    def list_alive(self) -> dict[str, str]:
        """A process does not tell whose run it is of: it is found by its name alone."""
        return {}

    def status(self, handle: str) -> MachineStatus | None:
        """It runs, or how it ended; None when it is gone and its status went to another launcher."""
        child = self.children.get(handle)
        if child is not None:
            code = child.poll()
            return MachineStatus(Phase.RUNNING) if code is None else _ended(code)
        return MachineStatus(Phase.RUNNING) if self._process(handle) else None

    def drain(self, handles: Sequence[str]) -> None:
        """Finish the shard in hand, then end."""
        self._tell(handles, signal.SIGUSR1)

    def terminate(self, handles: Sequence[str]) -> None:
        """Give the lease back and end at once."""
        self._tell(handles, signal.SIGTERM)

    def kill(self, handles: Sequence[str]) -> None:
        """For those that do not hear."""
        self._tell(handles, signal.SIGKILL)

    def price(self, site: Site, instance_type: str | None) -> None:
        """This machine has no list of prices."""

    def blamed_leases(self, name: str, handle: str, code: int | None) -> Collection[str]:
        """Keys of the leases whose shards its process died of, as far as that can be known."""
        kills = crash_marker.oom_kills() - self.kills.get(
            handle, crash_marker.oom_kills()
        )  # since we started it; 0 where others did
        return crash_marker.marked(self.scratch(name)) if crash_marker.died_of_its_work(code, kills) else ()

    def scratch(self, name: str) -> Path:
        """Where a worker keeps files until they are in the store; gone with it."""
        return self.scratches / name

    def log_path(self, name: str) -> Path:
        """Where a worker's words go."""
        return self.logs / f"{name}.log"

    def log_tail(self, name: str) -> str:
        """The end of its log."""
        try:
            text = self.log_path(name).read_bytes()[-2_000:].decode("utf-8", "replace")
        except OSError:
            return ""
        return "\n".join(text.strip().splitlines()[-6:])

    def clean_up(self, name: str) -> None:
        """Its files on their way to the store are of no use any more."""
        shutil.rmtree(self.scratch(name), ignore_errors=True)

    def _process(self, handle: str) -> psutil.Process | None:
        pid, _, name = handle.partition(":")
        try:
            process = psutil.Process(int(pid))
        except (psutil.NoSuchProcess, ValueError):
            return None
        return process if _is(process, name) else None

    def _tell(self, handles: Sequence[str], number: int) -> None:
        for process in map(self._process, handles):
            if process is not None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)


def _ended(code: int) -> MachineStatus:
    if code == 0:
        return MachineStatus(None, MachineState.STOPPED, code, "it ended")
    if code == MUST_ACT:
        return MachineStatus(None, MachineState.FAILED, code)
    how = f"killed by signal {-code}" if code < 0 else f"it died with exit status {code}"
    return MachineStatus(None, MachineState.LOST, code, how)


def _is(process: psutil.Process, name: str) -> bool:
    """Whether this is the living worker of that name."""
    try:
        words = process.cmdline()
        return "tasks.worker" in words and name in words and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
