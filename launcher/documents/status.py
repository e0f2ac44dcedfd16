"""What `embedfleet status --json` prints, as frozen values (schema embedfleet/status/1), and its JSON.

Field names and their order are those of the JSON. Money is USD in Decimal, and text in JSON. None is unknown. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from launcher.documents import encode
from launcher.documents.course import CourseStatus
from launcher.documents.load_status import LoadStatus
from launcher.documents.truncation import Truncation

SCHEMA = "embedfleet/status/1"


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A machine as the ledger holds it."""

    name: str
    state: str
    handle: str | None
    ready: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class ProjectedUsd:
    """What the whole run will have cost."""

    p10: Decimal
    p50: Decimal
    p90: Decimal


@dataclass(frozen=True, slots=True)
class PlaceCount:
    """How many machines of a place are in each state."""

    place: str
    states: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class HeartbeatSummary:
    """A worker's last heartbeat ("signs" in JSON)."""

    worker: str
    state: str
    age_seconds: float | None
    tokens: int
    tokens_per_second: float | None
    waiting_share: float | None
    gpu: str | None
    gpu_percent: float | None
    rss_bytes: float | None
    error: str | None
    gpu_memory_used_bytes: float | None = None
    gpu_memory_total_bytes: float | None = None
    memory_used_bytes: float | None = None  # of its machine
    memory_total_bytes: float | None = None
    load: float | None = None  # processes of its machine that run or wait for a core, over the last minute
    cores: float | None = None  # that it may use


@dataclass(frozen=True, slots=True)
class PilotStatus:
    """The pilot of a run that is driven elsewhere: machines, dollars and decisions are those that it wrote last."""

    age_seconds: float  # since then, by the store's clock
    drives: bool  # false: the run is over, or the pilot has written nothing for minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class CostStatus:
    """The money of a run that goes on, and where its machines are."""

    usd_known: Decimal
    usd_committed: Decimal
    usd_per_hour: Decimal | None
    usd_projected: ProjectedUsd | None
    budget: Decimal | None
    preemptions: int
    places: tuple[PlaceCount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSummary:
    """How the workers share their time, and which stage is the bottleneck."""

    stages: Mapping[str, float]  # seconds of each stage for a second of the fleet's time
    slowest: str | None  # None: too early to say
    advice: tuple[str, ...]
    signs: tuple[HeartbeatSummary, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """The state of a run at one moment."""

    schema: str = SCHEMA
    run: str
    state: str
    at: datetime
    shards: int
    shards_done: int
    shards_failed: int
    documents: int
    chunks: int
    tokens: int
    tokens_expected: int | None
    failed_rows: int
    output_bytes: int
    seconds: float | None  # the time of the run, by `launcher.costs.run_rates` like all rates here
    tokens_per_second: float | None
    seconds_left: float | None
    usd: Decimal | None  # None: a machine has no price
    workers: tuple[WorkerState, ...]
    usd_known: Decimal
    usd_committed: Decimal
    usd_per_hour: Decimal | None
    usd_projected: ProjectedUsd | None
    budget: Decimal | None
    preemptions: int
    places: tuple[PlaceCount, ...]
    stages: Mapping[str, float]
    slowest: str | None
    advice: tuple[str, ...]
    signs: tuple[HeartbeatSummary, ...]
    unreadable: tuple[str, ...] = ()  # objects of the store that cannot be read: all counts are at least
    truncation: Truncation | None = None  # more than 5 % of the tokens are cut so far
    usd_per_million_tokens: Decimal | None = None
    tokens_open: int = 0  # embedded in shards that have no receipt yet; not in `tokens`
    share: float | None = None  # of the expected tokens; 1 when every shard has its receipt
    course: CourseStatus | None = None  # None: it has no deadline, and is not steered
    load: LoadStatus | None = None  # into a vector store; None: none has begun
    launcher_known: bool = (
        True  # False: read by the output path alone, which does not show whether a launcher is at work
    )
    pilot: PilotStatus | None = None  # None: no pilot was sent for it


def to_json(report: StatusReport) -> dict[str, Any]:
    """The JSON object of a report. `usd` keeps the digits that it was computed with."""
    return encode.to_json(report) | {"usd": None if report.usd is None else str(report.usd)}
