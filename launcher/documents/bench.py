"""The document of `bench --json`, schema embedfleet/measured/1. None is unknown and becomes null."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SCHEMA = "embedfleet/measured/1"


@dataclass(frozen=True, slots=True)
class RateRange:
    """P10, P50 and P90 of a rate."""

    low: float
    mid: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersMeasured:
    """Whole workers in a small run. `stages` are seconds by stage, of all workers together; `seconds` their time."""

    tokens_per_second: float
    share_of_engine: float
    shards: int
    tokens: int
    seconds: float
    stages: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSpeed:
    """The speed that the ledger keeps: tokens per second of one GPU, or of a machine without GPUs."""

    gpu: str
    source: str
    low: float
    mid: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchDocument:
    """A measurement of this machine. Rates are of the whole machine unless their name says otherwise."""

    schema: str = SCHEMA
    at: str
    host: str
    model: str
    gpu: str | None  # None: the machine's GPUs differ
    device: str
    engine: str
    dtype: str
    dimensions: int
    workers: int
    threads: int | None  # of each worker; None: as many as the engine likes
    gpus: int
    texts: str  # where the texts come from
    tokens: float | None  # of a text, on average
    lengths: Sequence[tuple[float, float]]  # (share of the texts, mean tokens)
    seconds: float
    load_seconds: float
    tokens_per_second: RateRange  # of the engines alone
    each: Sequence[RateRange]  # of each engine
    texts_per_second: float | None
    tokens_per_cpu_second: float | None
    tokens_per_gpu_second: float | None
    flops_per_token: float | None
    flops_per_second: float | None  # that matrix products reach
    mfu: float | None  # model FLOPs utilisation: of what matrix products reach
    predicted_tokens_per_second: float | None
    share_of_predicted: float | None
    pipeline: WorkersMeasured
    kept: RecordedSpeed | None  # None: nothing is recorded
    mistakes: Sequence[str]  # sentences about figures that cannot be true
    versions: Mapping[str, str]  # of each library
