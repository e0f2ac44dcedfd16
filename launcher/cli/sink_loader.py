"""Load a run into the job's sink: by a process of its own, so that a slow or dead store never holds up the fleet.

The process is `embedfleet load RUN --follow`. It ends with its launcher, and the next one goes on with the load. What it
says is in `sink.log` in the run's folder, and is said here.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

from launcher.cli.sink import sink_of
from launcher.errors import FailedRows, Interrupted, NotLoaded, Problem
from launcher.jobs.job import Job, JobSink
from launcher.ledger.records import Run
from launcher.planning.saved import plan_file
from launcher.sinks.targets import parse_target

LOG = "sink.log"
FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0  # seconds before a loader that died is started again
ENDED_TRIES = 5  # of a loader that is killed when the run is done
END_POLL = 0.2
END_SECONDS = 10.0  # that a loader has to end
ERROR, TRY = "Error: ", "Try: "  # how a command begins its two lines


class SinkLoader:
    """The loader of one run; without a sink it does nothing."""

    def __init__(self, sink: JobSink | None, run: str, runs: Path, say: Callable[[str], None]) -> None:
        self._sink = sink
        self._run = run
        self._runs = runs
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._read = 0  # bytes of the log that were read
        self._error: str | None = None  # that the last loader ended with
        self._wait, self._not_before = FIRST_WAIT, 0.0

    @property
    def _log(self) -> Path:
        return self._runs / self._run / LOG

    def look(self) -> None:
        """Start a loader where shards are loaded as they are done, again where it died; say what it said.

        Raises nothing: the fleet goes on whatever happens here.
        """
        if self._sink is None or self._sink.when != "shards":
            return
        with contextlib.suppress(OSError):  # no memory for a process, no room for its log: tried again
            if self._process is None or (self._process.poll() is not None and self._may_restart()):
                self._start(self._sink)
            self._tell()

    def finish(self) -> Problem | None:
        """Load what is left, now that the run is done; return why not all is there.

        Raises:
            Interrupted: Ctrl-C; the rest is loaded by `resume` or `load`.
        """
        if self._sink is None:
            return None
        try:
            for _ in range(ENDED_TRIES):
                status = self._ended(self._sink)
                if status >= 0:
                    return self._problem(self._sink, status)
            return self._problem(self._sink, 1)
        except KeyboardInterrupt:
            self.stop()
            raise Interrupted(
                f"run {self._run} is done, and its vectors are not all in {self._shown}",
                hint=f"embedfleet load {self._run} goes on with it",
            ) from None

    def stop(self) -> None:
        """End the loader; what it was writing is written again by the next one."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def _shown(self) -> str:
        return parse_target(self._sink.to).shown if self._sink else ""

    def _start(self, sink: JobSink) -> None:
        words = ["load", self._run, "--follow", "--parent", str(os.getpid()), "--runs", str(self._runs)]
        words += ["--to", sink.to, "--index", str(sink.index)]
        words += ["--secret", sink.secret.removeprefix("$")] if sink.secret else []
        words += ["--keep", ",".join(sink.keep) or "none"] if sink.keep is not None else []
        with self._log.open("ab") as log:
            self._read = log.tell()
            # Of a session of its own: Ctrl-C is the launcher's, which ends it.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "launcher.cli", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._error = None

    def _may_restart(self) -> bool:
        """Whether it is time to start a loader in place of one that died; never of one that was called wrongly."""
        assert self._process is not None
        if self._process.returncode in (0, 2):
            return False
        now = time.monotonic()
        if not self._not_before:
            self._not_before = now + self._wait
            self._say(f"sink: the loader ended with status {self._process.returncode}: started again")
        if now < self._not_before:
            return False
        self._not_before, self._wait = 0.0, min(LONGEST_WAIT, 2 * self._wait)
        return True

    def _ended(self, sink: JobSink) -> int:
        """The exit status of a loader, of a new one where none works; below 0 where it was killed."""
        if self._process is None or self._process.poll() is not None:
            self._start(sink)
        assert self._process is not None
        while self._process.poll() is None:
            self._tell()
            time.sleep(END_POLL)
        self._tell()
        return self._process.returncode

    def _tell(self) -> None:
        """Say the new lines of the log; keep the error that a loader ended with."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            body = log.read()
        whole = body[: body.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            if line.startswith(ERROR):
                self._error = line.removeprefix(ERROR)
            elif line.startswith(TRY) and self._error:
                self._error += f" ({line.removeprefix(TRY)})"
            elif line:
                self._say(f"sink: {line}")

    def _problem(self, sink: JobSink, status: int) -> Problem | None:
        if status == 0:
            return None
        why = self._error or f"the loader ended with status {status}: {self._log}"
        if status == FailedRows.code:
            return FailedRows(why, hint=f"embedfleet load {self._run} --verify --json names them")
        return NotLoaded(
            f"run {self._run} is done, and its vectors are not all in {parse_target(sink.to).shown}: {why}",
            hint=f"the vectors are in the output path; embedfleet load {self._run} goes on with the load",
        )


@contextlib.contextmanager
def sink_loader(
    job: Job, run: Run, runs: Path, say: Callable[[str], None]
) -> Generator[SinkLoader, None, None]:
    """The loader of the job's sink; it is ended with the block."""
    base = Path(plan_file.read_recorded(run.plan).work.base)
    loader = SinkLoader(sink_of(job, base), run.id, runs, say)
    try:
        yield loader
    finally:
        loader.stop()


def not_loaded_too(problem: Problem | None, not_loaded: Problem | None, say: Callable[[str], None]) -> None:
    """Raise how a run ended; where its rows failed or it was late, that its load failed as well is said before.

    Raises:
        Problem: the first of the two.
    """
    if problem is not None:
        if not_loaded is not None:
            say(f"{not_loaded}; {not_loaded.hint}")
        raise problem
    if not_loaded is not None:
        raise not_loaded
