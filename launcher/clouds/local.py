"""Workers as processes of this machine, with the verbs that every cloud has: start, find, state, tell.

A worker's name is on its command line, so one that was started by a launcher since dead can be found again: its
handle is "pid:name", which no later process shares.
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tasks.grip import oom_kills
from tasks.problem import Problem

RUNNING = "running"


class Local:
    """The processes that this launcher started, and those it finds."""

    def __init__(self, folder: Path) -> None:
        self.logs = folder.absolute() / "logs"
        self.scratches = folder.absolute() / "scratch"  # a worker runs elsewhere
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.kills: dict[str, int] = {}  # of the kernel for want of memory, when a child was started

    def start(self, name: str, arguments: list[str], device: str | None) -> str:
        """Start `python -m tasks.worker` under this name; its handle. What it prints goes to its log.

        Raises:
            Problem: the process could not be started.
        """
        environment = dict(os.environ)
        if device is not None:
            environment["CUDA_VISIBLE_DEVICES"] = device
        command = [sys.executable, "-m", "tasks.worker", *arguments, "--name", name]
        command += ["--scratch", str(self.scratch(name))]
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            with self.log(name).open("ab") as log:
                # A session of its own: Ctrl-C is the launcher's to pass on, and its death is not the worker's.
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    cwd=Path(__file__).parents[2],
                    start_new_session=True,
                )
        except OSError as error:
            raise Problem(
                f"cannot start a worker: {error.strerror or error}",
                hint="free memory or disk, then resume the run",
            ) from error
        handle = f"{child.pid}:{name}"
        self.children[handle] = child
        self.kills[handle] = oom_kills()
        return handle

    def find(self, name: str) -> str | None:
        """The handle of the living worker of this name, None when there is none."""
        for process in psutil.process_iter():
            if _is(process, name):
                return f"{process.pid}:{name}"
        return None

    def state(self, handle: str) -> str | int | None:
        """RUNNING, or the exit status; None when it is gone and its status went to another launcher."""
        child = self.children.get(handle)
        if child is not None:
            code = child.poll()
            return RUNNING if code is None else code
        return RUNNING if self._process(handle) else None

    def drain(self, handle: str) -> None:
        """Finish the shard in hand, then end."""
        self._tell(handle, signal.SIGUSR1)

    def end(self, handle: str) -> None:
        """Give the lease back and end at once."""
        self._tell(handle, signal.SIGTERM)

    def kill(self, handle: str) -> None:
        """For one that does not hear."""
        self._tell(handle, signal.SIGKILL)

    def oom_kills(self, handle: str) -> int:
        """Processes that the kernel has killed for want of memory since we started this one; 0 where others did."""
        return oom_kills() - self.kills.get(handle, oom_kills())

    def scratch(self, name: str) -> Path:
        """Where a worker keeps files until they are in the store; gone with it."""
        return self.scratches / name

    def log(self, name: str) -> Path:
        """Where a worker's words go."""
        return self.logs / f"{name}.log"

    def last_words(self, name: str) -> str:
        """The end of its log."""
        try:
            text = self.log(name).read_bytes()[-2_000:].decode("utf-8", "replace")
        except OSError:
            return ""
        return "\n".join(text.strip().splitlines()[-6:])

    def _process(self, handle: str) -> psutil.Process | None:
        pid, _, name = handle.partition(":")
        try:
            process = psutil.Process(int(pid))
        except (psutil.NoSuchProcess, ValueError):
            return None
        return process if _is(process, name) else None

    def _tell(self, handle: str, number: int) -> None:
        process = self._process(handle)
        if process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)


def _is(process: psutil.Process, name: str) -> bool:
    """Whether this is the living worker of that name."""
    try:
        words = process.cmdline()
        return "tasks.worker" in words and name in words and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
