"""Garbage collection: find the output of lost and overtaken workers of a finished run, which may be deleted.

A file is garbage only where it is proven to be the output of an attempt of this run that lost: no receipt names it, its
name is that of a shard and of a nonce that the store records for that shard (in a lease or a part) and that is not of
the attempt that won, and its own metadata name this run. Where nothing of a shard was embedded no attempt won, and files
of the one that said so are garbage, too. Metadata alone prove nothing: a table derived from ours inherits them. A lease
that was given back holds no nonce any more, so files of its attempt are kept, and listed as kept. Of a repeats run
(`tasks.protocol.repeats`) texts and vectors are garbage, because no reader uses them; its receipts stay for reports.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from launcher.output.finished_run import FinishedRun
from tasks.formats.parquet.open_parquet import open_parquet
from tasks.formats.parquet.parquet_reader import FOOTER_SPAN
from tasks.protocol import documents, lease
from tasks.protocol.keys import (
    VECTORS_PREFIX,
    leases_prefix,
    parts_prefix,
    quarantine_prefix,
    repeats_texts_prefix,
    repeats_vectors_prefix,
)
from tasks.stores.base import Entry, Store, list_all, read

ATTEMPT_CHARACTERS = 12  # of a nonce in the name of its attempt's files: see `tasks.worker.writing.commit`
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


def find_garbage(run: FinishedRun) -> Garbage:
    """List what a finished run left behind: vectors and failed rows of attempts that lost, and parts others continued.

    All of its receipts must have been read (`FinishedRun.receipts`).

    Raises:
        Problem: a shard is being tried again since they were listed: a file of that attempt is no garbage.
    """
    store, header = run.store, run.header
    judge = _Judge(run)
    garbage = Garbage()
    parts = list(list_all(store, parts_prefix(header.run)))
    for prefix, ending in ((VECTORS_PREFIX, ".parquet"), (quarantine_prefix(header.run), ".jsonl")):
        for entry in list_all(store, prefix):
            if run.names(entry.key):
                continue
            reason = judge.reason_to_keep(entry.key, ending)
            if reason is None:
                garbage.found.append(entry)
            elif reason != OTHER_RUN:
                garbage.kept.append(KeptFile(entry, reason))
    for prefix in (repeats_texts_prefix(header.run), repeats_vectors_prefix(header.run)):
        garbage.found += list_all(store, prefix)  # every shard has its receipt, so no worker needs them
    for entry in parts:
        if _PART.fullmatch(entry.key.rpartition("/")[2]):
            garbage.found.append(entry)
        else:
            garbage.kept.append(KeptFile(entry, "its name is not that of a part"))
    run.check_no_retry()  # behind the listing: what was listed was begun before
    return garbage


@dataclass(slots=True)
class _Judge:
    """Tells files of lost attempts of a run from all others. It remembers the attempts that it has read."""

    run: FinishedRun
    attempts: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])  # by shard

    def reason_to_keep(self, key: str, ending: str) -> str | None:
        """Why a file that no receipt names is kept; None: a lost attempt of this run made it, and it may be deleted."""
        vectors = key.startswith(VECTORS_PREFIX)
        name = key.removeprefix(VECTORS_PREFIX) if vectors else key.rpartition("/")[2]
        match = _ATTEMPT.fullmatch(name.removesuffix(ending)) if name.endswith(ending) else None
        if match is None:
            return "its name is not that of an attempt"
        shard = match["shard"]
        slab = self.run.slab_of(shard)
        if slab is None:
            return OTHER_RUN
        store, run = self.run.store, self.run.header.run
        if vectors and (maker := _run_of(store, key)) != run:
            return OTHER_RUN if maker else "its metadata name no run"
        if shard not in self.attempts:
            self.attempts[shard] = _attempts(store, run, slab, shard)
        winner = self.run.receipt_of(shard, slab)
        won = match["attempt"] == winner.nonce[:ATTEMPT_CHARACTERS]
        if won and winner.key is not None:
            return "the receipt of the attempt that it is named after does not name it"
        if not won and match["attempt"] not in self.attempts[shard]:
            return "no lease of this run that is still recorded made it"
        return None


def _attempts(store: Store, run: str, slab: str, shard: str) -> frozenset[str]:
    """The attempts at a shard that the store records: in its leases that still hold a nonce, and its parts."""
    found = set[str]()
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
            metadata: Mapping[bytes, bytes] = open_parquet(stream).schema_arrow.metadata or {}
        except (pa.ArrowException, OSError):
            return None
    return metadata.get(b"embedfleet.run", b"").decode(errors="replace") or None
