"""The lock that makes one launcher the only driver of a run on this laptop.

An exclusive `flock` on a file in the run's folder: the kernel releases it when the process dies, however it dies.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import TextIO

from launcher.errors import Problem
from tasks.disk_errors import with_cause

LOCK_TRIES = 5
RETRY_SECONDS = 0.1


class RunLocked(Problem):
    """Another launcher drives this run."""


@contextlib.contextmanager
def run_lock(folder: Path, run: str, tries: int = LOCK_TRIES) -> Generator[None, None, None]:
    """Hold the lock of a run; its file says which process holds it. `tries` are further ones, 0.1 s apart.

    Raises:
        RunLocked: another launcher holds it.
        Problem: its file cannot be made or opened.
    """
    with _open(folder / "launcher.lock") as lock:
        for left in range(tries, -1, -1):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if not left:
                    lock.seek(0)
                    raise RunLocked(
                        f"run {run} is already being driven by process {lock.read().strip() or '?'}",
                        hint=f"embedfleet status {run} --watch",
                    ) from error
                time.sleep(RETRY_SECONDS)  # `status` holds it for a moment
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _open(path: Path) -> TextIO:
    """Open the file of a lock, which is made where it is missing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+")
    except OSError as error:
        hint = with_cause(error, "move away what is there, or name another folder with --runs")
        raise Problem(f"the lock {path} cannot be opened: {error.strerror}", hint=hint) from error
