"""Notice that a part of a run's output is gone: deleted, emptied, cut, or restored without it.

Compares what the ledger knows to be done with what the store holds: the manifest, a receipt for each shard that is done,
and each file that a receipt names, vectors by their size, too. Two listings, and 16 bytes a file in memory; nothing is
read, so of a file that was changed at equal size only `verify` knows.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from launcher.format import plural
from launcher.output.hashed_names import contains, id_hash
from launcher.output.stored_files import StoredFiles, stored_names
from tasks.errors import Problem
from tasks.protocol.keys import VECTORS_PREFIX, manifest_header_key, quarantine_prefix, receipts_prefix
from tasks.protocol.receipt import Receipt
from tasks.protocol.retry import ReceiptListing, read_names
from tasks.protocol.shard import SLAB, slab_name
from tasks.stores.base import Store, list_all


@dataclass(frozen=True, slots=True)
class MissingOutput:
    """What is gone of a run. `done` and `named` are what there was: shards that are done, and files."""

    run: str
    done: int
    named: int
    manifest: bool = False
    receipts: tuple[Receipt, ...] = ()  # as the ledger has them; the store does not
    files: tuple[str, ...] = ()  # that receipts name, which are there or not
    other_size: tuple[str, ...] = ()  # files that are there, and longer or shorter than their receipts say
    shards: tuple[Receipt, ...] = ()  # whose receipt is there, and a file of theirs is not as it says

    def __bool__(self) -> bool:
        return self.manifest or bool(self.receipts) or bool(self.files) or bool(self.other_size)

    @property
    def lost(self) -> tuple[Receipt, ...]:
        """The receipts of all shards that are to be embedded again."""
        return (*self.receipts, *self.shards)

    def __str__(self) -> str:
        """The missing files in words, such as "2 of 30 files are missing, the first is data/a.parquet"."""
        said: list[str] = []
        if self.manifest:
            said.append(f"its manifest ({manifest_header_key(self.run)}) is missing")
        if self.receipts:
            said.append(f"{len(self.receipts):,} of {plural(self.done, 'receipt')} are missing")
        if self.files:
            said.append(
                f"{len(self.files):,} of {plural(self.named, 'file')} are missing, the first is {self.files[0]}"
            )
        if self.other_size:
            said.append(
                f"{len(self.other_size):,} of {plural(self.named, 'file')} are longer or shorter than their receipts"
                f" say, the first is {self.other_size[0]}"
            )
        return "; ".join(said)


def find_missing(store: Store, run: str, receipts: Iterable[Receipt]) -> MissingOutput:
    """Compare the receipts that the ledger holds with what is in the store."""
    done = named = 0
    vectors, quarantines = (
        StoredFiles.under(store, VECTORS_PREFIX),
        stored_names(store, quarantine_prefix(run)),
    )
    listings: dict[int, ReceiptListing] = {}
    unsigned: list[Receipt] = []
    incomplete: list[Receipt] = []
    lost: list[str] = []
    changed: list[str] = []
    for one in receipts:
        done += 1
        named += len(one.files) + len(one.quarantines)
        number = one.position // SLAB
        if number not in listings:
            listings = {number: _listing(store, run, number)}  # receipts come by position
        if listings[number].retry(one.shard).number > one.retry:
            continue  # it was put back since, perhaps by another launcher, and this receipt no longer counts
        gone = [key for key, _ in one.sizes if not vectors.has(key)]
        other = [key for key, size in one.sizes if vectors.has(key) and not vectors.has_sized(key, size)]
        gone += [key for key in one.quarantines if not contains(quarantines, id_hash(key, 0))]
        lost += gone
        changed += other
        if one.shard not in listings[number].done:
            unsigned.append(one)
        elif gone or other:
            incomplete.append(one)
    return MissingOutput(
        run=run,
        done=done,
        named=named,
        manifest=not store.list(manifest_header_key(run)),
        receipts=tuple(unsigned),
        files=tuple(lost),
        other_size=tuple(changed),
        shards=tuple(incomplete),
    )


def check_output_there(store: Store, run: str, receipts: Iterable[Receipt]) -> None:
    """Check that all of a finished run is in the store.

    Raises:
        Problem: a part of it is missing.
    """
    if missing := find_missing(store, run, receipts):
        raise output_gone(missing)


def output_gone(missing: MissingOutput, *, finished: bool = True) -> Problem:
    """The error of a command that needs an output that is not there."""
    if not finished and not missing.done:
        return Problem(
            f"run {missing.run} was not started, or its output is gone: {missing}",
            hint=f"embedfleet resume {missing.run} starts it",
        )
    return Problem(
        f"run {missing.run} was {'finished' if finished else 'begun'}, and its output is gone or incomplete: {missing}",
        hint=f"restore it; or embed what is missing again: embedfleet resume {missing.run}",
    )


def _listing(store: Store, run: str, slab: int) -> ReceiptListing:
    prefix = receipts_prefix(run, slab_name(slab))
    return read_names(entry.key[len(prefix) :] for entry in list_all(store, prefix))
