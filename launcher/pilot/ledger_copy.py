"""The run's part of a ledger in the store: how a launcher on another machine and the laptop know the same of a run.

The laptop writes it when it hands the run over, the pilot once a minute, after its first decision, and at its end. The
reader rebuilds shards and receipts from the store as ever. Its time, by the store's clock, is the pilot's sign of life.
"""

import gzip
import tempfile
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from launcher.errors import Problem
from launcher.ledger.ledger import Ledger
from launcher.ledger.run_copy import extract, merge
from tasks.protocol.keys import pilot_ledger_key
from tasks.stores.base import Store, StoreError, read

SEND_INTERVAL = timedelta(seconds=60)
SILENT = timedelta(minutes=5)  # a pilot that has written nothing for so long does not drive its run
MAX_BYTES = 2**30  # of a copy; a run of 400 machines and a week has some 50 MiB


@dataclass(slots=True)
class LedgerCopies:
    """The copies that one launcher writes. `problem`: why the last could not be written."""

    ledger: Ledger
    store: Store
    run: str
    sent: datetime | None = None
    decided: bool = False  # whether a copy with a decision was sent
    problem: str | None = None

    def send_if_due(self, now: datetime) -> None:
        """Write a copy if the last one is old, or has no decision yet and the ledger has one.

        The first copy is written before the first decision; machines may come up and work before the next is due. A store
        that does not answer is asked again at the next look.
        """
        first_decision = not self.decided and bool(self.ledger.steering.decisions(self.run, last=1))
        if not first_decision and self.sent is not None and now - self.sent < SEND_INTERVAL:
            return
        self.sent = now
        try:
            send_copy(self.ledger, self.store, self.run)
            self.problem, self.decided = None, self.decided or first_decision
        except StoreError as problem:
            self.problem = str(problem)


def send_copy(ledger: Ledger, store: Store, run: str) -> None:
    """Write the run's part of a ledger into the store.

    Raises:
        StoreError: the store does not take it.
    """
    with tempfile.TemporaryDirectory(prefix="embedfleet-") as folder:
        path = Path(folder) / "ledger.db"
        extract(ledger, run, path)
        store.put(pilot_ledger_key(run), gzip.compress(path.read_bytes(), compresslevel=6))


def take_over_copy(ledger: Ledger, store: Store, run: str) -> bool:
    """Take over what the copy in the store says of a run that `ledger` knows; whether there is one.

    Consent and limits are not taken over: see `launcher.ledger.run_copy`.

    Raises:
        Problem: the copy cannot be read.
    """
    body = read(store, pilot_ledger_key(run))
    if body is None:
        return False
    with tempfile.TemporaryDirectory(prefix="embedfleet-") as folder:
        path = Path(folder) / "ledger.db"
        path.write_bytes(_unpacked(body, run))
        merge(ledger, run, path)
    return True


def copy_age(store: Store, run: str) -> timedelta | None:
    """How old the copy in the store is, by the store's clock; None: there is none."""
    key = pilot_ledger_key(run)
    found = next((entry.modified for entry in store.list(key) if entry.key == key), None)
    return None if found is None else store.now() - found


def _unpacked(body: bytes, run: str) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)  # gzip
    try:
        found = unpacker.decompress(body, MAX_BYTES)
    except zlib.error as error:
        raise _damaged(run, str(error)) from error
    if not unpacker.eof:
        raise _damaged(run, "it is cut off, or larger than any of ours")
    return found


def _damaged(run: str, why: str) -> Problem:
    return Problem(
        f"{pilot_ledger_key(run)}, what the pilot knows of run {run}, is damaged: {why}",
        hint="delete that object: the pilot writes it again within a minute",
    )
