"""Retries: shards that are done and are to be tried again, because something failed that may succeed another time.

Nothing is deleted. A mark beside the receipt says that the shard is open again; the retry has a receipt of its own, which
can be created once like the first, and the newest receipt counts. Versions that know no retries see the first receipt
and take the shard for done. Marks and receipts lie under one prefix, so one listing tells what is done.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tasks.protocol import documents
from tasks.protocol.keys import receipts_prefix, retry_key
from tasks.stores.base import Store, create_once, list_all

SCHEMA = "embedfleet/retry/1"
_RECEIPT = re.compile(r"([0-9a-f]{16})(?:\.([1-9]\d{0,5}))?\.json")
_MARK = re.compile(r"([0-9a-f]{16})\.([1-9]\d{0,5})-(\d{6,12})\.retry")


class Retry(NamedTuple):
    """The newest retry of a shard: its number, from 1, and the newest generation of a lease before it."""

    number: int
    generation: int


NEVER = Retry(0, 0)


@dataclass(frozen=True, slots=True)
class RetryMark:
    """The body of a mark."""

    nonce: str
    reason: str  # why the shard is tried again


@dataclass(frozen=True, slots=True)
class ReceiptListing:
    """What a listing of receipts says: by shard that is done, the retry of its newest receipt; and all retries."""

    done: Mapping[str, int] = field(default_factory=dict[str, int])
    retries: Mapping[str, Retry] = field(default_factory=dict[str, Retry])

    def retry(self, shard: str) -> Retry:
        return self.retries.get(shard, NEVER)


def read_names(names: Iterable[str]) -> ReceiptListing:
    """The listing of these names of receipts and marks; other names are passed over."""
    receipts: dict[str, int] = {}
    retries: dict[str, Retry] = {}
    for name in names:
        if found := _RECEIPT.fullmatch(name):
            receipts[found[1]] = max(receipts.get(found[1], 0), int(found[2] or 0))
        elif found := _MARK.fullmatch(name):
            one = Retry(int(found[2]), int(found[3]))
            retries[found[1]] = max(retries.get(found[1], NEVER), one)
    done = {shard: number for shard, number in receipts.items() if number >= retries.get(shard, NEVER).number}
    return ReceiptListing(done, retries)


def list_receipts(store: Store, run: str, slab: str) -> ReceiptListing:
    """List the receipts and marks of a slab."""
    prefix = receipts_prefix(run, slab)
    return read_names(entry.key[len(prefix) :] for entry in list_all(store, prefix))


def put_back(store: Store, run: str, slab: str, shard: str, retry: Retry, nonce: str, reason: str) -> None:
    """Mark a shard to be tried again. Idempotent: the same retry may have been marked already, by another launcher."""
    mark = documents.encode(RetryMark(nonce, reason), SCHEMA)
    create_once(store, retry_key(run, slab, shard, retry.number, retry.generation), mark)
