"""This machine: how many workers it takes, and how fast they are, measured with the engine that will do the work.

Its name in the ledger is `cpu` without a GPU, else our name of its GPU, or the driver's name of a GPU that we do not
know. Speeds are recorded under that name, per GPU; those of `cpu` are of the whole machine.
"""

import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from launcher.corpus.profile import length_mix
from launcher.errors import Problem
from launcher.throughput.spread import Spread
from pricing.gpu import canonical
from tasks.worker.machine_stats import NVIDIA_GPUS, visible_gpus

MAX_CPU_WORKERS = 4  # by default: each holds the model, and memory runs out before cores do
# A probe of a few seconds does not show what else the machine will do: P10 and P90 are at least this factor from the
# median. Two demo runs on one busy machine of two cores were 19 % apart.
PROBE_ERROR = 1.2
CPU = "cpu"  # the ledger's name of all processors of one machine together


@dataclass(frozen=True, slots=True)
class WorkerSlots:
    """How the machine is used: one worker per GPU, else one per core up to MAX_CPU_WORKERS."""

    workers: int
    threads: int | None  # of each CPU worker; None: as many as the engine likes
    gpus: int


@dataclass(frozen=True, slots=True)
class LocalSpeed:
    """A measurement with all workers at work: tokens per second of the whole machine."""

    tokens_per_second: Spread
    load_seconds: float  # until a worker can embed, including interpreter and libraries
    engine: str
    device: str
    dtype: str
    dimensions: int
    seconds: float
    gpu: str | None = None  # the ledger's name; None: the GPUs of this machine differ
    lengths: tuple[tuple[float, float], ...] = ()  # (share, tokens) of the chunks that were embedded
    given: tuple[tuple[float, float], ...] = ()  # the same for all texts that were given
    texts_per_second: float | None = None  # chunks
    cpu_seconds: float | None = None  # processor time of all probes
    tokens: int = 0
    tokens_per_text: float | None = None  # of one text, all its chunks together
    each: tuple[Spread, ...] = ()  # tokens per second of each worker
    flops_per_second: float | None = None  # matrix products on the whole machine; None: not measured
    versions: Mapping[str, str] = field(
        default_factory=dict[str, str]
    )  # of the libraries that the probes used


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """What to measure: texts, cut as the job cuts them."""

    model: str
    engine: str
    texts: Sequence[str]
    tokens: int | None
    overlap: int | None
    prompt: str
    remote_code: bool = False


def worker_slots(workers: int | None, shards: int | None = None) -> WorkerSlots:
    """How this machine is used: with `workers` processes (None: as many as suit it), and at most one per shard."""
    use = _slots(workers)
    if shards is None or shards >= use.workers:
        return use
    return WorkerSlots(max(1, shards), use.threads and use.threads * use.workers // max(1, shards), use.gpus)


def _slots(workers: int | None) -> WorkerSlots:
    gpus = len(visible_gpus())
    if gpus:
        return WorkerSlots(workers or gpus, None, gpus)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = workers or min(cores, MAX_CPU_WORKERS)
    return WorkerSlots(count, max(1, cores // count), 0)


def gpu_names() -> list[str]:
    """The ledger's names of this machine's GPUs, from the files of the NVIDIA driver; empty without GPUs."""
    found: list[str] = []
    for path in sorted(NVIDIA_GPUS.glob("*/information")):
        with contextlib.suppress(OSError):
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                key, _, value = line.partition(":")
                if key.strip() == "Model":
                    found.append(ledger_gpu_name(value.strip()))
    return found


def ledger_gpu_name(name: str | None) -> str:
    """The ledger's name of a GPU, by the driver's name; None is no GPU."""
    return CPU if name is None else canonical(name) or name


def measure(asked: ProbeRequest, use: WorkerSlots, seconds: float, ceiling: float = 0.0) -> LocalSpeed:
    """Run one probe per worker at the same time; then, for `ceiling` seconds, matrix products on every device.

    Raises:
        Problem: the engine cannot run here; the message is the engine's own.
    """
    command = [sys.executable, "-m", "tasks.probe", "--model", asked.model, "--engine", asked.engine]
    command += ["--seconds", str(seconds), "--ceiling", str(ceiling)]
    command += ["--threads", str(use.threads)] if use.threads else []
    command += ["--remote-code"] if asked.remote_code else []
    request = json.dumps(
        {"texts": list(asked.texts), "tokens": asked.tokens, "overlap": asked.overlap, "prompt": asked.prompt}
    )
    with contextlib.ExitStack() as stack:
        start = time.monotonic()
        probes = [stack.enter_context(_probe(command, slot)) for slot in range(use.workers)]
        for probe in probes:
            probe.send(request)
        for probe in probes:
            probe.receive("ready")
        loaded = time.monotonic() - start
        for probe in probes:
            probe.send("go")
        found: list[dict[str, Any]] = [json.loads(probe.receive("{")) for probe in probes]
        products: list[float | None] = []
        if ceiling:
            turn = probes[: use.gpus] if use.gpus else probes  # one of the workers that share a GPU
            for probe in turn:
                probe.send("go")
            products = [json.loads(probe.receive("{"))["flops_per_second"] for probe in turn]
    return _together(found, products, loaded)


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

    def receive(self, beginning: str) -> str:
        """The next line of its stdout with this beginning; other lines are from libraries.

        Raises:
            Problem: the probe ended without such a line; the message is its own.
        """
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith(beginning):
                return line
        self.process.wait()
        self.errors.seek(0)
        words = self.errors.read().strip().splitlines()
        message = next((line.removeprefix("Error: ") for line in words if line.startswith("Error: ")), None)
        hint = next((line.removeprefix("Try: ") for line in words if line.startswith("Try: ")), None)
        what = message or f"the speed probe died: {words[-1] if words else 'without a message'}"
        raise Problem(what, hint=hint or "run `python -m tasks.probe --model MODEL` by hand to see more")


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


def _quantile(rates: list[float], share: float) -> float:
    """The nearest value below or above, because a probe has few; the mean of fewer than three."""
    if len(rates) < 3:
        return statistics.fmean(rates)
    ordered = sorted(rates)
    place = share * (len(ordered) - 1)
    return ordered[math.floor(place) if share < 0.5 else math.ceil(place)]
