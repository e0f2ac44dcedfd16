"""Leases: who may work on a shard, by generations that only grow.

A lease only saves work. If all leases failed, work would be done twice and the result would still be right, because
outputs are named by attempt and a receipt can be created once (docs/architecture.md#the-store-protocol).

- Claim or take over: `create` generation n+1.
- Renew: `put` one's own generation, then look whether n+1 exists.
- Give back: empty one's own generation. Size 0 in a listing says "free" without a read.
- Crash: `!` and the place (`messages.crash_marker`) where the worker's process died of the shard. The lease is free
  as well; the next worker takes the shard alone.
- Unreadable: `??`. The lease is free as well; the worker could not read the input of the shard.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from tasks.protocol import documents
from tasks.protocol.bounds import Name
from tasks.protocol.keys import lease_key, leases_prefix
from tasks.protocol.retry import NEVER, Retry, list_receipts
from tasks.protocol.shard import Shard
from tasks.stores.base import Entry, Store, create_once, list_all, read

GENERATION = re.compile(r"[0-9]{6,15}")  # the last part of a lease's key
# Default lifetime without renewal: long against a renewal, short against the cost of a shard done twice.
LEASE_SECONDS = 60.0
CLOCK_GRACE = timedelta(seconds=1)  # stores stamp whole seconds
CRASHED = b"!"  # how the body of a lease begins whose worker's process died of the shard; its place follows
PLACE_CHARACTERS = 8
UNREADABLE = b"??"  # the body of a lease whose worker could not read the input
LONGEST_MARK = len(CRASHED) + PLACE_CHARACTERS  # bytes; the body of a lease that is held is far longer
CRASH_SIZES = (len(CRASHED), LONGEST_MARK)  # the versions before wrote no place
MAX_CRASHES = 3  # processes that may die of one shard; then it may be set aside
MAX_UNREADABLE = 3  # workers that may fail to read a shard; the last of them sets aside what it cannot read


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
    crashes: int = 0  # processes that died of this shard before, as far as that counts against it
    unreadable: int = 0  # workers that could not read it before
    retry: int = 0  # of the shard, that this lease works on

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
    unreadable: Mapping[str, int] = field(default_factory=dict[str, int])  # workers that could not read it
    retries: Mapping[str, Retry] = field(default_factory=dict[str, Retry])  # shards that were put back

    def next_generation(self, shard: str, ttl: timedelta) -> int | None:
        """The generation to claim; None when the shard is done, or leased to a worker that renews."""
        if shard in self.done:
            return None
        if shard not in self.newest:
            return 1
        generation, entry = self.newest[shard]
        # A lease from before the shard was put back is over: what its worker signs does not count any more.
        over = generation <= self.retries.get(shard, NEVER).generation
        free = over or is_free(entry) or self.now - entry.modified > ttl + CLOCK_GRACE
        return generation + 1 if free else None


def is_free(entry: Entry) -> bool:
    """Whether a lease was given back, or its worker's process died."""
    return entry.size <= LONGEST_MARK


def receipts(store: Store, run: str, slab: str) -> frozenset[str]:
    """The ids of the shards of a slab that are done."""
    return frozenset(list_receipts(store, run, slab).done)


def survey(store: Store, run: str, slab: str) -> Survey:
    """List a slab. Leases first, then receipts: so a shard that is finished in between counts as done."""
    prefix = leases_prefix(run, slab)
    newest: dict[str, tuple[int, Entry]] = {}
    marks: list[tuple[str, int, int]] = []
    for entry in list_all(store, prefix):
        shard, _, generation = entry.key[len(prefix) :].partition("/")
        if not GENERATION.fullmatch(generation):
            continue  # not a lease: file managers and network shares leave files of their own
        if entry.size and is_free(entry):
            marks.append((shard, int(generation), entry.size))
        if shard not in newest or int(generation) > newest[shard][0]:
            newest[shard] = (int(generation), entry)
    listed = list_receipts(store, run, slab)
    crashes, unreadable = Counter[str](), Counter[str]()
    for shard, generation, size in marks:  # those before a retry are forgotten
        if generation > listed.retry(shard).generation:
            crashes[shard] += size in CRASH_SIZES
            unreadable[shard] += size == len(UNREADABLE)
    return Survey(
        done=frozenset(listed.done),
        newest=newest,
        now=store.now(),
        crashes=+crashes,
        unreadable=+unreadable,
        retries=listed.retries,
    )


def crash_places(store: Store, run: str, slab: str, shard: str, retry: Retry = NEVER) -> frozenset[str]:
    """Where processes died of a shard since this retry; "" stands for a place that a version before did not write."""
    found: set[str] = set()
    prefix = f"{leases_prefix(run, slab)}{shard}/"
    for entry in list_all(store, prefix):
        generation = entry.key[len(prefix) :]
        if (
            GENERATION.fullmatch(generation)
            and int(generation) > retry.generation
            and entry.size in CRASH_SIZES
        ):
            body = read(store, entry.key) or b""
            if body.startswith(CRASHED):
                found.add(body[len(CRASHED) :].decode("ascii", "replace"))
    return frozenset(found)


def claim(
    store: Store,
    run: str,
    shard: Shard,
    generation: int,
    worker: str,
    now: datetime,
    crashes: int = 0,
    *,
    unreadable: int = 0,
    retry: int = 0,
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
        unreadable=unreadable,
        retry=retry,
    )
    return lease if create_once(store, lease.key, lease.body) else None


def renew(store: Store, lease: Lease) -> bool:
    """Renew a lease; False when another worker holds the next generation. Idempotent."""
    store.put(lease.key, lease.body)
    return read(store, lease_key(lease.run, lease.slab, lease.shard, lease.generation + 1)) is None


def give_back(store: Store, lease: Lease, *, died_at: str | None = None, unreadable: bool = False) -> None:
    """Give a lease back, so that the next worker may claim the shard at once."""
    release(store, lease.key, died_at=died_at, unreadable=unreadable)


def release(store: Store, entry_key: str, *, died_at: str | None = None, unreadable: bool = False) -> None:
    """Free the lease under this key.

    Args:
        store: of the run.
        entry_key: of the lease.
        died_at: the place where its worker's process died of the shard; "" where that is unknown, None: it did not.
        unreadable: its worker could not read the shard.
    """
    mark = b"" if died_at is None else CRASHED + died_at[:PLACE_CHARACTERS].encode()
    store.put(entry_key, UNREADABLE if unreadable and not mark else mark)


def holder(store: Store, entry_key: str) -> tuple[str, datetime] | None:
    """Worker and time of claim of a lease; None when it is free.

    Raises:
        BadDocument: it is not a lease.
    """
    body = read(store, entry_key)
    if not body or len(body) <= LONGEST_MARK:
        return None
    found = documents.decode(body, LeaseBody, "a lease")
    return found.worker, found.claimed
