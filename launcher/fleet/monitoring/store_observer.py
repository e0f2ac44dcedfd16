"""Read a run's store into the ledger: receipts, heartbeats, leases that ended without a receipt.

The store is the truth and the ledger its cache: reading is idempotent, and any process may do it.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from launcher.fleet.monitoring.heartbeats import HeartbeatReader
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import LeaseOutcome, MachineState, ObservedLease
from launcher.throughput.calibration import FirstMinute, first_minute_of
from tasks.protocol import heartbeat, keys, lease, manifest, receipt
from tasks.protocol.heartbeat import Heartbeat, ReturnedLease
from tasks.protocol.shard import SLAB, slab_name
from tasks.stores.base import Entry, Store, list_all, read

RECEIPT_BATCH = 200  # receipts written down together
NO_BLAME: Mapping[str, str] = {}
CONCURRENT_READS = 16  # a store far away answers after tens of milliseconds


@dataclass(slots=True)
class StoreObserver:
    """Reads a run's store. It remembers what was read, so that each look reads only what is new."""

    store: Store
    ledger: Ledger
    header: manifest.Header
    done: set[str] = field(default_factory=set[str])  # shards with a receipt
    listed_counts: dict[int, int] = field(default_factory=dict[int, int])  # receipts listed, by slab
    shards_by_worker: Counter[str] = field(default_factory=Counter[str])  # shards done
    first_minutes: dict[str, FirstMinute] = field(
        default_factory=dict[str, FirstMinute]
    )  # by worker, once over
    heartbeats: HeartbeatReader = field(init=False)

    def __post_init__(self) -> None:
        self.heartbeats = HeartbeatReader(self.store, self.run)

    @property
    def run(self) -> str:
        return self.header.run

    @property
    def finished(self) -> bool:
        return len(self.done) >= self.header.shards

    def load_known(self) -> None:
        """Take over the receipts that the ledger holds, so that only newer ones are read from the store."""
        for known in self.ledger.shards.receipts(self.run):
            self.done.add(known.shard)
            self.shards_by_worker[known.worker] += 1

    def read_receipts(self) -> None:
        """Write the receipts since the last look into the ledger."""
        for number in range(manifest.slab_count(self.header)):
            slab = slab_name(number)
            if self.listed_counts.get(number) == min(SLAB, self.header.shards - number * SLAB):
                continue  # a finished slab costs no more listings
            listed = lease.receipts(self.store, self.run, slab)
            self.listed_counts[number] = len(listed)
            fresh = sorted(listed - self.done)
            for start in range(0, len(fresh), RECEIPT_BATCH):
                with ThreadPoolExecutor(CONCURRENT_READS) as pool:
                    found = list(pool.map(partial(self._receipt, slab), fresh[start : start + RECEIPT_BATCH]))
                self.ledger.shards.record_receipts(self.run, found)
                self.shards_by_worker.update(r.worker for r in found)
                self.done.update(fresh[start : start + RECEIPT_BATCH])

    def _receipt(self, slab: str, shard: str) -> receipt.Receipt:
        body = read(self.store, keys.receipt_key(self.run, slab, shard))
        assert body is not None  # it was listed, and nothing deletes receipts
        return receipt.load(body)

    def read_heartbeat(self, worker: str) -> Heartbeat | None:
        """Read the worker's last heartbeat, and write its times into the ledger."""
        body = read(self.store, keys.heartbeat_key(self.run, worker))
        if body is None:
            return None
        found = heartbeat.load(body)
        self.record_heartbeat(worker, found)
        return found

    def record_heartbeat(self, machine: str, found: Heartbeat) -> None:
        """Write the times of a heartbeat, and the leases that its worker returned, into the ledger."""
        if found.ready:
            self.ledger.machines.mark_ready(machine, found.ready)
        if found.returned:
            self.ledger.shards.record_leases(
                self.run, [returned_lease(found.worker, entry) for entry in found.returned]
            )
        minute = first_minute_of(found)
        if minute:
            self.first_minutes[found.worker] = minute

    def read_heartbeats(self) -> None:
        """Read the heartbeats of all workers of this machine that the ledger holds as up."""
        for machine in self.ledger.machines.of_run(self.run, {MachineState.UP}):
            if machine.cloud == "local":  # the workers of rented machines are read by `WorkerTracker`
                self.read_heartbeat(machine.name)

    def release_leases(self, worker: str, now: datetime, died_of: Mapping[str, str] = NO_BLAME) -> int:
        """Free the leases of a worker that is certainly dead, so that no other waits until they expire.

        `died_of`: keys of the leases whose shards crashed its process, and its place. Returns how many were freed.
        """
        return self.release_matching_leases(lambda name: name == worker, now, died_of)

    def release_matching_leases(
        self, dead: Callable[[str], bool], now: datetime, died_of: Mapping[str, str] = NO_BLAME
    ) -> int:
        """Free the leases of all workers for which `dead` is true; return how many."""
        freed = 0
        for key, (_, shard, generation), entry in self._open():
            held = lease.holder(self.store, key)
            if held and dead(held[0]):
                lost = _lost_lease(shard, generation, held, last_seen=entry.modified, ended=now)
                self.ledger.shards.record_leases(self.run, [lost])
                lease.release(self.store, key, died_at=died_of.get(key))
                freed += 1
        return freed

    def record_lost_leases(self) -> None:
        """Write down the leases that a later generation replaced: paid work without a result."""
        lost: list[ObservedLease] = []
        made = {r.shard: r.generation for r in self.ledger.shards.receipts(self.run)}
        for number in range(manifest.slab_count(self.header)):
            prefix = keys.leases_prefix(self.run, slab_name(number))
            for entry in list_all(self.store, prefix):
                shard, _, text = entry.key[len(prefix) :].partition("/")
                if shard in made and text.isdigit() and int(text) != made[shard] and not lease.is_free(entry):
                    held = lease.holder(self.store, entry.key)
                    if held:
                        at = entry.modified
                        lost.append(_lost_lease(shard, int(text), held, last_seen=at, ended=at))
        self.ledger.shards.record_leases(self.run, lost)

    def _open(self) -> list[tuple[str, tuple[str, str, int], Entry]]:
        """The newest leases of shards that are not done: key, (slab, shard, generation), entry."""
        out: list[tuple[str, tuple[str, str, int], Entry]] = []
        for number in range(manifest.slab_count(self.header)):
            slab = slab_name(number)
            seen = lease.survey(self.store, self.run, slab)
            newest: Mapping[str, tuple[int, Entry]] = seen.newest
            for shard, (generation, entry) in newest.items():
                if shard not in seen.done and not lease.is_free(entry):
                    out.append((entry.key, (slab, shard, generation), entry))
        return out


def returned_lease(worker: str, entry: ReturnedLease) -> ObservedLease:
    """A lease that ended without a receipt, as its worker reported it."""
    return ObservedLease(
        shard=entry.shard,
        generation=entry.generation,
        worker=worker,
        claimed=entry.claimed,
        last_seen=entry.returned,
        ended=entry.returned,
        outcome=LeaseOutcome.RETURNED,
    )


def _lost_lease(
    shard: str, generation: int, holder: tuple[str, datetime], *, last_seen: datetime, ended: datetime
) -> ObservedLease:
    """A lease without a receipt. `holder`: its worker, and when that claimed the shard."""
    worker, claimed = holder
    return ObservedLease(
        shard=shard,
        generation=generation,
        worker=worker,
        claimed=claimed,
        last_seen=last_seen,
        ended=ended,
        outcome=LeaseOutcome.LOST,
    )


def observe_run(ledger: Ledger, store: Store, run: str) -> StoreObserver | None:
    """An observer that starts with what the ledger holds; None while the run has no manifest."""
    try:
        observer = StoreObserver(store, ledger, manifest.read_header(store, run))
    except manifest.RunNotFound:
        return None
    observer.load_known()
    return observer
