"""."""

import contextlib
import fcntl
import os
import time
from collections.abc import Generator
from pathlib import Path

from launcher.errors import Problem

LOCK_TRIES = 5  # tenths of a second a launcher waits for the lock


class RunLocked(Problem):
    """Another launcher drives this run."""


@contextlib.contextmanager
def run_lock(folder: Path, run: str, patience: int = LOCK_TRIES) -> Generator[None, None, None]:
    """Be the only launcher of this run in this ledger; the lock goes with the process.

    Raises:
        Busy: another launcher is at work.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "launcher.lock").open("a+") as lock:
        for left in range(patience, -1, -1):
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
                time.sleep(0.1)  # `status` holds it for a moment
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
