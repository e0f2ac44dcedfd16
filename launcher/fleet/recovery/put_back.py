"""Put shards back to be tried again: by a mark in the store, and in the ledger.

Nothing is deleted: the receipt of the retry counts instead of the ones before it (`tasks.protocol.retry`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import uuid4

from tasks.protocol import lease
from tasks.protocol.receipt import Receipt
from tasks.protocol.retry import Retry, put_back
from tasks.protocol.shard import SLAB, slab_name
from tasks.stores.base import Store


def put_back_shards(store: Store, run: str, receipts: Sequence[Receipt], reason: str) -> None:
    """Mark shards, so that these receipts no longer count. Idempotent while no worker has done them again."""
    for slab, ours in by_slab(receipts).items():
        seen = lease.survey(store, run, slab)
        for one in ours:
            generation = seen.newest[one.shard][0] if one.shard in seen.newest else one.generation
            put_back(store, run, slab, one.shard, Retry(one.retry + 1, generation), uuid4().hex, reason)


def by_slab(receipts: Sequence[Receipt]) -> Mapping[str, Sequence[Receipt]]:
    """The receipts of each slab."""
    found = defaultdict[str, list[Receipt]](list)
    for one in receipts:
        found[slab_name(one.position // SLAB)].append(one)
    return found
