"""."""

import json
from dataclasses import dataclass, field
from typing import Any

SCHEMA = "embedfleet/worker/2"


@dataclass(slots=True)
class Pulse:
    """A worker's state. Times are ISO 8601 by its own clock; tokens and seconds are since it was ready."""

    run: str
    worker: str
    host: str
    pid: int
    started: str
    state: str = "starting"  # starting, working, waiting, leaving, done, stopped, failed
    ready: str | None = None
    stopping: str | None = None
    engine: str | None = None
    device: str | None = None
    dtype: str | None = None
    leases: list[list[Any]] = field(default_factory=list[list[Any]])  # [slab, shard, generation, claimed]
    returned: list[list[Any]] = field(default_factory=list[list[Any]])  # the same, with the time of return
    shards: int = 0
    tokens: int = 0  # signed for
    seconds: float = 0.0
    stages: dict[str, float] = field(
        default_factory=dict[str, float]
    )  # seconds; see `tasks.worker.stage_timer`
    recent: float | None = None  # tokens per second over about the last minute
    first_minute: dict[str, float] | None = (
        None  # seconds, tokens, engine_seconds of the first minute of work
    )
    machine: dict[str, Any] = field(default_factory=dict[str, Any])  # see `tasks.worker.machine_stats`
    at: str = ""
    notice: str | None = None  # what the cloud said of taking the machine away
    error: str | None = None


def load(body: bytes) -> Pulse:
    """The pulse as it lies in the store.

    Raises:
        ValueError: it is not one of this schema.
    """
    fields: dict[str, Any] = json.loads(body)
    if fields.pop("schema", None) != SCHEMA:
        raise ValueError(f"not a worker of schema {SCHEMA}")
    return Pulse(**fields)
