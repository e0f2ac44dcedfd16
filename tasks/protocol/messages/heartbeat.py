"""What a worker writes about itself while it lives. For people and for the ledger: nothing depends on it.

`tasks.worker.monitoring.heartbeat` writes it every few seconds; when a worker dies, its supervisor writes the last one.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from tasks.protocol import documents
from tasks.protocol.bounds import Count, Name, Seconds

SCHEMA = "embedfleet/worker/2"
NOT_YET = datetime.min.replace(tzinfo=UTC)  # the time of a heartbeat that was never written


class HeldLease(NamedTuple):
    """A lease that a worker holds, an array in JSON. `claimed` is by the worker's clock."""

    slab: Name
    shard: Name
    generation: Count
    claimed: datetime


class ReturnedLease(NamedTuple):
    """A lease that ended without a receipt, with the time of its end: that time was paid for."""

    slab: Name
    shard: Name
    generation: Count
    claimed: datetime
    returned: datetime


@dataclass(slots=True)
class Heartbeat:
    """A worker's state. Times are by its own clock; tokens and seconds are since it was ready."""

    run: Name
    worker: Name
    host: str
    pid: Count
    started: datetime
    state: str = "starting"  # starting, working, waiting, leaving, done, stopped, failed, lost
    ready: datetime | None = None
    stopping: datetime | None = None
    engine: str | None = None
    device: str | None = None
    dtype: str | None = None
    leases: list[HeldLease] = field(default_factory=list[HeldLease])
    returned: list[ReturnedLease] = field(default_factory=list[ReturnedLease])
    shards: Count = 0  # with a receipt by this worker
    tokens: Count = 0  # of those shards
    seconds: Seconds = 0.0
    stages: dict[str, Seconds] = field(
        default_factory=dict[str, float]
    )  # seconds: `tasks.worker.monitoring.stage_timer`
    recent: Seconds | None = None  # tokens per second over about the last minute
    # seconds, tokens and engine_seconds of the first minute of work
    first_minute: dict[str, int | float] | None = None
    machine: dict[str, int | float | str | None] = field(
        default_factory=dict[str, int | float | str | None]
    )  # figures of `tasks.worker.monitoring.machine_stats`
    at: datetime = NOT_YET  # of this heartbeat
    notice: str | None = None  # the cloud's notice that it will take the machine away
    error: str | None = None
    place: str | None = None  # its machine and GPU: `tasks.protocol.messages.crash_marker`
    model_fingerprint: str | None = None  # of the model that it has loaded
    dimensions: Count | None = None  # of the vectors that it writes
    versions: dict[str, str] | None = None  # of Python and of the libraries that the engine computes with
    tokens_open: dict[Name, Count] = field(
        default_factory=dict[str, int]
    )  # of shards without a receipt, by shard
    # how long the stages of its start took that are over; {}: not known
    cold_start: dict[str, Seconds] = field(default_factory=dict[str, float])


def dump(heartbeat: Heartbeat) -> bytes:
    """The heartbeat as the store holds it."""
    return documents.encode(
        heartbeat,
        SCHEMA,
        without_none=("place", "model_fingerprint", "dimensions", "versions"),
        without_zero=("tokens_open", "cold_start"),
    )


def load(body: bytes) -> Heartbeat:
    """The heartbeat that `dump` wrote.

    Raises:
        BadDocument: it is not a heartbeat of this schema.
    """
    return documents.decode(body, Heartbeat, "a worker", SCHEMA)


def of_worker(body: bytes, run: str, worker: str) -> Heartbeat:
    """The heartbeat under the key of this worker of this run.

    Raises:
        BadDocument: it is not a heartbeat of this schema, or of another worker.
    """
    found = load(body)
    if (found.run, found.worker) != (run, worker):
        raise documents.BadDocument(f"it is of worker {found.worker} of run {found.run}")
    return found
