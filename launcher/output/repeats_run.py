"""Read the receipts of the repeats run of a run: it is in no ledger, and its rows are in no dataset."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from tasks.protocol import documents, manifest, receipt
from tasks.protocol.keys import receipt_key, repeats_run
from tasks.protocol.receipt import Receipt
from tasks.protocol.retry import list_receipts
from tasks.protocol.shard import slab_name
from tasks.stores.base import Store, read

CONCURRENT_READS = 16  # a store far away answers after tens of milliseconds


@dataclass(frozen=True, slots=True)
class RepeatsReceipts:
    """Receipts of a repeats run that has so many shards."""

    shards: int
    receipts: tuple[Receipt, ...]


def read_repeats_receipts(store: Store, run: str, but: Collection[str] = ()) -> RepeatsReceipts | None:
    """The receipts of the repeats run of this run, without those of the shards `but`.

    None where the run has none, or where that cannot be read; a receipt that cannot be read is left out.
    """
    name = repeats_run(run)
    try:
        header = manifest.read_header(store, name)
    except (manifest.RunNotFound, documents.BadDocument):
        return None
    found: list[Receipt] = []
    with ThreadPoolExecutor(CONCURRENT_READS) as pool:
        for number in manifest.present_slabs(store, header):
            slab = slab_name(number)
            fresh = {s: retry for s, retry in list_receipts(store, name, slab).done.items() if s not in but}
            read_now = pool.map(partial(_receipt, store, name, slab), fresh.keys(), fresh.values())
            found += [one for one in read_now if one is not None]
    return RepeatsReceipts(header.shards, tuple(found))


def _receipt(store: Store, run: str, slab: str, shard: str, retry: int) -> Receipt | None:
    with suppress(documents.BadDocument):
        return receipt.of_shard(read(store, receipt_key(run, slab, shard, retry)) or b"", run, shard)
    return None
