"""The workers of rented machines, read from their heartbeats in the store.

A machine has several workers: one for each GPU, and a new one after each crash. What they report goes into the ledger
under their machine's name. Each look costs one listing, and one read for each worker that may have news.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from launcher.fleet.monitoring.store_observer import StoreObserver
from tasks.protocol import keys
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.protocol.messages.worker_names import machine_of
from tasks.stores.base import list_all


@dataclass(slots=True)
class WorkerTracker:
    """What was read already. Workers of machines that the ledger does not know are ignored."""

    observer: StoreObserver
    read_completely: set[str] = field(
        default_factory=set[str]
    )  # workers with nothing more to read while they live

    def read_heartbeats(self, machines: Collection[str]) -> None:
        """Write down when each of these machines first was ready, in each of its lives."""
        for worker in self._workers():
            machine = machine_of(worker)
            if machine is not None and machine in machines and worker not in self.read_completely:
                self._read(worker, machine)

    def release_machine(self, machine: str, now: datetime) -> list[Heartbeat]:
        """Free the leases of a machine that is gone; return the last heartbeats of its workers."""
        last = [self._read(w, machine) for w in self._workers(f"{machine}-") if machine_of(w) == machine]
        self.observer.release_matching_leases(lambda worker: machine_of(worker) == machine, now)
        return [found for found in last if found]

    def shards_done(self, machine: str) -> int:
        """How many shards have a receipt by the machine's workers."""
        counts = self.observer.shards_by_worker
        return sum(n for worker, n in counts.items() if machine_of(worker) == machine)

    def _workers(self, beginning: str = "") -> list[str]:
        entries = list_all(self.observer.store, keys.heartbeats_prefix(self.observer.run, beginning))
        return [keys.worker_of(entry.key) for entry in entries]

    def _read(self, worker: str, machine: str) -> Heartbeat | None:
        found = self.observer.load_heartbeat(worker)
        if found is None:
            return None
        self.observer.record_heartbeat(machine, found)
        if found.ready and found.first_minute:
            self.read_completely.add(worker)
        return found
