"""The last signs of life of a run's workers, wherever they run, as `slowest` wants them and as `status` shows them.

Read from the store: a listing, and every sign that is new since the last look, several at a time. Where there were
more workers than a person would ask about, those that were heard last.
"""

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from launcher.fleet.monitoring.bottleneck import WorkerHealth, find_bottleneck
from tasks.protocol import heartbeat
from tasks.protocol.heartbeat import Heartbeat
from tasks.protocol.keys import heartbeats_prefix
from tasks.stores.base import Entry, Store, every, read

MAX_HEARTBEATS = 1_000  # signs: two listings' worth of machines
CONCURRENT_READS = 16  # requests


@dataclass(slots=True)
class HeartbeatReader:
    """What was read already is not read again."""

    store: Store
    run: str
    _known: dict[str, tuple[datetime, Heartbeat]] = field(
        default_factory=dict[str, tuple[datetime, Heartbeat]]
    )

    def read(self) -> list[WorkerHealth]:
        """The last sign of every worker, by name; those that are of no schema that we know are passed over."""
        entries = list(every(self.store, heartbeats_prefix(self.run)))
        entries = sorted(entries, key=lambda entry: entry.modified)[-MAX_HEARTBEATS:]
        fresh = [entry for entry in entries if entry.key not in self._known or self._old(entry)]
        if fresh:
            with ThreadPoolExecutor(min(CONCURRENT_READS, len(fresh))) as pool:
                for entry, body in zip(fresh, pool.map(self._read, fresh), strict=True):
                    with contextlib.suppress(ValueError, TypeError):
                        self._known[entry.key] = (entry.modified, heartbeat.load(body))
        now = self.store.now() if entries else None
        found = [
            worker_health(self._known[entry.key][1], (now - entry.modified).total_seconds() if now else None)
            for entry in entries
            if entry.key in self._known
        ]
        return sorted(found, key=lambda sign: sign.worker)

    def _read(self, entry: Entry) -> bytes:
        return read(self.store, entry.key) or b""

    def _old(self, entry: Entry) -> bool:
        return self._known[entry.key][0] < entry.modified


def worker_health(pulse: Heartbeat, age: float | None) -> WorkerHealth:
    """A pulse that is so many seconds old, by the clock of the store."""
    return WorkerHealth(
        worker=pulse.worker,
        state=pulse.state,
        age=age,
        tokens=pulse.tokens,
        seconds=pulse.seconds,
        recent=pulse.recent,
        stages=pulse.stages,
        machine=pulse.machine,
        device=pulse.device,
        error=pulse.error,
    )


def pace_of(signs: Sequence[WorkerHealth]) -> dict[str, Any]:
    """The JSON of what holds the workers up. Of a run that is over, it is about all that worked; unknown is null."""
    alive = [sign for sign in signs if sign.alive]
    found = find_bottleneck(alive or signs)
    return {
        "stages": {stage: round(share, 4) for stage, share in found.stages.items()},
        "slowest": found.slowest,
        "advice": list(found.advice),
        "signs": [
            {
                "worker": sign.worker,
                "state": sign.state,
                "age_seconds": None if sign.age is None else round(sign.age, 1),
                "tokens": sign.tokens,
                "tokens_per_second": sign.rate,
                "waiting_share": sign.waiting,
                "gpu": sign.machine.get("gpu"),
                "gpu_percent": sign.machine.get("gpu_percent"),
                "rss_bytes": sign.machine.get("rss_bytes"),
                "error": sign.error,
            }
            for sign in signs
        ],
    }
