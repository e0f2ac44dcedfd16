"""The receipts of a finished run, read from the store one by one, and the files that they name.

A ledger may be older than the run, so none is asked. What is kept is 16 bytes a shard and 24 bytes a file, and the
receipts of one slab; the names of a folder are in memory while it is listed.
"""

from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from launcher.format import plural, verb
from launcher.output.hashed_names import contains, id_hash
from launcher.output.id_hashes import sort_in_place
from launcher.output.stored_files import StoredFiles
from tasks.errors import Problem
from tasks.protocol import documents, manifest, receipt
from tasks.protocol.keys import VECTORS_PREFIX, manifest_header_key, manifest_slabs_prefix, receipt_key
from tasks.protocol.manifest import Header
from tasks.protocol.receipt import Receipt
from tasks.protocol.retry import list_receipts
from tasks.protocol.shard import SLAB, slab_name
from tasks.stores.base import Store, list_all, read

CONCURRENT_READS = 16  # a store far away answers after tens of milliseconds


class FinishedRun:
    """A run whose every shard has a receipt."""

    def __init__(self, store: Store, header: Header) -> None:
        """Read the manifest, and list the receipts and the vectors.

        Raises:
            Problem: the manifest is damaged, or a receipt is missing.
        """
        self.store, self.header = store, header
        self._ids = array("Q", (int(shard.id, 16) for shard in manifest.all_shards(store, header)))
        self._check_manifest()
        self._retries = self._newest_receipts()  # before the vectors: a file is there before its receipt
        self._there = StoredFiles.under(store, VECTORS_PREFIX)
        self._named: array[int] | None = None

    def receipts(self) -> Iterator[Receipt]:
        """Read the receipt of each shard, by position.

        Raises:
            Problem: a receipt is damaged, or, at the end, vectors that receipts name are missing or of another size.
        """
        named, lost, first = array("Q"), 0, ""
        for one in self._each():
            for key, size in one.sizes:
                if not self._there.has_sized(key, size):
                    lost, first = lost + 1, min(first or key, key)
            # Files of receipts before a retry are kept: a later run may have taken them over into its dataset.
            for counted in (one, *self._before_retries(one)):
                named.extend(id_hash(key, 0) for key, _ in counted.files)
                named.extend(id_hash(key, 0) for key in counted.quarantines)
            yield one
        if lost:
            raise Problem(
                f"{plural(lost, 'file')} of receipts of run {self.header.run} "
                f"{verb(lost, 'is', 'are')} missing or of another size, the first is {first}",
                hint="nothing was deleted; restore them, or embed what is missing again: "
                f"embedfleet resume {self.header.run}",
            )
        sort_in_place(named)
        self._named = named

    def names(self, key: str) -> bool:
        """Whether a receipt names this file. Asked only once all `receipts` were read: else good files look unnamed."""
        if self._named is None:
            raise ValueError("which files the receipts name is not known before all of them were read")
        return contains(self._named, id_hash(key, 0))

    def slab_of(self, shard: str) -> str | None:
        """The slab of a shard, by its id of 16 hexadecimal digits; None where the run has no such shard."""
        ids, order = np.asarray(self._ids), self._order
        place = int(np.searchsorted(ids, int(shard, 16), sorter=order))
        if place == len(order) or int(ids[order[place]]) != int(shard, 16):
            return None
        return slab_name(int(order[place]) // SLAB)

    def receipt_of(self, shard: str, slab: str) -> Receipt:
        """Read the receipt of one shard again.

        Raises:
            Problem: it is damaged.
        """
        return self._receipt(slab, shard, self._retries.get(shard, 0))

    def check_no_retry(self) -> None:
        """Check that no shard is being tried again since the receipts were listed.

        Raises:
            Problem: a shard is being tried again.
        """
        for slab, shards in self._slabs():
            done = list_receipts(self.store, self.header.run, slab).done
            for shard in shards:
                if done.get(shard) != self._retries.get(shard, 0):
                    raise Problem(
                        f"shard {shard} of run {self.header.run} is being tried again",
                        hint="nothing was deleted; finish the run once it is done",
                    )

    @cached_property
    def _order(self) -> NDArray[np.intp]:
        return np.argsort(np.asarray(self._ids))

    def _check_manifest(self) -> None:
        """The manifest must be whole: a header with too few shards would hide receipts."""
        header = self.header
        listed = sum(1 for _ in list_all(self.store, manifest_slabs_prefix(header.run)))
        if len(self._ids) != header.shards or listed != manifest.slab_count(header) or not self._ids:
            raise Problem(
                f"the manifest of run {header.run} is damaged: {manifest_header_key(header.run)} says"
                f" {plural(header.shards, 'shard')}, and its {plural(listed, 'slab')} hold others",
                hint="nothing was deleted; restore the header",
            )

    def _slabs(self) -> Iterator[tuple[str, list[str]]]:
        """Each slab with the ids of its shards, by position."""
        for first in range(0, len(self._ids), SLAB):
            yield slab_name(first // SLAB), [f"{one:016x}" for one in self._ids[first : first + SLAB]]

    def _newest_receipts(self) -> dict[str, int]:
        """The retry of each shard's newest receipt, where it is not 0."""
        missing, retries = 0, dict[str, int]()
        for slab, shards in self._slabs():
            done = list_receipts(self.store, self.header.run, slab).done
            missing += sum(shard not in done for shard in shards)
            retries |= {shard: done[shard] for shard in shards if done.get(shard)}
        if missing:
            raise Problem(
                f"run {self.header.run} is not finished: "
                f"{missing:,} of {plural(self.header.shards, 'shard')} have no receipt",
                hint=f"embedfleet resume {self.header.run}",
            )
        return retries

    def _each(self) -> Iterator[Receipt]:
        with ThreadPoolExecutor(CONCURRENT_READS) as pool:
            for slab, shards in self._slabs():
                retries = [self._retries.get(shard, 0) for shard in shards]
                yield from pool.map(partial(self._receipt, slab), shards, retries)

    def _before_retries(self, one: Receipt) -> Iterator[Receipt]:
        """The receipts of a shard that a retry has replaced."""
        slab = slab_name(one.position // SLAB)
        for retry in range(one.retry):
            if self.store.list(receipt_key(self.header.run, slab, one.shard, retry)):
                yield self._receipt(slab, one.shard, retry)

    def _receipt(self, slab: str, shard: str, retry: int) -> Receipt:
        key = receipt_key(self.header.run, slab, shard, retry)
        hint = "nothing was deleted; restore the receipt, or delete it and resume to embed its shard again"
        body = read(self.store, key)
        try:
            return receipt.of_shard(body or b"", self.header.run, shard)
        except documents.BadDocument as error:
            raise Problem(f"the receipt {key} cannot be read: {error}", hint=hint) from error
