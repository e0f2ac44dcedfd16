"""The bottleneck of a fleet, and what to change, from the heartbeats of its workers. Pure.

Reading, tokenising, writing and storing run in parallel to the engine, so their own time costs nothing. What costs is
the time in which an engine waits: it is attributed to the stage that the worker was busy with most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

BACKGROUND_STAGES = ("read", "tokenise", "write", "store")  # stages that run in parallel to the engine
ENGINE_STAGES = (
    "engine",
    "wait",
    "idle",
)  # these add up to a worker's time; idle: there was no shard to claim
WAIT_TOLERANCE = 0.05  # share of the time that engines may wait in a healthy fleet
MIN_ENGINE_SECONDS = 30.0  # of a fleet's work, before its shares mean anything
SILENT_SECONDS = 60.0  # since the last heartbeat: four intervals
STRAGGLER_SHARE = 0.5  # of the median speed of workers on the same GPU
MIN_PEERS = 3  # workers that make a median
MAX_NAMED = 3  # workers in one sentence
ALIVE = ("starting", "working", "waiting")

ADVICE = {
    "engine": "the engines are the bottleneck, as it should be: only more or faster GPUs make it faster",
    "read": "the corpus is far from the machines, or its files are small: rent in the corpus's region, or merge "
    "its files (Parquet is read fastest)",
    "tokenise": "more CPU cores for each GPU: rent machines with more of them, or fewer GPUs a machine",
    "write": "the scratch disk is slow, or vectors are large: choose a local SSD, fewer dimensions or float16",
    "store": "the output is far from the machines, or shards are small: write to a bucket in the machines' region, "
    "or choose larger shards, fewer dimensions or float16",
    "wait": "no stage accounts for the waiting: see whether the machines do other work",
    "idle": "there are no shards for the workers: cut the corpus into smaller shards, or rent fewer machines",
}


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """A worker by its last heartbeat. Unknown is None; `age` is in seconds, `stages` in seconds since it was ready."""

    worker: str
    state: str
    age: float | None
    tokens: int
    seconds: float
    recent: float | None
    stages: Mapping[str, float]
    machine: Mapping[str, float | str | None]
    device: str | None = None
    error: str | None = None

    @property
    def rate(self) -> float | None:
        """Tokens per second: of about the last minute where that is known, else since it was ready."""
        if self.recent is not None or not self.seconds:
            return self.recent
        return self.tokens / self.seconds if self.tokens else None

    @property
    def waiting(self) -> float | None:
        """Share of its time with a shard in which the engine waited."""
        engine, wait = self.stages.get("engine", 0.0), self.stages.get("wait", 0.0)
        return wait / (engine + wait) if engine + wait else None

    @property
    def alive(self) -> bool:
        return self.state in ALIVE

    def figure(self, name: str) -> float | None:
        value = self.machine.get(name)
        return None if value is None or isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """Which stage slows a fleet down.

    `stages`: seconds of each stage for a second of the fleet's time, so engine, wait and idle add up to 1.
    """

    stages: Mapping[str, float]
    slowest: str | None  # None: too early to say
    advice: Sequence[str]  # the most useful first


def find_bottleneck(workers: Sequence[WorkerHealth]) -> Bottleneck:
    """Find the bottleneck of these workers."""
    seconds = {
        stage: sum(w.stages.get(stage, 0.0) for w in workers)
        for stage in (*BACKGROUND_STAGES, *ENGINE_STAGES)
    }
    whole = sum(seconds[stage] for stage in ENGINE_STAGES)
    shares = {stage: value / whole for stage, value in seconds.items()} if whole else {}
    found = _slowest(workers, shares) if whole >= MIN_ENGINE_SECONDS else None
    advice = [] if found is None else [ADVICE[found]]
    return Bottleneck(shares, found, [*advice, *_remarks(workers, found)])


def _slowest(workers: Sequence[WorkerHealth], shares: Mapping[str, float]) -> str:
    if max(shares["wait"], shares["idle"]) <= WAIT_TOLERANCE:
        return "engine"
    if shares["idle"] > shares["wait"]:
        return "idle"
    blamed: dict[str, float] = {}
    for worker in workers:
        stage = _cause(worker)
        blamed[stage] = blamed.get(stage, 0.0) + worker.stages.get("wait", 0.0)
    return max(blamed, key=lambda stage: blamed[stage])


def _cause(worker: WorkerHealth) -> str:
    """What an engine waited for: the busiest stage, unless all were busy for less than half of the waiting time."""
    side = {stage: worker.stages.get(stage, 0.0) for stage in BACKGROUND_STAGES}
    if sum(side.values()) < worker.stages.get("wait", 0.0) / 2:
        return "wait"
    return max(side, key=lambda stage: side[stage])


def _remarks(workers: Sequence[WorkerHealth], found: str | None) -> list[str]:
    """Sentences about single workers and their machines, the most serious first."""
    alive = [w for w in workers if w.alive]
    recent = [w for w in alive if w.age is None or w.age <= SILENT_SECONDS]
    remarks: list[str] = []
    silent = sorted((w for w in alive if w not in recent), key=lambda w: -(w.age or 0.0))
    if silent:
        ages = [f"{w.worker} ({w.age:.0f} s)" for w in silent if w.age is not None]
        remarks.append(f"no heartbeat for over {SILENT_SECONDS:.0f} s: {_names(ages)}")
    failed = [f"{w.worker}: {w.error}" for w in workers if w.error]
    if failed:
        remarks.append(f"last errors: {_names(failed, '; ')}")
    remarks += _stragglers(recent)
    remarks += _machines(recent, found)
    return remarks


def _stragglers(workers: Sequence[WorkerHealth]) -> list[str]:
    """Workers far slower than others on the same type of GPU."""
    kinds: dict[str, list[tuple[float, str]]] = {}
    for worker in workers:
        if worker.rate is not None and worker.state == "working":
            kind = str(worker.machine.get("gpu") or worker.device)
            kinds.setdefault(kind, []).append((worker.rate, worker.worker))
    out: list[str] = []
    for kind, rates in kinds.items():
        middle = median(rate for rate, _ in rates)
        slow = [
            f"{worker} ({rate:,.0f})" for rate, worker in sorted(rates) if rate < STRAGGLER_SHARE * middle
        ]
        if slow and len(rates) >= MIN_PEERS:
            out.append(f"far below the median of {middle:,.0f} tokens/s on {kind} here: {_names(slow)}")
    return out


def _machines(workers: Sequence[WorkerHealth], found: str | None) -> list[str]:
    """What CPU, memory and disk of the machines add."""
    out: list[str] = []
    idle = [value for w in workers if (value := w.figure("gpu_percent")) is not None and w.state == "working"]
    if idle and found == "engine" and median(idle) < 60:
        out.append(
            f"engines are busy and yet GPUs only {median(idle):.0f} %: try two workers a GPU, or faster CPU cores"
        )
    crowded = [w.worker for w in workers if (_ratio(w, "load", "cores") or 0.0) > 1.5]
    if crowded and found == "tokenise":
        out.append(f"more processes than cores: {_names(crowded)}")
    full = [w.worker for w in workers if (_ratio(w, "memory_used_bytes", "memory_total_bytes") or 0.0) > 0.92]
    if full:
        out.append(f"memory is nearly used up: {_names(full)}")
    tight = [
        w.worker
        for w in workers
        if (_ratio(w, "gpu_memory_used_bytes", "gpu_memory_total_bytes") or 0.0) > 0.98
    ]
    if tight:
        out.append(f"GPU memory is nearly used up: {_names(tight)}")
    short = [w.worker for w in workers if (free := w.figure("disk_free_bytes")) is not None and free < 2e9]
    if short:
        out.append(f"less than 2 GB of scratch disk left: {_names(short)}")
    return out


def _ratio(worker: WorkerHealth, part: str, whole: str) -> float | None:
    much, of = worker.figure(part), worker.figure(whole)
    return None if much is None or not of else much / of


def _names(names: Sequence[str], between: str = ", ") -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return between.join(names[:MAX_NAMED]) + more
