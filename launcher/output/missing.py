"""Notice that the output of a finished run is gone: deleted, emptied, or restored without a part."""

from collections.abc import Iterable

from tasks.errors import Problem
from tasks.protocol.keys import VECTORS_PREFIX, manifest_header_key
from tasks.protocol.receipt import Receipt
from tasks.stores.base import Store, list_all


def check_output_there(store: Store, run: str, receipts: Iterable[Receipt]) -> None:
    """Check that the header of a finished run and every file of vectors that its receipts name are in the store.

    Raises:
        Problem: the header or a file is missing.
    """
    if not store.list(manifest_header_key(run)):
        raise Problem(
            f"run {run} was finished, and its output is gone: {manifest_header_key(run)} is missing",
            hint="restore it; or embed the job again: plan and launch with --runs and a new folder for the ledger",
        )
    there = {entry.key for entry in list_all(store, VECTORS_PREFIX)}
    lost = sorted({key for one in receipts for key, _ in one.files} - there)
    if lost:
        raise Problem(
            f"run {run} was finished, and {len(lost):,} of its files are missing; the first is {lost[0]}",
            hint="restore them; or embed the job again: plan and launch with another output.path",
        )
