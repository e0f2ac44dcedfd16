"""What a worker says of itself while it lives, and the thread that keeps its lease.

The heartbeat is for people and for the ledger; nothing depends on it. The lease is renewed from a thread
of its own, so that no long batch can starve it.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from tasks.lease import Lease, renew, root
from tasks.store import Refused, Store, Unsure

SCHEMA = "embedfleet/worker/1"
RETURNED = 99  # leases without a receipt that a pulse remembers, so that it stays small


@dataclass(slots=True)
class Pulse:
    """A worker's state. Times are ISO 8601 by its own clock; tokens and seconds are since it started."""

    run: str
    worker: str
    host: str
    pid: int
    started: str
    state: str = "starting"  # starting, working, waiting, done, stopped, failed
    ready: str | None = None
    stopping: str | None = None
    engine: str | None = None
    device: str | None = None
    dtype: str | None = None
    leases: list[list[Any]] = field(default_factory=list[list[Any]])  # [slab, shard, generation, claimed]
    returned: list[list[Any]] = field(default_factory=list[list[Any]])  # the same, with the time of return
    shards: int = 0
    tokens: int = 0
    at: str = ""
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


class Heart:
    """Beats until stopped: writes the pulse, renews the lease, and says when the lease is lost."""

    def __init__(self, store: Store, pulse: Pulse, every: float, clock: Callable[[], datetime]) -> None:
        self.store = store
        self.pulse = pulse
        self.clock = clock
        self.every = every  # seconds
        self.lease: Lease | None = None
        self.lost = False
        self.broken: Refused | None = None
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

    def hold(self, lease: Lease | None) -> None:
        """From now on renew this lease, or none. Waits for a renewal under way: none comes after."""
        with self._lock:
            self.lease = lease
            self.lost = False
            self.pulse.leases = [_named(lease)] if lease else []

    def let_go(self, lease: Lease) -> None:
        """Work on this lease ended without a receipt: remember it, for that time was paid for."""
        self.pulse.returned = [*self.pulse.returned[-RETURNED:], [*_named(lease), self.clock().isoformat()]]

    def beat(self) -> None:
        """Write the pulse now."""
        self.pulse.at = self.clock().isoformat()
        body = json.dumps({"schema": SCHEMA} | asdict(self.pulse)).encode()
        self.store.put(pulse_key(self.pulse.run, self.pulse.worker), body)

    def _run(self) -> None:
        while not self._end.wait(self.every):
            try:
                with self._lock:
                    if self.lease and not self.lost:
                        self.lost = not renew(self.store, self.lease)
                self.beat()
            except Unsure:  # the next beat says it again
                continue
            except Refused as problem:  # the main thread stops on it
                self.broken = problem
            except OSError as error:
                self.broken = Refused(
                    f"cannot renew the lease: {error}", hint="see whether the store is healthy"
                )


def _named(lease: Lease) -> list[Any]:
    return [lease.slab, lease.shard, lease.generation, lease.claimed]


def utc() -> datetime:
    """This machine's clock, aware."""
    return datetime.now(UTC)
