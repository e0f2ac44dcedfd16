"""Workers as real processes of their own, started in hundredths of a second: forks of one that has imported it all.

A fork runs the very `main` of `tasks.worker` with a command line and an environment of its own.
"""

import os
import signal
import sys
import traceback
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from pathlib import Path


def skew_clock(seconds: float) -> None:
    """From now on all that the product asks of this machine's clock is wrong by so many seconds."""

    class Skewed(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # pyright: ignore[reportIncompatibleMethodOverride]
            return datetime.now(tz) + timedelta(seconds=seconds)

    for name, module in list(sys.modules.items()):
        if name.startswith("tasks.") and getattr(module, "datetime", None) is datetime:
            module.datetime = Skewed  # pyright: ignore[reportAttributeAccessIssue]


@dataclass
class WorkerProcess:
    """A worker that lives, or has lived."""

    name: str
    pid: int
    log: Path
    status: int | None = None  # as `os.waitstatus_to_exitcode` has it
    wakes_at: float | None = None  # when it is to be woken, by the monotonic clock

    def send_signal(self, number: signal.Signals) -> bool:
        """Send a signal; return whether the process was there."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True


@dataclass
class WorkerPool:
    """Starts workers and notes how they end. `environment` is added to ours."""

    words: list[str]
    environment: dict[str, str]
    logs: Path
    workers: list[WorkerProcess] = field(default_factory=list[WorkerProcess])

    @property
    def alive(self) -> list[WorkerProcess]:
        return [worker for worker in self.workers if worker.status is None]

    def start(self, skew: float = 0.0) -> WorkerProcess:
        """A new worker, whose clock runs `skew` seconds ahead."""
        name = f"w{len(self.workers):04d}"
        words = [*self.words, "--name", name, "--scratch", str(self.logs / f"{name}.scratch")]
        log = self.logs / f"{name}.log"
        pid = os.fork()
        if pid == 0:
            self._work(words, log, skew)
        worker = WorkerProcess(name, pid, log)
        self.workers.append(worker)
        return worker

    def reap(self) -> list[WorkerProcess]:
        """The workers that ended since the last call."""
        gone: list[WorkerProcess] = []
        for worker in self.alive:
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid:
                worker.status = os.waitstatus_to_exitcode(status)
                gone.append(worker)
        return gone

    def kill_all(self) -> None:
        """Kill the workers that are left."""
        for worker in self.alive:
            worker.send_signal(signal.SIGKILL)
            os.waitpid(worker.pid, 0)
            worker.status = -signal.SIGKILL

    def _work(self, words: list[str], log: Path, skew: float) -> None:
        """In the child: becomes a worker, and never returns."""
        status = 70
        try:
            os.setsid()
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(out, 1)
            os.dup2(out, 2)
            os.environ.update(self.environment)
            from tasks.worker import engine_schedule
            from tasks.worker.process import main

            # Shards here are a thousandth of real ones, and so is what goes through the engine at once.
            (
                engine_schedule.FIRST_ENGINE_TOKENS,
                engine_schedule.LEAST_ENGINE_TOKENS,
                engine_schedule.ENGINE_SECONDS,
            ) = (
                100,
                100,
                0.1,
            )
            if skew:
                skew_clock(skew)
            sys.argv = ["tasks.worker", *words]
            status = main()
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        except BaseException:  # noqa: BLE001 - where a process ends
            traceback.print_exc()
            status = 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
