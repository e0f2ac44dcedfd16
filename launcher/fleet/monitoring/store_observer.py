"""Read a run's store into the ledger: receipts, heartbeats, leases that ended without a receipt.

The store is the truth and the ledger its cache: reading is idempotent, and any process may do it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from time import monotonic

from launcher.fleet.monitoring.heartbeats import HeartbeatReader
from launcher.fleet.monitoring.repeats_progress import RepeatsProgress
from launcher.format import plural
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import LeaseOutcome, MachineState, ObservedLease, RunState
from launcher.throughput.calibration import FirstMinute, first_minute_of
from tasks.clock import utc
from tasks.errors import Problem
from tasks.protocol import documents, keys, lease, manifest, receipt
from tasks.protocol.messages import heartbeat
from tasks.protocol.messages.heartbeat import Heartbeat, ReturnedLease
from tasks.protocol.retry import ReceiptListing, list_receipts
from tasks.protocol.shard import SLAB, slab_name
from tasks.stores.base import Entry, Store, list_all, read
from tasks.stores.folder import FolderStore

RECEIPT_BATCH = 200  # receipts written down together
NO_BLAME: Mapping[str, str] = {}
MANY_SHARDS = 2_000  # a shard is then less of the run than what is shown of it
HEARTBEAT_SECONDS = 15.0  # between two looks at what workers in a bucket write about shards in work
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
    unreadable: dict[str, str] = field(default_factory=dict[str, str])  # why, by key; they stop nothing
    unreadable_shards: set[str] = field(default_factory=set[str])  # with a receipt that cannot be read
    retries: dict[str, int] = field(
        default_factory=dict[str, int]
    )  # of the receipts that are known, where not 0
    heartbeats: HeartbeatReader = field(init=False)
    _open_tokens: Mapping[str, int] = field(default_factory=dict[str, int])  # by shard
    _open_until: float = 0.0  # by the monotonic clock: when heartbeats are read for it again
    repeats: RepeatsProgress = field(init=False)
    slabs: range = field(init=False)  # numbers of those that are there

    def __post_init__(self) -> None:
        self.heartbeats = HeartbeatReader(self.store, self.run, self.unreadable)
        self.repeats = RepeatsProgress(self.store, self.run)
        self.slabs = manifest.present_slabs(self.store, self.header)

    @property
    def run(self) -> str:
        return self.header.run

    @property
    def finished(self) -> bool:
        return len(self.done) >= self.header.shards

    @property
    def settled(self) -> bool:
        """Whether every shard has a receipt, readable or not: no worker has anything left to do."""
        return len(self.done) + len(self.unreadable_shards) >= self.header.shards

    def check_shards(self) -> None:
        """Check that the manifest and the ledger have the same number of shards, or the run would never end.

        Raises:
            Problem: they differ.
        """
        known = self.ledger.shards.progress(self.run).shards
        if known != self.header.shards:
            raise Problem(
                f"the manifest of run {self.run} has {plural(self.header.shards, 'shard')}, and the ledger {known:,}",
                hint="its header or a slab is damaged: restore it, then: embedfleet ledger rebuild OUTPUT",
            )

    def load_known(self) -> None:
        """Take over the receipts that the ledger holds, so that only newer ones are read from the store."""
        for known in self.ledger.shards.each_receipt(self.run):
            self.done.add(known.shard)
            self._note_retry(known)
            self.shards_by_worker[known.worker] += 1

    def read_receipts(self) -> None:
        """Write the receipts since the last look into the ledger. What cannot be read is in `unreadable`."""
        reopened = 0
        for number in self.slabs:
            slab = slab_name(number)
            if self.listed_counts.get(number) == min(SLAB, self.header.shards - number * SLAB):
                continue  # a finished slab costs no more listings
            listing = list_receipts(self.store, self.run, slab)
            reopened += self._reopen_put_back(listing)
            self.listed_counts[number] = len(listing.done)
            fresh = sorted(listing.done.keys() - self.done - self.unreadable_shards)
            for start in range(0, len(fresh), RECEIPT_BATCH):
                self._read_batch(slab, fresh[start : start + RECEIPT_BATCH], listing.done)
        if self.header.repeats:
            self.shards_by_worker.update(self.repeats.new_workers())
        if reopened and not self.finished and self.ledger.runs.find(self.run).state == RunState.DONE:
            self.ledger.runs.set_state(self.run, RunState.STOPPED, utc())

    def _reopen_put_back(self, listing: ReceiptListing) -> int:
        """Let shards wait again that were put back after the receipt that the ledger has, perhaps by another launcher."""
        stale = {
            shard
            for shard, retry in listing.retries.items()
            if shard in self.done and retry.number > self.retries.get(shard, 0)
        }
        if not stale:
            return 0
        known = [one for one in self.ledger.shards.each_receipt(self.run) if one.shard in stale]
        self.done -= stale
        return self.ledger.shards.reopen(self.run, known)

    def _note_retry(self, known: receipt.Receipt) -> None:
        if known.retry:
            self.retries[known.shard] = known.retry

    def _read_batch(self, slab: str, shards: Sequence[str], retries: Mapping[str, int]) -> None:
        foreign = self.ledger.shards.unknown(self.run, shards)
        for shard in foreign:
            self.unreadable[keys.receipt_key(self.run, slab, shard)] = "the manifest has no such shard"
        ours = [shard for shard in shards if shard not in foreign]
        with ThreadPoolExecutor(CONCURRENT_READS) as pool:
            read_now = list(pool.map(partial(self._receipt, slab, retries), ours))
        found = [one for one in read_now if one is not None]
        self.ledger.shards.record_receipts(self.run, found)
        self.shards_by_worker.update(one.worker for one in found)
        self.done.update(one.shard for one in found)
        for one in found:
            self._note_retry(one)

    def _receipt(self, slab: str, retries: Mapping[str, int], shard: str) -> receipt.Receipt | None:
        key = keys.receipt_key(self.run, slab, shard, retries[shard])
        body = read(self.store, key)
        if body is None:  # somebody removed it after it was listed
            return None
        try:
            return receipt.of_shard(body, self.run, shard)
        except documents.BadDocument as error:
            self.unreadable[key] = str(error)
            self.unreadable_shards.add(shard)
            return None

    def load_heartbeat(self, worker: str) -> Heartbeat | None:
        """The worker's last heartbeat; None where there is none, or where it cannot be read."""
        key = keys.heartbeat_key(self.run, worker)
        body = read(self.store, key)
        if body is None:
            return None
        try:
            return heartbeat.of_worker(body, self.run, worker)
        except documents.BadDocument as error:
            self.unreadable[key] = str(error)
            return None

    def read_heartbeat(self, worker: str) -> Heartbeat | None:
        """Read the worker's last heartbeat, and write its times into the ledger."""
        found = self.load_heartbeat(worker)
        if found is not None:
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

    def tokens_open(self, machines: Collection[str]) -> int:
        """Tokens that these machines have embedded of shards without a receipt, by their workers' last heartbeats.

        Not asked for in a run of many shards: its finished shards alone say well enough how far it is.
        """
        if self.header.shards > MANY_SHARDS or self.finished:
            return 0
        if monotonic() >= self._open_until:
            self._open_until = monotonic() + (
                0.0 if isinstance(self.store, FolderStore) else HEARTBEAT_SECONDS
            )
            self._open_tokens = self.heartbeats.tokens_open(machines)
        return sum(tokens for shard, tokens in self._open_tokens.items() if shard not in self.done)

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
        for key, _, _ in self._open_repeats():  # the ledger knows no shards of a repeats run
            held = self._holder(key)
            if held and dead(held[0]):
                lease.release(self.store, key, died_at=died_of.get(key))
                freed += 1
        for key, (_, shard, generation), entry in self._open():
            held = self._holder(key)
            if held and dead(held[0]):
                lost = _lost_lease(shard, generation, held, last_seen=entry.modified, ended=now)
                self.ledger.shards.record_leases(self.run, [lost])
                lease.release(self.store, key, died_at=died_of.get(key))
                freed += 1
        return freed

    def record_lost_leases(self) -> None:
        """Write down the leases that a later generation replaced: paid work without a result."""
        lost: list[ObservedLease] = []
        for number in self.slabs:
            made = self.ledger.shards.generations(self.run, number)
            prefix = keys.leases_prefix(self.run, slab_name(number))
            for entry in list_all(self.store, prefix):
                shard, _, text = entry.key[len(prefix) :].partition("/")
                if not lease.GENERATION.fullmatch(text) or lease.is_free(entry):
                    continue
                if shard in made and int(text) != made[shard]:
                    held = self._holder(entry.key)
                    if held:
                        at = entry.modified
                        lost.append(_lost_lease(shard, int(text), held, last_seen=at, ended=at))
        self.ledger.shards.record_leases(self.run, lost)

    def _holder(self, key: str) -> tuple[str, datetime] | None:
        """Worker and time of claim of a lease; None when it is free, or cannot be read and expires by itself."""
        try:
            return lease.holder(self.store, key)
        except documents.BadDocument as error:
            self.unreadable[key] = str(error)
            return None

    def _open(self) -> list[tuple[str, tuple[str, str, int], Entry]]:
        """The newest leases of shards that are not done: key, (slab, shard, generation), entry."""
        return [one for number in self.slabs for one in self._open_in(self.run, number)]

    def _open_repeats(self) -> list[tuple[str, tuple[str, str, int], Entry]]:
        """The same as `_open` for the repeats run."""
        if not self.header.repeats:
            return []
        run = keys.repeats_run(self.run)
        try:
            slabs = manifest.present_slabs(self.store, manifest.read_header(self.store, run))
        except (documents.BadDocument, manifest.RunNotFound):  # workers pass it over
            return []
        return [one for number in slabs for one in self._open_in(run, number)]

    def _open_in(self, run: str, number: int) -> list[tuple[str, tuple[str, str, int], Entry]]:
        slab = slab_name(number)
        seen = lease.survey(self.store, run, slab)
        newest: Mapping[str, tuple[int, Entry]] = seen.newest
        return [
            (entry.key, (slab, shard, generation), entry)
            for shard, (generation, entry) in newest.items()
            if shard not in seen.done and not lease.is_free(entry)
        ]


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
