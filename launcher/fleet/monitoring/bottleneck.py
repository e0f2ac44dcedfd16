"""What holds a fleet up, and what to change: from the signs of life of its workers. Pure.

Reading, tokenising, writing and storing run beside the engine, so their own time costs nothing. What costs is the
time in which an engine waits: it is laid at the door of the stage that the worker was busy with most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

BACKGROUND_STAGES = ("read", "tokenise", "write", "store")  # stages that run beside the engine
ENGINE_STAGES = ("engine", "wait", "idle")  # these share out a worker's time; idle: no shard was to be had
WAIT_TOLERANCE = 0.05  # share of the time that engines may wait before anything is wrong
MIN_ENGINE_SECONDS = 30.0  # seconds of a fleet's work before its shares say anything
SILENT_SECONDS = 60.0  # seconds since the last sign of life; four beats
STRAGGLER_SHARE = 0.5  # of the median speed of like workers
MIN_PEERS = 3  # like workers that make a median
MAX_NAMED = 3  # workers that a sentence names
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
    """A worker's last sign of life. Unknown is None; `age` is in seconds, `stages` in seconds since it was ready."""

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
        """Tokens per second: of late where that is known, else since it was ready."""
        if self.recent is not None or not self.seconds:
            return self.recent
        return self.tokens / self.seconds if self.tokens else None

    @property
    def waiting(self) -> float | None:
        """Share of its time with work at hand in which the engine waited."""
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
    """`stages`: seconds of each for a second of the fleet's time, so that engine, wait and idle add up to 1."""

    stages: Mapping[str, float]
    slowest: str | None  # None: too early to say
    advice: Sequence[str]  # what to change first comes first


def find_bottleneck(signs: Sequence[WorkerHealth]) -> Bottleneck:
    """What holds these workers up."""
    seconds = {
        stage: sum(s.stages.get(stage, 0.0) for s in signs) for stage in (*BACKGROUND_STAGES, *ENGINE_STAGES)
    }
    whole = sum(seconds[stage] for stage in ENGINE_STAGES)
    shares = {stage: value / whole for stage, value in seconds.items()} if whole else {}
    found = _slowest(signs, shares) if whole >= MIN_ENGINE_SECONDS else None
    advice = [] if found is None else [ADVICE[found]]
    return Bottleneck(shares, found, [*advice, *_remarks(signs, found)])


def _slowest(signs: Sequence[WorkerHealth], shares: Mapping[str, float]) -> str:
    if max(shares["wait"], shares["idle"]) <= WAIT_TOLERANCE:
        return "engine"
    if shares["idle"] > shares["wait"]:
        return "idle"
    blamed: dict[str, float] = {}
    for sign in signs:
        stage = _cause(sign)
        blamed[stage] = blamed.get(stage, 0.0) + sign.stages.get("wait", 0.0)
    return max(blamed, key=lambda stage: blamed[stage])


def _cause(sign: WorkerHealth) -> str:
    """What a worker's engine waited for: whatever was busiest, unless all of them were busy for less than half of it."""
    side = {stage: sign.stages.get(stage, 0.0) for stage in BACKGROUND_STAGES}
    if sum(side.values()) < sign.stages.get("wait", 0.0) / 2:
        return "wait"
    return max(side, key=lambda stage: side[stage])


def _remarks(signs: Sequence[WorkerHealth], found: str | None) -> list[str]:
    """Sentences about single workers and their machines, the worst first."""
    alive = [s for s in signs if s.alive]
    heard = [s for s in alive if s.age is None or s.age <= SILENT_SECONDS]
    remarks: list[str] = []
    silent = sorted((s for s in alive if s not in heard), key=lambda s: -(s.age or 0.0))
    if silent:
        ages = [f"{s.worker} ({s.age:.0f} s)" for s in silent if s.age is not None]
        remarks.append(f"no sign of life for over {SILENT_SECONDS:.0f} s: {_names(ages)}")
    failed = [f"{s.worker}: {s.error}" for s in signs if s.error]
    if failed:
        remarks.append(f"last errors: {_names(failed, '; ')}")
    remarks += _stragglers(heard)
    remarks += _machines(heard, found)
    return remarks


def _stragglers(signs: Sequence[WorkerHealth]) -> list[str]:
    """Workers far slower than others on the same kind of GPU."""
    kinds: dict[str, list[tuple[float, str]]] = {}
    for sign in signs:
        if sign.rate is not None and sign.state == "working":
            kind = str(sign.machine.get("gpu") or sign.device)
            kinds.setdefault(kind, []).append((sign.rate, sign.worker))
    out: list[str] = []
    for kind, rates in kinds.items():
        middle = median(rate for rate, _ in rates)
        slow = [
            f"{worker} ({rate:,.0f})" for rate, worker in sorted(rates) if rate < STRAGGLER_SHARE * middle
        ]
        if slow and len(rates) >= MIN_PEERS:
            out.append(f"far below the {middle:,.0f} tokens/s that is usual on {kind} here: {_names(slow)}")
    return out


def _machines(signs: Sequence[WorkerHealth], found: str | None) -> list[str]:
    """What the machines' own figures add."""
    out: list[str] = []
    idle = [value for s in signs if (value := s.figure("gpu_percent")) is not None and s.state == "working"]
    if idle and found == "engine" and median(idle) < 60:
        out.append(
            f"engines are busy and yet GPUs only {median(idle):.0f} %: try two workers a GPU, or faster CPU cores"
        )
    crowded = [s.worker for s in signs if (_ratio(s, "load", "cores") or 0.0) > 1.5]
    if crowded and found == "tokenise":
        out.append(f"more processes than cores: {_names(crowded)}")
    full = [s.worker for s in signs if (_ratio(s, "memory_used_bytes", "memory_total_bytes") or 0.0) > 0.92]
    if full:
        out.append(f"memory is nearly used up: {_names(full)}")
    tight = [
        s.worker
        for s in signs
        if (_ratio(s, "gpu_memory_used_bytes", "gpu_memory_total_bytes") or 0.0) > 0.98
    ]
    if tight:
        out.append(f"GPU memory is nearly used up: {_names(tight)}")
    short = [s.worker for s in signs if (free := s.figure("disk_free_bytes")) is not None and free < 2e9]
    if short:
        out.append(f"less than 2 GB of scratch disk left: {_names(short)}")
    return out


def _ratio(sign: WorkerHealth, part: str, whole: str) -> float | None:
    much, of = sign.figure(part), sign.figure(whole)
    return None if much is None or not of else much / of


def _names(names: Sequence[str], between: str = ", ") -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return between.join(names[:MAX_NAMED]) + more
