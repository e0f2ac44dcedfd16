"""Workers as processes of this machine, behind the same interface as rented machines.

A worker's name is on its command line, so a worker of a launcher that has died can be found again. Its handle is
"pid:name", which no later process shares.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from launcher.fleet.backends.base import LaunchRequest, MachineStatus
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.records import MachineState, Site
from tasks.errors import Problem
from tasks.protocol.messages import crash_marker
from tasks.protocol.messages.exit_codes import MUST_ACT

EXEC_LOOKS, EXEC_SECONDS = 50, 0.01  # for the command line of a process that has just been started


class LocalBackend:
    """The processes that this launcher started, and those it finds."""

    poll_seconds = 0.5

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        """`folder` is the run's own; `options` are command-line options of every worker."""
        self.logs = folder.absolute() / "logs"  # absolute: a worker runs in another folder
        self.scratches = folder.absolute() / "scratch"
        self.options = list(options)
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.oom_kills: dict[str, int] = {}  # the kernel's count when each child was started

    def refresh(self) -> None:
        """Nothing to do: the process table is always up to date."""

    def start(self, requests: Sequence[LaunchRequest]) -> dict[str, str | Exception]:
        """Start `python -m tasks.worker` for each request. Its output goes to its log."""
        handles: dict[str, str | Exception] = {}
        for request in requests:
            try:
                handles[request.name] = self._start(request)
            except Problem as problem:
                handles[request.name] = problem
        return handles

    def _start(self, request: LaunchRequest) -> str:
        environment = dict(os.environ)
        if request.device is not None:
            environment["CUDA_VISIBLE_DEVICES"] = request.device
        own = [
            "--offset",
            str(request.offset),
            "--name",
            request.name,
            "--scratch",
            str(self.scratch(request.name)),
        ]
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            with self.log_path(request.name).open("ab") as log:
                # A session of its own: Ctrl-C reaches the launcher alone, and the worker outlives it.
                child = subprocess.Popen(
                    [sys.executable, "-m", "tasks.worker", *self.options, *own],
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
        handle = f"{child.pid}:{request.name}"
        self.children[handle] = child
        self.oom_kills[handle] = crash_marker.oom_kills()
        return handle

    def find(self, name: str) -> str | None:
        """The handle of the living worker of this name, None when there is none."""
        for process in psutil.process_iter():
            if _is(process, name):
                return f"{process.pid}:{name}"
        return None

    def list_alive(self) -> dict[str, str]:
        """Return nothing: a process does not show which run it belongs to; `find` finds it by its name."""
        return {}

    def status(self, handle: str) -> MachineStatus | None:
        """Running, or how it ended; None when it is gone and another launcher got its exit status."""
        child = self.children.get(handle)
        if child is not None:
            code = child.poll()
            return MachineStatus(Phase.RUNNING) if code is None else _ended(code)
        return MachineStatus(Phase.RUNNING) if self._process(handle) else None

    def last_status(self, name: str) -> MachineStatus | None:
        """Running, where a process of this machine has the name; None otherwise."""
        return MachineStatus(Phase.RUNNING) if self.find(name) else None

    def drain(self, handles: Sequence[str]) -> None:
        """Let workers finish their shard, then end."""
        self._signal(handles, signal.SIGUSR1)

    def terminate(self, handles: Sequence[str]) -> None:
        """Let workers give their lease back and end at once."""
        self._signal(handles, signal.SIGTERM)

    def kill(self, handles: Sequence[str]) -> None:
        """End workers that do not react."""
        self._signal(handles, signal.SIGKILL)

    def price(self, site: Site, instance_type: str | None) -> None:
        """None: this machine has no price list."""

    def blamed_leases(self, name: str, handle: str, exit_code: int | None) -> Mapping[str, str]:
        """Keys of the leases whose shards crashed the process, with its place, as far as that can be known."""
        before = self.oom_kills.get(handle)  # None: another launcher started it
        kills = 0 if before is None else crash_marker.oom_kills() - before
        return (
            crash_marker.blamed(self.scratch(name)) if crash_marker.died_of_its_work(exit_code, kills) else {}
        )

    def scratch(self, name: str) -> Path:
        """Where a worker keeps files until they are in the store."""
        return self.scratches / name

    def log_path(self, name: str) -> Path:
        """The file that a worker's output goes to."""
        return self.logs / f"{name}.log"

    def log_tail(self, name: str) -> str:
        """The last six lines of its log."""
        try:
            text = self.log_path(name).read_bytes()[-2_000:].decode("utf-8", "replace")
        except OSError:
            return ""
        return "\n".join(text.strip().splitlines()[-6:])

    def clean_up(self, name: str) -> None:
        """Remove the files that were on their way to the store."""
        shutil.rmtree(self.scratch(name), ignore_errors=True)

    def _process(self, handle: str) -> psutil.Process | None:
        pid, _, name = handle.partition(":")
        try:
            process = psutil.Process(int(pid))
        except (psutil.NoSuchProcess, ValueError):
            return None
        for _ in range(EXEC_LOOKS):
            if not _begins(process):
                break
            time.sleep(EXEC_SECONDS)
        return process if _is(process, name) else None

    def _signal(self, handles: Sequence[str], number: int) -> None:
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


def _begins(process: psutil.Process) -> bool:
    """Whether the process is alive and has no command line: the system is about to set that of a program it loads."""
    try:
        return not process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _is(process: psutil.Process, name: str) -> bool:
    """Whether this process is the living worker of that name."""
    try:
        words = process.cmdline()
        return "tasks.worker" in words and name in words and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
