"""Who may work on a shard: leases with a generation that only grows.

A lease merely saves work. If all of them failed, work would be done twice and nothing would be wrong,
because outputs are named by attempt and a receipt can be created once (docs/architecture.md#the-store-protocol).
Claim or take over = `create` of generation n+1. Renew = `put` of one's own generation, and a look whether
n+1 exists. Give back = one's own generation, emptied: size 0 in the listing says "free" without a read. One byte says
that the worker's process died of the shard: free as well, and the next one is careful.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from tasks.protocol.keys import lease_key, leases_prefix, receipts_prefix
from tasks.protocol.shard import Shard
from tasks.stores.base import Entry, Store, create_once, every, read

RECEIPT = re.compile(r"[0-9a-f]{16}\.json")
GRACE = timedelta(seconds=1)  # stores stamp whole seconds
CRASHED = b"!"  # a lease under which its worker's process died of the shard
DEADLY = 3  # processes that may die of a shard before it is set aside


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a shard for a while."""

    run: str
    slab: str
    shard: str
    generation: int
    worker: str
    nonce: str
    claimed: str  # ISO 8601, the worker's clock; for people and the ledger, never for expiry
    crashes: int = 0  # processes that died of this shard before

    @property
    def key(self) -> str:
        return lease_key(self.run, self.slab, self.shard, self.generation)

    @property
    def body(self) -> bytes:
        return json.dumps({"worker": self.worker, "nonce": self.nonce, "claimed": self.claimed}).encode()


@dataclass(frozen=True, slots=True)
class Survey:
    """What two listings say of a slab: the shards with a receipt, and the newest lease of each shard.

    `crashes` counts the processes that died of a shard.
    """

    done: frozenset[str]
    newest: Mapping[str, tuple[int, Entry]]
    now: datetime
    crashes: Mapping[str, int] = field(default_factory=dict[str, int])

    def next_generation(self, shard: str, ttl: timedelta) -> int | None:
        """The generation to claim, None while the shard is done or in somebody's hands."""
        if shard in self.done:
            return None
        if shard not in self.newest:
            return 1
        generation, entry = self.newest[shard]
        free = is_free(entry) or self.now - entry.modified > ttl + GRACE
        return generation + 1 if free else None


def is_free(entry: Entry) -> bool:
    """Whether a lease was given up: given back, or its process died."""
    return entry.size <= len(CRASHED)


def receipts(store: Store, run: str, slab: str) -> frozenset[str]:
    """The ids of the shards of a slab that are done."""
    prefix = receipts_prefix(run, slab)
    names = (entry.key[len(prefix) :] for entry in every(store, prefix))
    return frozenset(name.removesuffix(".json") for name in names if RECEIPT.fullmatch(name))


def survey(store: Store, run: str, slab: str) -> Survey:
    """Leases before receipts: a shard that is finished in between is then seen as done."""
    prefix = leases_prefix(run, slab)
    newest: dict[str, tuple[int, Entry]] = {}
    crashes = Counter[str]()
    for entry in every(store, prefix):
        shard, _, generation = entry.key[len(prefix) :].partition("/")
        if not generation.isdigit():
            continue  # not ours: file managers and network shares leave files of their own
        crashes[shard] += entry.size == len(CRASHED)
        if shard not in newest or int(generation) > newest[shard][0]:
            newest[shard] = (int(generation), entry)
    return Survey(receipts(store, run, slab), newest, store.now(), +crashes)


def claim(
    store: Store, run: str, shard: Shard, generation: int, worker: str, now: datetime, crashes: int = 0
) -> Lease | None:
    """The lease, None when another was first."""
    lease = Lease(run, shard.slab, shard.id, generation, worker, uuid4().hex, now.isoformat(), crashes)
    return lease if create_once(store, lease.key, lease.body) else None


def renew(store: Store, lease: Lease) -> bool:
    """Whether the shard is still ours: False once somebody holds the next generation."""
    store.put(lease.key, lease.body)
    return read(store, lease_key(lease.run, lease.slab, lease.shard, lease.generation + 1)) is None


def give_back(store: Store, lease: Lease, *, crashed: bool = False) -> None:
    """Let the next worker have the shard at once."""
    free(store, lease.key, crashed=crashed)


def free(store: Store, entry_key: str, *, crashed: bool = False) -> None:
    """Give a lease up; `crashed`: its worker's process died of the shard."""
    store.put(entry_key, CRASHED if crashed else b"")


def holder(store: Store, entry_key: str) -> tuple[str, datetime] | None:
    """Worker and time of claim of a lease, None when it was given up."""
    body = read(store, entry_key)
    if not body or body == CRASHED:
        return None
    fields = json.loads(body)
    return fields["worker"], datetime.fromisoformat(fields["claimed"])
