"""This machine: how many workers it holds, and how fast they are, measured by the engine that will do the work.

What it is called: `cpu` without a GPU, else our name of its GPU, and of a GPU that we do not know its driver's name.
Speeds are kept by that name, per GPU; those of `cpu` are of the whole machine.
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

MOST = 4  # CPU workers by default: each holds the model, and memory ends before cores do
# A few seconds cannot see what else the machine will do: P10 and P90 are at least this factor off. Two demo runs
# on one busy machine of two cores were 19 % apart.
PROBE_ERROR = 1.2
CPU = "cpu"  # what the ledger calls the processors of one machine, all together


@dataclass(frozen=True, slots=True)
class WorkerSlots:
    """One worker a GPU, else one a core up to MOST. `threads` is of each CPU worker."""

    workers: int
    threads: int | None
    gpus: int


@dataclass(frozen=True, slots=True)
class LocalSpeed:
    """All slots at work together: tokens per second of the whole machine."""

    tokens_per_second: Spread
    load_seconds: float  # until a worker can embed, interpreter and libraries included
    engine: str
    device: str
    dtype: str
    dimensions: int
    seconds: float
    gpu: str | None = None  # by the name it is kept under; None: the GPUs of this machine are not alike
    lengths: tuple[tuple[float, float], ...] = ()  # (share, tokens) of the pieces that were embedded
    given: tuple[tuple[float, float], ...] = ()  # the same of all texts that there were to embed
    texts_per_second: float | None = None  # pieces
    cpu_seconds: float | None = None  # of processor time, all probes together
    tokens: int = 0
    tokens_per_text: float | None = None  # of one text as it comes, all its pieces together
    each: tuple[Spread, ...] = ()  # tokens per second of each worker
    flops_per_second: float | None = None  # of matrix products on the whole machine; None: not measured
    versions: Mapping[str, str] = field(default_factory=dict[str, str])  # of what the probes ran on


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """What to measure: the texts as they come, cut as the job cuts them."""

    model: str
    engine: str
    texts: Sequence[str]
    tokens: int | None
    overlap: int | None
    prompt: str
    remote_code: bool = False


def worker_slots(workers: int | None, shards: int | None = None) -> WorkerSlots:
    """How this machine is used: `workers` processes, or as many as suit it; never more than there are shards."""
    use = _slots(workers)
    if shards is None or shards >= use.workers:
        return use
    return WorkerSlots(max(1, shards), use.threads and use.threads * use.workers // max(1, shards), use.gpus)


def _slots(workers: int | None) -> WorkerSlots:
    gpus = len(visible_gpus())
    if gpus:
        return WorkerSlots(workers or gpus, None, gpus)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = workers or min(cores, MOST)
    return WorkerSlots(count, max(1, cores // count), 0)


def gpu_names() -> list[str]:
    """What the GPUs of this machine are kept under, as far as the driver tells without being asked; of none, none."""
    found: list[str] = []
    for path in sorted(NVIDIA_GPUS.glob("*/information")):
        with contextlib.suppress(OSError):
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                key, _, value = line.partition(":")
                if key.strip() == "Model":
                    found.append(ledger_gpu_name(value.strip()))
    return found


def ledger_gpu_name(name: str | None) -> str:
    """The name for the ledger of what its driver calls so; None is no GPU."""
    return CPU if name is None else canonical(name) or name


def measure(asked: ProbeRequest, use: WorkerSlots, seconds: float, ceiling: float = 0.0) -> LocalSpeed:
    """Run a probe in every slot at the same time; then, for `ceiling` seconds, matrix products in every slot.

    Raises:
        Problem: the engine cannot run here, with its own reason.
    """
    command = [sys.executable, "-m", "tasks.probe", "--model", asked.model, "--engine", asked.engine]
    command += ["--seconds", str(seconds), "--ceiling", str(ceiling)]
    command += ["--threads", str(use.threads)] if use.threads else []
    command += ["--remote-code"] if asked.remote_code else []
    order = json.dumps(
        {"texts": list(asked.texts), "tokens": asked.tokens, "overlap": asked.overlap, "prompt": asked.prompt}
    )
    with contextlib.ExitStack() as stack:
        start = time.monotonic()
        probes = [stack.enter_context(_probe(command, slot)) for slot in range(use.workers)]
        for probe in probes:
            probe.say(order)
        for probe in probes:
            probe.hear("ready")
        loaded = time.monotonic() - start
        for probe in probes:
            probe.say("go")
        found: list[dict[str, Any]] = [json.loads(probe.hear("{")) for probe in probes]
        products: list[float | None] = []
        if ceiling:
            turn = probes[: use.gpus] if use.gpus else probes  # of workers that share a GPU, one
            for probe in turn:
                probe.say("go")
            products = [json.loads(probe.hear("{"))["flops_per_second"] for probe in turn]
    return _together(found, products, loaded)


def _together(
    found: Sequence[Mapping[str, Any]], products: Sequence[float | None], loaded: float
) -> LocalSpeed:
    """What the probes found, as figures of the machine."""
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
    """A running probe, and the file that its complaints go to: a pipe that nobody reads would stop it."""

    process: subprocess.Popen[str]
    errors: IO[str]

    def say(self, line: str) -> None:
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # it died; `hear` says why
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()

    def hear(self, beginning: str) -> str:
        """Its next line that begins so; libraries print what they like.

        Raises:
            Problem: it ends without one, in its own words.
        """
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith(beginning):
                return line
        self.process.wait()
        self.errors.seek(0)
        words = self.errors.read().strip().splitlines()
        said = next((line.removeprefix("Error: ") for line in words if line.startswith("Error: ")), None)
        hint = next((line.removeprefix("Try: ") for line in words if line.startswith("Try: ")), None)
        what = said or f"the speed probe died: {words[-1] if words else 'without a word'}"
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
    """Of few values, the nearest below or above: a probe is short."""
    if len(rates) < 3:
        return statistics.fmean(rates)
    ordered = sorted(rates)
    place = share * (len(ordered) - 1)
    return ordered[math.floor(place) if share < 0.5 else math.ceil(place)]
