"""The last heartbeats of a run's workers, wherever they run: read from the store, and summarised for `status`.

A look costs one listing, and one read for each heartbeat that is newer than the last look. Of more than MAX_HEARTBEATS
workers, those with the newest heartbeats are read.
"""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from launcher.documents.status import HeartbeatSummary, WorkerSummary
from launcher.fleet.monitoring.bottleneck import WorkerHealth, find_bottleneck
from launcher.fleet.scheduling.states import ENDS
from tasks.protocol import documents
from tasks.protocol.keys import heartbeats_prefix, worker_of
from tasks.protocol.messages import heartbeat
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.protocol.messages.worker_names import machine_and_slot
from tasks.stores.base import Entry, Store, list_all, read

MAX_HEARTBEATS = 1_000  # two listings' worth
CONCURRENT_READS = 16
MACHINE_FIGURES = (  # of `tasks.worker.monitoring.machine_stats`, that the summary passes on
    "gpu_memory_used_bytes",
    "gpu_memory_total_bytes",
    "memory_used_bytes",
    "memory_total_bytes",
    "load",
    "cores",
)


@dataclass(slots=True)
class HeartbeatReader:
    """Reads the heartbeats of one run. A heartbeat that was read is not read again."""

    store: Store
    run: str
    unreadable: dict[str, str] = field(default_factory=dict[str, str])  # why, by key
    _known: dict[str, tuple[datetime, Heartbeat]] = field(
        default_factory=dict[str, tuple[datetime, Heartbeat]]
    )

    def read(self) -> list[WorkerHealth]:
        """The last heartbeat of every worker, by name. Those that cannot be read are in `unreadable`."""
        entries = self._read_new()
        now = self.store.now() if entries else None
        workers = [
            worker_health(self._known[entry.key][1], (now - entry.modified).total_seconds() if now else None)
            for entry in entries
            if entry.key in self._known
        ]
        return sorted(workers, key=lambda worker: worker.worker)

    def tokens_open(self, machines: Collection[str]) -> dict[str, int]:
        """Tokens that the workers of these machines have embedded of each shard that they hold."""
        found: dict[str, int] = {}
        for entry in self._read_new():
            if entry.key not in self._known:
                continue
            last = self._known[entry.key][1]
            if last.state not in ENDS and machine_and_slot(last.worker, machines)[0] in machines:
                for shard, tokens in last.tokens_open.items():
                    found[shard] = max(tokens, found.get(shard, 0))
        return found

    def _read_new(self) -> list[Entry]:
        """Read the heartbeats that are newer than the last look; return the entries of all."""
        entries = list(list_all(self.store, heartbeats_prefix(self.run)))
        entries = sorted(entries, key=lambda entry: entry.modified)[-MAX_HEARTBEATS:]
        fresh = [entry for entry in entries if entry.key not in self._known or self._old(entry)]
        if fresh:
            with ThreadPoolExecutor(min(CONCURRENT_READS, len(fresh))) as pool:
                for entry, body in zip(fresh, pool.map(self._read, fresh), strict=True):
                    try:
                        found = heartbeat.of_worker(body, self.run, worker_of(entry.key))
                    except documents.BadDocument as error:
                        self.unreadable[entry.key] = str(error)
                    else:
                        self._known[entry.key] = (entry.modified, found)
        return entries

    def _read(self, entry: Entry) -> bytes:
        return read(self.store, entry.key) or b""

    def _old(self, entry: Entry) -> bool:
        return self._known[entry.key][0] < entry.modified


def worker_health(found: Heartbeat, age: float | None) -> WorkerHealth:
    """A worker's health by its heartbeat. `age`: seconds since it was written, by the clock of the store."""
    return WorkerHealth(
        worker=found.worker,
        state=found.state,
        age=age,
        tokens=found.tokens,
        seconds=found.seconds,
        recent=found.recent,
        stages=found.stages,
        machine=found.machine,
        device=found.device,
        error=found.error,
    )


def summarize(workers: Sequence[WorkerHealth]) -> WorkerSummary:
    """Which stage is the bottleneck of the living workers; of a run that is over, of all that worked."""
    found = find_bottleneck([worker for worker in workers if worker.alive] or workers)
    return WorkerSummary(
        stages={stage: round(share, 4) for stage, share in found.stages.items()},
        slowest=found.slowest,
        advice=tuple(found.advice),
        signs=tuple(_summary(worker) for worker in workers),
    )


def _summary(worker: WorkerHealth) -> HeartbeatSummary:
    gpu = worker.machine.get("gpu")
    return HeartbeatSummary(
        worker=worker.worker,
        state=worker.state,
        age_seconds=None if worker.age is None else round(worker.age, 1),
        tokens=worker.tokens,
        tokens_per_second=worker.rate,
        waiting_share=worker.waiting,
        gpu=None if gpu is None else str(gpu),
        gpu_percent=worker.figure("gpu_percent"),
        rss_bytes=worker.figure("rss_bytes"),
        error=worker.error,
        **{name: worker.figure(name) for name in MACHINE_FIGURES},
    )
