"""Find the files of a finished run that may be deleted: output of lost workers, and of those that were overtaken.

A file is garbage only where it is proven to be the output of an attempt of this run that lost: no receipt names it, its
name is that of a shard and of a nonce that the store records for that shard (in a lease, a part or a receipt), and its
own metadata name this run. Metadata alone prove nothing: a table derived from ours inherits them. A lease that was
given back holds no nonce any more, so files of its attempt are kept, and listed as kept.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from launcher.format import plural, verb
from tasks.errors import Problem
from tasks.formats.parquet.parquet_reader import FOOTER_SPAN
from tasks.protocol import documents, lease, manifest, receipt
from tasks.protocol.keys import (
    VECTORS_PREFIX,
    leases_prefix,
    manifest_header_key,
    manifest_slabs_prefix,
    parts_prefix,
    quarantine_prefix,
    receipt_key,
)
from tasks.protocol.manifest import Header
from tasks.protocol.receipt import Receipt
from tasks.protocol.retry import list_receipts
from tasks.stores.base import Entry, Store, list_all, read

CONCURRENT_READS = 16  # a store far away answers after tens of milliseconds
ATTEMPT_CHARACTERS = 12  # of a nonce in the name of its attempt's files: see `tasks.worker.commit`
OTHER_RUN = "another run made it"
_ATTEMPT = re.compile(r"(?P<shard>[0-9a-f]{16})-(?P<attempt>[0-9a-f]{12})(?:-\d+)?")
_PART = re.compile(r"\d{12}-(?P<attempt>[0-9a-f]{12})\.json")


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file that no receipt of the run names and that is not deleted, and why."""

    entry: Entry
    reason: str


@dataclass(slots=True)
class Garbage:
    """What may be deleted of a finished run, and what no receipt names but is kept."""

    found: list[Entry] = field(default_factory=list[Entry])
    kept: list[KeptFile] = field(default_factory=list[KeptFile])


def finished_receipts(store: Store, header: Header) -> list[Receipt]:
    """Read the receipt of each shard from the store, by position.

    Raises:
        Problem: the manifest is damaged, or a receipt is missing or damaged, or vectors that a receipt names are missing.
    """
    slabs = _slabs(store, header)
    done = {
        shard: retry
        for slab in sorted(set(slabs.values()))
        for shard, retry in list_receipts(store, header.run, slab).done.items()
    }
    missing = len(slabs.keys() - done.keys())
    if missing:
        raise Problem(
            f"run {header.run} is not finished: {missing:,} of {plural(header.shards, 'shard')} have no receipt",
            hint=f"embedfleet resume {header.run}",
        )
    with ThreadPoolExecutor(CONCURRENT_READS) as pool:
        retries = [done[shard] for shard in slabs]
        receipts = list(pool.map(partial(_receipt, store, header.run), slabs.keys(), slabs.values(), retries))
    there = {entry.key for entry in list_all(store, VECTORS_PREFIX)}
    lost = sorted(key for one in receipts for key, _ in one.files if key not in there)
    if lost:
        raise Problem(
            f"{plural(len(lost), 'file')} of receipts of run {header.run} "
            f"{verb(len(lost), 'is', 'are')} missing, the first is {lost[0]}",
            hint=f"nothing was deleted; restore them, or embed what is missing again: embedfleet resume {header.run}",
        )
    return receipts


def _slabs(store: Store, header: Header) -> dict[str, str]:
    """The slab of each shard by the manifest, which must be whole: a header with too few shards would hide receipts."""
    slabs = {shard.id: shard.slab for shard in manifest.all_shards(store, header)}
    listed = sum(1 for _ in list_all(store, manifest_slabs_prefix(header.run)))
    if len(slabs) != header.shards or listed != manifest.slab_count(header) or not slabs:
        raise Problem(
            f"the manifest of run {header.run} is damaged: {manifest_header_key(header.run)} says"
            f" {plural(header.shards, 'shard')}, and its {plural(listed, 'slab')} hold others",
            hint="nothing was deleted; restore the header",
        )
    return slabs


def _receipt(store: Store, run: str, shard: str, slab: str, retry: int) -> Receipt:
    key = receipt_key(run, slab, shard, retry)
    hint = "nothing was deleted; restore the receipt, or delete it and resume to embed its shard again"
    body = read(store, key)
    try:
        return receipt.of_shard(body or b"", run, shard)
    except documents.BadDocument as error:
        raise Problem(f"the receipt {key} cannot be read: {error}", hint=hint) from error


def find_garbage(store: Store, header: Header, receipts: list[Receipt]) -> Garbage:
    """List what a finished run left behind: vectors and failed rows of attempts that lost, and parts others continued.

    `receipts` are those of `finished_receipts`.

    Raises:
        Problem: a shard is being tried again since they were read: a file of that attempt is no garbage.
    """
    judge = _Judge(store, header, receipts)
    garbage = Garbage()
    parts = list(list_all(store, parts_prefix(header.run)))
    for prefix, ending in ((VECTORS_PREFIX, ".parquet"), (quarantine_prefix(header.run), ".jsonl")):
        for entry in list_all(store, prefix):
            if entry.key in judge.named:
                continue
            reason = judge.reason_to_keep(entry.key, ending)
            if reason is None:
                garbage.found.append(entry)
            elif reason != OTHER_RUN:
                garbage.kept.append(KeptFile(entry, reason))
    for entry in parts:
        if _PART.fullmatch(entry.key.rpartition("/")[2]):
            garbage.found.append(entry)
        else:
            garbage.kept.append(KeptFile(entry, "its name is not that of a part"))
    _refuse_retries(store, header.run, judge)  # behind the listing: what was listed was begun before
    return garbage


def _refuse_retries(store: Store, run: str, judge: "_Judge") -> None:
    listings = {slab: list_receipts(store, run, slab) for slab in set(judge.slabs.values())}
    for one in judge.receipts:
        listing = listings[judge.slabs[one.shard]]
        if one.shard not in listing.done or listing.done[one.shard] != one.retry:
            raise Problem(
                f"shard {one.shard} of run {run} is being tried again",
                hint="nothing was deleted; finish the run once it is done",
            )


@dataclass(slots=True)
class _Judge:
    """Tells files of lost attempts of a run from all others. It remembers the attempts that it has read."""

    store: Store
    header: Header
    receipts: list[Receipt]
    named: frozenset[str] = field(init=False)  # keys of all files that a receipt names
    slabs: dict[str, str] = field(init=False)  # by shard
    nonces: dict[str, str] = field(init=False)  # of the receipts, by shard
    attempts: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])  # by shard

    def __post_init__(self) -> None:
        self.slabs = {shard.id: shard.slab for shard in manifest.all_shards(self.store, self.header)}
        # Files of receipts before a retry are kept: a later run may have taken them over into its dataset.
        all_receipts = [*self.receipts, *self._before_retries()]
        vectors = (key for one in all_receipts for key, _ in one.files)
        self.named = frozenset(vectors) | {key for one in all_receipts for key in one.quarantines}
        self.nonces = {one.shard: one.nonce for one in self.receipts}

    def _before_retries(self) -> Iterator[Receipt]:
        """The receipts that a retry has replaced."""
        for one in self.receipts:
            for retry in range(one.retry):
                slab = self.slabs[one.shard]
                if self.store.list(receipt_key(self.header.run, slab, one.shard, retry)):
                    yield _receipt(self.store, self.header.run, one.shard, slab, retry)

    def reason_to_keep(self, key: str, ending: str) -> str | None:
        """Why a file that no receipt names is kept; None: a lost attempt of this run made it, and it may be deleted."""
        vectors = key.startswith(VECTORS_PREFIX)
        name = key.removeprefix(VECTORS_PREFIX) if vectors else key.rpartition("/")[2]
        match = _ATTEMPT.fullmatch(name.removesuffix(ending)) if name.endswith(ending) else None
        if match is None:
            return "its name is not that of an attempt"
        shard = match["shard"]
        if shard not in self.slabs:
            return OTHER_RUN
        if vectors and (run := _run_of(self.store, key)) != self.header.run:
            return OTHER_RUN if run else "its metadata name no run"
        if shard not in self.attempts:
            self.attempts[shard] = _attempts(
                self.store, self.header.run, self.slabs[shard], shard, self.nonces[shard]
            )
        if match["attempt"] not in self.attempts[shard]:
            return "no lease of this run that is still recorded made it"
        return None


def _attempts(store: Store, run: str, slab: str, shard: str, nonce: str) -> frozenset[str]:
    """The attempts at a shard that the store records: in its leases that still hold a nonce, its parts, its receipt."""
    found = {nonce[:ATTEMPT_CHARACTERS]}
    for entry in list_all(store, f"{leases_prefix(run, slab)}{shard}/"):
        if lease.is_free(entry):
            continue
        try:
            body = documents.decode(read(store, entry.key) or b"", lease.LeaseBody, "a lease")
        except documents.BadDocument:
            continue  # it proves nothing
        found.add(body.nonce[:ATTEMPT_CHARACTERS])
    for entry in list_all(store, parts_prefix(run, slab, shard)):
        if part := _PART.fullmatch(entry.key.rpartition("/")[2]):
            found.add(part["attempt"])
    return frozenset(found)


def _run_of(store: Store, key: str) -> str | None:
    """Read the run that a file of vectors names in its metadata; None where it names none, and is not ours to remove."""
    stream = store.get(key, None, FOOTER_SPAN)
    if stream is None:
        return None
    with stream:
        try:
            metadata: Mapping[bytes, bytes] = pq.ParquetFile(stream).schema_arrow.metadata or {}
        except (pa.ArrowException, OSError):
            return None
    return metadata.get(b"embedfleet.run", b"").decode(errors="replace") or None
