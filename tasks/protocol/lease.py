"""Leases: who may work on a shard, by generations that only grow.

A lease only saves work. If all leases failed, work would be done twice and the result would still be right, because
outputs are named by attempt and a receipt can be created once (docs/architecture.md#the-store-protocol).

- Claim or take over: `create` generation n+1.
- Renew: `put` one's own generation, then look whether n+1 exists.
- Give back: empty one's own generation. Size 0 in a listing says "free" without a read.
- Crash: one byte instead of none. The lease is free as well; the byte says that the worker's process died of the shard,
  so that the next worker takes it alone.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from tasks.protocol import documents
from tasks.protocol.bounds import Name
from tasks.protocol.keys import lease_key, leases_prefix, receipts_prefix
from tasks.protocol.shard import Shard
from tasks.stores.base import Entry, Store, create_once, list_all, read

RECEIPT_NAME = re.compile(r"[0-9a-f]{16}\.json")
GENERATION = re.compile(r"[0-9]{6,15}")  # the last part of a lease's key
# Default lifetime without renewal: long against a renewal, short against the cost of a shard done twice.
LEASE_SECONDS = 60.0
CLOCK_GRACE = timedelta(seconds=1)  # stores stamp whole seconds
CRASHED = b"!"  # the body of a lease whose worker's process died of the shard
MAX_CRASHES = 3  # processes that may die of one shard; then it is set aside


@dataclass(frozen=True, slots=True)
class LeaseBody:
    """A lease that is held, as the store holds it: its key says the rest."""

    worker: Name
    nonce: Name
    claimed: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a shard for a while."""

    run: str
    slab: str
    shard: str
    generation: int
    worker: str
    nonce: str  # tells our own lease from another's when the store's reply was lost
    claimed: datetime  # by the worker's clock; for people and the ledger, never for expiry
    crashes: int = 0  # processes that died of this shard before

    @property
    def key(self) -> str:
        return lease_key(self.run, self.slab, self.shard, self.generation)

    @property
    def body(self) -> bytes:
        return documents.encode(LeaseBody(self.worker, self.nonce, self.claimed))


@dataclass(frozen=True, slots=True)
class Survey:
    """The state of a slab, from two listings: the shards with a receipt, and the newest lease of each shard."""

    done: frozenset[str]
    newest: Mapping[str, tuple[int, Entry]]
    now: datetime  # by the store's clock
    crashes: Mapping[str, int] = field(default_factory=dict[str, int])  # processes that died of a shard

    def next_generation(self, shard: str, ttl: timedelta) -> int | None:
        """The generation to claim; None when the shard is done, or leased to a worker that renews."""
        if shard in self.done:
            return None
        if shard not in self.newest:
            return 1
        generation, entry = self.newest[shard]
        free = is_free(entry) or self.now - entry.modified > ttl + CLOCK_GRACE
        return generation + 1 if free else None


def is_free(entry: Entry) -> bool:
    """Whether a lease was given back, or its worker's process died."""
    return entry.size <= len(CRASHED)


def receipts(store: Store, run: str, slab: str) -> frozenset[str]:
    """The ids of the shards of a slab that have a receipt."""
    prefix = receipts_prefix(run, slab)
    names = (entry.key[len(prefix) :] for entry in list_all(store, prefix))
    return frozenset(name.removesuffix(".json") for name in names if RECEIPT_NAME.fullmatch(name))


def survey(store: Store, run: str, slab: str) -> Survey:
    """List a slab. Leases first, then receipts: so a shard that is finished in between counts as done."""
    prefix = leases_prefix(run, slab)
    newest: dict[str, tuple[int, Entry]] = {}
    crashes = Counter[str]()
    for entry in list_all(store, prefix):
        shard, _, generation = entry.key[len(prefix) :].partition("/")
        if not GENERATION.fullmatch(generation):
            continue  # not a lease: file managers and network shares leave files of their own
        crashes[shard] += entry.size == len(CRASHED)
        if shard not in newest or int(generation) > newest[shard][0]:
            newest[shard] = (int(generation), entry)
    return Survey(receipts(store, run, slab), newest, store.now(), +crashes)


def claim(
    store: Store, run: str, shard: Shard, generation: int, worker: str, now: datetime, crashes: int = 0
) -> Lease | None:
    """Claim a shard: the lease, or None when another worker was first."""
    lease = Lease(
        run=run,
        slab=shard.slab,
        shard=shard.id,
        generation=generation,
        worker=worker,
        nonce=uuid4().hex,
        claimed=now,
        crashes=crashes,
    )
    return lease if create_once(store, lease.key, lease.body) else None


def renew(store: Store, lease: Lease) -> bool:
    """Renew a lease; False when another worker holds the next generation. Idempotent."""
    store.put(lease.key, lease.body)
    return read(store, lease_key(lease.run, lease.slab, lease.shard, lease.generation + 1)) is None


def give_back(store: Store, lease: Lease, *, crashed: bool = False) -> None:
    """Give a lease back, so that the next worker may claim the shard at once."""
    release(store, lease.key, crashed=crashed)


def release(store: Store, entry_key: str, *, crashed: bool = False) -> None:
    """Free the lease under this key; `crashed`: its worker's process died of the shard."""
    store.put(entry_key, CRASHED if crashed else b"")


def holder(store: Store, entry_key: str) -> tuple[str, datetime] | None:
    """Worker and time of claim of a lease; None when it is free.

    Raises:
        BadDocument: it is not a lease.
    """
    body = read(store, entry_key)
    if not body or body == CRASHED:
        return None
    found = documents.decode(body, LeaseBody, "a lease")
    return found.worker, found.claimed
