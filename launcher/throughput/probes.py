"""Measure this machine with the engine that will do the work: a process of `tasks.probe` in every worker slot.

Each process loads the model once. Then all of them measure at the same time, as the workers of one machine run, and may
work in a run afterwards with the same loaded model.
"""

import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from launcher.corpus.samples.profile import length_mix
from launcher.errors import Problem
from launcher.format import duration
from launcher.throughput.local_machine import (
    PROBE_ERROR,
    LocalSpeed,
    ProbeRequest,
    WorkerSlots,
    ledger_gpu_name,
)
from launcher.throughput.spread import Spread
from tasks.worker.monitoring.machine_stats import visible_gpus

STAGE_WORDS: Mapping[str, str] = {
    "load": "loading the model",
    "compile": "compiling the model's layers",
    "warm_up": "warming up: first calls compile and allocate",
}
REMINDER_SECONDS = 15.0  # between messages while a stage of loading lasts
POLL_SECONDS = 0.2  # between looks at working probes


@dataclass(frozen=True, slots=True)
class Probes:
    """The running probes of this machine, one in each worker slot, with the model loaded."""

    asked: ProbeRequest
    use: WorkerSlots
    load_seconds: float  # until the last could embed, including interpreter and libraries
    processes: "Sequence[_Probe]"

    def measure(self, seconds: float, ceiling: float = 0.0) -> LocalSpeed:
        """Measure with all of them; then, for `ceiling` seconds, matrix products on every device.

        Raises:
            Problem: a probe died; the message is its own.
        """
        for probe in self.processes:
            probe.send(f"measure {seconds}")
        found: list[dict[str, Any]] = [json.loads(probe.receive("{")) for probe in self.processes]
        products: list[float | None] = []
        if ceiling:
            # one of the workers that share a GPU
            turn = self.processes[: self.use.gpus] if self.use.gpus else self.processes
            for probe in turn:
                probe.send(f"ceiling {ceiling}")
            products = [json.loads(probe.receive("{"))["flops_per_second"] for probe in turn]
        return _together(found, products, self.load_seconds)

    def work(self, commands: Sequence[Sequence[str]], patience: float) -> None:
        """Let each be a worker with the command line of its place, until all have ended or `patience` seconds are over.

        Those that still work then are killed with the others. It is the last thing that they do.

        Raises:
            Problem: one died; the message is its own.
        """
        for probe, words in zip(self.processes, commands, strict=True):
            probe.send(f"work {json.dumps(list(words))}")
        end = time.monotonic() + patience
        while time.monotonic() < end:
            codes = [probe.process.poll() for probe in self.processes]
            dead = next((probe for probe, code in zip(self.processes, codes, strict=True) if code), None)
            if dead:
                raise dead.problem("a worker died: {}", "launch a small job with --on local to see more")
            if None not in codes:
                return
            time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def loaded_probes(
    asked: ProbeRequest, use: WorkerSlots, say: Callable[[str], None] = lambda _line: None
) -> Generator[Probes]:
    """Start a probe in each slot, wait until all have loaded the model, and kill them in the end.

    `say` gets a line at each stage of the first one's loading, and every so often while a stage lasts.

    Raises:
        Problem: the engine cannot run here; the message is the engine's own.
    """
    command = [sys.executable, "-m", "tasks.probe", "--model", asked.model, "--engine", asked.engine]
    command += ["--threads", str(use.threads)] if use.threads else []
    command += ["--remote-code"] if asked.remote_code else []
    command += ["--precision", asked.precision] if asked.precision else []
    request = json.dumps(
        {"texts": list(asked.texts), "tokens": asked.tokens, "overlap": asked.overlap, "prompt": asked.prompt}
    )
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(_LoadProgress(say))
        probes = [stack.enter_context(_probe(command, slot)) for slot in range(use.workers)]
        for probe in probes:
            probe.send(request)
        probes[0].receive("ready", progress.stage)
        for probe in probes[1:]:
            probe.receive("ready")
        progress.end()
        yield Probes(asked, use, progress.seconds, probes)


def measure(asked: ProbeRequest, use: WorkerSlots, seconds: float) -> LocalSpeed:
    """Measure with one probe per worker at the same time, for so many seconds after they have loaded.

    Raises:
        Problem: the engine cannot run here; the message is the engine's own.
    """
    with loaded_probes(asked, use) as probes:
        return probes.measure(seconds)


class _LoadProgress:
    """Says which stage of loading has begun, and every REMINDER_SECONDS that it still lasts, until `end`."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._begun = time.monotonic()
        self._stage = "starting the interpreter"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._remind, name="load progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def stage(self, name: str) -> None:
        """A stage has begun; one that this version does not know is said by its name."""
        self._stage = STAGE_WORDS.get(name, name.replace("_", " "))
        self._say(f"  after {duration(self.seconds)}: {self._stage}")

    def end(self) -> None:
        """All probes are ready, or one has failed: say no more."""
        self._over.set()
        self._thread.join()

    def _remind(self) -> None:
        while not self._over.wait(REMINDER_SECONDS):
            self._say(f"  after {duration(self.seconds)}: still {self._stage}")


@dataclass(frozen=True, slots=True)
class _Probe:
    """A running probe process. Its stderr goes to a file: a full pipe would stop it."""

    process: subprocess.Popen[str]
    errors: IO[str]

    def send(self, line: str) -> None:
        """Write a line to the probe's stdin."""
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # it died; `receive` says why
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()

    def receive(self, beginning: str, on_stage: Callable[[str], None] | None = None) -> str:
        """The next line of its stdout with this beginning; other lines are stages, or from libraries.

        Raises:
            Problem: the probe ended without such a line; the message is its own.
        """
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith(beginning):
                return line
            if on_stage and line.startswith("stage "):
                on_stage(line.removeprefix("stage ").strip())
        self.process.wait()
        raise self.problem("{}", "run `python -m tasks.probe --model MODEL` by hand to see more")

    def problem(self, what: str, hint: str) -> Problem:
        """Why it died, in its own words put into `what`, and its own hint where it gave one."""
        self.errors.seek(0)
        words = self.errors.read().strip().splitlines()
        message = next((line.removeprefix("Error: ") for line in words if line.startswith("Error: ")), None)
        said = next((line.removeprefix("Try: ") for line in words if line.startswith("Try: ")), None)
        last = f"the speed probe died: {words[-1] if words else 'without a message'}"
        return Problem(what.format(message or last), hint=said or hint)


@contextlib.contextmanager
def _probe(command: list[str], slot: int) -> Generator[_Probe, None, None]:
    gpus = visible_gpus()
    environment = dict(os.environ) | ({"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]} if gpus else {})
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
            cwd=Path(__file__).parents[2],
        ) as process,
    ):
        try:
            yield _Probe(process, errors)
        finally:
            process.kill()


def _together(
    found: Sequence[Mapping[str, Any]], products: Sequence[float | None], loaded: float
) -> LocalSpeed:
    """The figures of the machine, from those of its probes."""
    each = [
        Spread(_quantile(f["rates"], 0.1), f["tokens"] / f["seconds"], _quantile(f["rates"], 0.9))
        for f in found
    ]
    mid = sum(one.mid for one in each)
    low, high = (
        min(sum(one.low for one in each), mid / PROBE_ERROR),
        max(sum(one.high for one in each), mid * PROBE_ERROR),
    )
    lengths: Counter[int] = Counter()
    for f in found:
        lengths.update(dict(f["lengths"]))
    gpus = {ledger_gpu_name(f["gpu"]) for f in found}
    known = [one for one in products if one is not None]
    first = found[0]
    return LocalSpeed(
        tokens_per_second=Spread(low, mid, high),
        load_seconds=loaded,
        engine=first["engine"],
        device=first["device"],
        dtype=first["dtype"],
        dimensions=first["dimensions"],
        seconds=max(f["seconds"] for f in found),
        gpu=gpus.pop() if len(gpus) == 1 else None,
        lengths=length_mix(lengths),
        given=length_mix(dict(first["given"])),
        texts_per_second=sum(sum(n for _, n in f["lengths"]) / f["seconds"] for f in found),
        cpu_seconds=sum(f["cpu_seconds"] for f in found),
        tokens=sum(f["tokens"] for f in found),
        tokens_per_text=first["tokens_per_text"],
        each=tuple(Spread(min(one.low, one.mid), one.mid, max(one.high, one.mid)) for one in each),
        flops_per_second=sum(known) if known and len(known) == len(products) else None,
        versions=first["versions"],
    )


def _quantile(rates: list[float], share: float) -> float:
    """The nearest value below or above, because a probe has few; the mean of fewer than three."""
    if len(rates) < 3:
        return statistics.fmean(rates)
    ordered = sorted(rates)
    place = share * (len(ordered) - 1)
    return ordered[math.floor(place) if share < 0.5 else math.ceil(place)]
