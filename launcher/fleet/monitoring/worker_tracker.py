"""The workers of rented machines, as their signs of life tell: a machine has several, one after and beside another.

What they say goes into the ledger under their machine's name. One listing a look, and only bodies that have news.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from launcher.fleet.monitoring.store_observer import StoreObserver
from tasks.protocol import heartbeat, keys
from tasks.protocol.heartbeat import Heartbeat
from tasks.protocol.worker_names import machine_of
from tasks.stores.base import every, read


@dataclass(slots=True)
class WorkerTracker:
    """What was read already. Workers of machines that the ledger does not know are passed over."""

    observer: StoreObserver
    read_completely: set[str] = field(
        default_factory=set[str]
    )  # workers of whom nothing more is to be learnt while they live

    def read_heartbeats(self, machines: Collection[str]) -> None:
        """Write down when each machine could first embed, in each of its lives."""
        for worker in self._workers():
            machine = machine_of(worker)
            if machine is not None and machine in machines and worker not in self.read_completely:
                self._read(worker, machine)

    def release_machine(self, machine: str, now: datetime) -> list[Heartbeat]:
        """A machine is gone: what its workers said last, and their leases given back."""
        pulses = [self._read(w, machine) for w in self._workers(f"{machine}-") if machine_of(w) == machine]
        self.observer.release_matching_leases(lambda worker: machine_of(worker) == machine, now)
        return [pulse for pulse in pulses if pulse]

    def shards_done(self, machine: str) -> int:
        """How many have a receipt by its workers."""
        return sum(n for worker, n in self.observer.shards_by_worker.items() if machine_of(worker) == machine)

    def _workers(self, beginning: str = "") -> list[str]:
        entries = every(self.observer.store, keys.heartbeats_prefix(self.observer.run, beginning))
        return [keys.worker_of(entry.key) for entry in entries]

    def _read(self, worker: str, machine: str) -> Heartbeat | None:
        body = read(self.observer.store, keys.heartbeat_key(self.observer.run, worker))
        if body is None:
            return None
        pulse = heartbeat.load(body)
        self.observer.record_heartbeat(machine, pulse)
        if pulse.ready and pulse.first_minute:
            self.read_completely.add(worker)
        return pulse
