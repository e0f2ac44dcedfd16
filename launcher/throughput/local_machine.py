"""This machine: how many workers it takes, and what is measured of them (`launcher.throughput.probes` measures it).

Its name in the ledger is `cpu` without a GPU, else our name of its GPU, or the driver's name of a GPU that we do not
know. Speeds are recorded under that name, per GPU; those of `cpu` are of the whole machine.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from launcher.throughput.spread import Spread
from pricing.gpu import canonical
from tasks.models.precision import Precision
from tasks.worker.monitoring.machine_stats import NVIDIA_GPUS, visible_gpus

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
    precision: Precision | None = None  # None: the usual one


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
