"""What a worker says of itself while it lives. For people and for the ledger: nothing depends on it."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from tasks.protocol.lease import root
from tasks.stores.base import Refused, Store, Unsure

SCHEMA = "embedfleet/worker/2"
EVERY = 15.0  # seconds between two signs of life
LAST = 500  # characters of an error that are kept, so that a sign of life stays small


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


def pulse_key(run: str, worker: str) -> str:
    return f"{root(run)}/workers/{worker}.json"


def load(body: bytes) -> Pulse:
    """The pulse as it lies in the store.

    Raises:
        ValueError: it is not one of this schema.
    """
    fields: dict[str, Any] = json.loads(body)
    if fields.pop("schema", None) != SCHEMA:
        raise ValueError(f"not a worker of schema {SCHEMA}")
    return Pulse(**fields)


def utc() -> datetime:
    """This machine's clock, aware."""
    return datetime.now(UTC)


class Heart:
    """Writes the pulse now and then until stopped. `look` brings its figures up to date first."""

    def __init__(
        self,
        store: Store,
        pulse: Pulse,
        every: float = EVERY,
        look: Callable[[Pulse], None] = lambda _pulse: None,
        clock: Callable[[], datetime] = utc,
    ) -> None:
        self.store = store
        self.pulse = pulse
        self.every = every  # seconds
        self.look = look
        self.clock = clock
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    def start(self) -> None:
        self.beat()
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def beat(self) -> None:
        """Write the pulse now."""
        with self._lock:
            self.look(self.pulse)
            self.pulse.at = self.clock().isoformat()
            self.pulse.error = self.pulse.error and self.pulse.error[:LAST]
            body = json.dumps({"schema": SCHEMA} | asdict(self.pulse)).encode()
            self.store.put(pulse_key(self.pulse.run, self.pulse.worker), body)

    def _run(self) -> None:
        while not self._end.wait(self.every):
            with suppress(Unsure, Refused, OSError):  # a lease that cannot be renewed is what stops a worker
                self.beat()
