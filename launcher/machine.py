"""This machine: how many workers it holds, and how fast they are, measured by the engine that will do the work."""

import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.errors import Problem
from launcher.speed import Spread

MOST = 4  # CPU workers by default: each holds the model, and memory ends before cores do
# A few seconds cannot see what else the machine will do: P10 and P90 are at least this factor off. Two demo runs
# on one busy machine of two cores were 19 % apart.
DRIFT = 1.2


@dataclass(frozen=True, slots=True)
class Slots:
    """One worker a GPU, else one a core up to MOST. `threads` is of each CPU worker."""

    workers: int
    threads: int | None
    gpus: int


@dataclass(frozen=True, slots=True)
class Measured:
    """All slots at work together: tokens per second of the whole machine."""

    tokens_per_second: Spread
    load_seconds: float  # until a worker can embed, interpreter and libraries included
    engine: str
    device: str
    dtype: str
    dimensions: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What to measure: the texts as they come, cut as the job cuts them."""

    model: str
    engine: str
    texts: Sequence[str]
    tokens: int | None
    overlap: int | None
    prompt: str


def slots(workers: int | None) -> Slots:
    """How this machine is used: `workers` processes, or as many as suit it."""
    gpus = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    if gpus:
        return Slots(workers or gpus, None, gpus)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = workers or min(cores, MOST)
    return Slots(count, max(1, cores // count), 0)


def measure(asked: Asked, use: Slots, seconds: float) -> Measured:
    """Run a probe in every slot at the same time.

    Raises:
        Problem: the engine cannot run here, with its own reason.
    """
    command = [sys.executable, "-m", "tasks.probe", "--model", asked.model, "--engine", asked.engine]
    command += ["--seconds", str(seconds)] + (["--threads", str(use.threads)] if use.threads else [])
    order = json.dumps(
        {"texts": list(asked.texts), "tokens": asked.tokens, "overlap": asked.overlap, "prompt": asked.prompt}
    )
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(_probe(command, slot, use.gpus)) for slot in range(use.workers)]
        start = time.monotonic()
        for probe in probes:
            _say(probe, order)
        for probe in probes:
            if _hear(probe).strip() != "ready":
                raise _failure(probe)
        loaded = time.monotonic() - start
        for probe in probes:
            _say(probe, "go")
        found: list[dict[str, Any]] = []
        for probe in probes:
            line = _hear(probe)
            if not line:
                raise _failure(probe)
            found.append(json.loads(line))
    mid = sum(f["tokens"] / f["seconds"] for f in found)
    low, high = (sum(_quantile(f["rates"], share) for f in found) for share in (0.1, 0.9))
    low, high = min(low, mid / DRIFT), max(high, mid * DRIFT)
    first = found[0]
    return Measured(
        tokens_per_second=Spread(low, mid, high),
        load_seconds=loaded,
        engine=first["engine"],
        device=first["device"],
        dtype=first["dtype"],
        dimensions=first["dimensions"],
        seconds=max(f["seconds"] for f in found),
    )


@contextlib.contextmanager
def _probe(command: list[str], slot: int, gpus: int):  # noqa: ANN202 - a Generator of Popen
    environment = dict(os.environ) | ({"CUDA_VISIBLE_DEVICES": str(slot % gpus)} if gpus else {})
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
        cwd=Path(__file__).parents[1],
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _say(probe: subprocess.Popen[str], line: str) -> None:
    assert probe.stdin
    with contextlib.suppress(BrokenPipeError):  # it died; _hear says why
        probe.stdin.write(line + "\n")
        probe.stdin.flush()


def _hear(probe: subprocess.Popen[str]) -> str:
    assert probe.stdout
    return probe.stdout.readline()


def _failure(probe: subprocess.Popen[str]) -> Problem:
    assert probe.stderr
    words = probe.stderr.read().strip().splitlines()
    said = next((line.removeprefix("Error: ") for line in words if line.startswith("Error: ")), None)
    hint = next((line.removeprefix("Try: ") for line in words if line.startswith("Try: ")), None)
    what = said or f"the speed probe died: {words[-1] if words else 'without a word'}"
    return Problem(what, hint=hint or "run `python -m tasks.probe --model MODEL` by hand to see more")


def _quantile(rates: list[float], share: float) -> float:
    """Of few values, the nearest below or above: a probe is short."""
    if len(rates) < 3:
        return statistics.fmean(rates)
    ordered = sorted(rates)
    place = share * (len(ordered) - 1)
    return ordered[math.floor(place) if share < 0.5 else math.ceil(place)]
