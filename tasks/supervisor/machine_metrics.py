"""The workers of one machine as metrics: from the supervisor's slots, and the workers' heartbeats in the store.

Names and meanings are those of `embedfleet status` where both know a figure (docs/metrics.md).
"""

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tasks.errors import Problem
from tasks.metrics.exposition import Metric, Sample, counter
from tasks.protocol.keys import heartbeats_prefix, worker_of
from tasks.protocol.messages import heartbeat
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.protocol.messages.worker_names import machine_of
from tasks.stores.base import OutcomeUnknown, Store, list_all, read
from tasks.supervisor.supervisor import WorkerSlot

CACHE_SECONDS = 10.0  # between two looks at the store; workers write a heartbeat every 15
ENDED = ("done", "stopped", "failed", "lost")
# Figures of `tasks.worker.monitoring.machine_stats`: metric, its help, and what a figure is divided by.
FIGURES: Mapping[str, tuple[str, str, float]] = {
    "rss_bytes": ("embedfleet_worker_memory_bytes", "Memory of a worker.", 1),
    "gpu_percent": ("embedfleet_gpu_utilization_ratio", "How busy a worker's GPU is.", 100),
    "gpu_memory_used_bytes": ("embedfleet_gpu_memory_used_bytes", "Memory in use on a worker's GPU.", 1),
    "memory_used_bytes": ("embedfleet_machine_memory_used_bytes", "Memory in use on a worker's machine.", 1),
    "load": ("embedfleet_machine_load", "Processes of a worker's machine that run or wait for a core.", 1),
}


@dataclass(slots=True)
class HeartbeatsOfMachine:
    """The last heartbeats of all workers that this machine had. A look that fails leaves what was seen before."""

    store: Store
    run: str
    machine: str
    cache_seconds: float = CACHE_SECONDS
    _known: dict[str, Heartbeat] = field(default_factory=dict[str, Heartbeat])
    _looked: float | None = None
    _seen: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> list[Heartbeat] | None:
        """The heartbeats, by the name of their worker; None: no look has succeeded yet."""
        with self._lock:
            now = time.monotonic()
            if self._looked is None or now - self._looked >= self.cache_seconds:
                self._looked = now
                with suppress(Problem, OutcomeUnknown, OSError):  # the store is asked again at a later scrape
                    self._look()
                    self._seen = True
            return None if not self._seen else [self._known[name] for name in sorted(self._known)]

    def _look(self) -> None:
        for entry in list_all(self.store, heartbeats_prefix(self.run, f"{self.machine}-")):
            name = worker_of(entry.key)
            known = self._known.get(name)
            if machine_of(name) != self.machine or (known is not None and known.state in ENDED):
                continue
            try:
                self._known[name] = heartbeat.of_worker(read(self.store, entry.key) or b"", self.run, name)
            except ValueError:  # damaged, or half of another version: the last good one stays
                continue


def machine_metrics(
    run: str, machine: str, slots: Sequence[WorkerSlot], heartbeats: Sequence[Heartbeat] | None
) -> tuple[Metric, ...]:
    """The metrics of a machine now. Counters are sums over all workers that it had, so that killed ones stay in them.

    `heartbeats` None: not known, and what is counted from them is absent.
    """
    labels = {"run": run, "machine": machine}
    states = {"up": 0, "restarting": 0, "ended": 0}
    for slot in slots:
        states["ended" if slot.end else "up" if slot.child else "restarting"] += 1
    alive = [one for one in heartbeats or () if one.state not in ENDED]
    speeds = tuple(
        Sample(one.recent, {"run": run, "worker": one.worker}) for one in alive if one.recent is not None
    )
    return (
        Metric(
            "embedfleet_workers",
            "gauge",
            "Workers of this machine by state.",
            tuple(Sample(count, {**labels, "state": state}) for state, count in states.items()),
        ),
        counter(
            "embedfleet_machine_tokens_total",
            "Tokens of the shards that this machine finished.",
            None if heartbeats is None else sum(one.tokens for one in heartbeats),
            labels,
        ),
        counter(
            "embedfleet_machine_shards_total",
            "Shards that this machine finished.",
            None if heartbeats is None else sum(one.shards for one in heartbeats),
            labels,
        ),
        counter(
            "embedfleet_worker_restarts_total",
            "Workers of this machine that were started in the place of a crashed one.",
            sum(max(0, slot.life - 1) for slot in slots),
            labels,
        ),
        Metric(
            "embedfleet_worker_tokens_per_second",
            "gauge",
            "Speed of a worker over about the last minute.",
            speeds,
        ),
        *_figures(run, alive),
    )


def _figures(run: str, alive: Sequence[Heartbeat]) -> list[Metric]:
    found: list[Metric] = []
    for figure, (name, text, divisor) in FIGURES.items():
        values = [(one.worker, one.machine.get(figure)) for one in alive]
        samples = tuple(
            Sample(value / divisor, {"run": run, "worker": worker})
            for worker, value in values
            if isinstance(value, int | float)
        )
        found.append(Metric(name, "gauge", text, samples))
    return found
