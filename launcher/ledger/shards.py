"""The shards of a run, their receipts and sums, and the leases that were observed on them."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from sys import intern
from typing import Any

from launcher.errors import Problem
from launcher.format import plural
from launcher.ledger.damage import DamagedRow
from launcher.ledger.database import Database
from launcher.ledger.records import ObservedLease, RunProgress, ShardRecord
from launcher.ledger.runs import unknown_run
from launcher.ledger.tables import (
    LEASE,
    PROGRESS,
    SHARD,
    columns_of,
    fields_of,
    printable,
    stored,
    utc_text,
    utc_time,
)
from tasks.protocol.bounds import Seconds
from tasks.protocol.documents import decode
from tasks.protocol.receipt import Receipt, load_files
from tasks.protocol.shard import SLAB, Shard

BATCH_SHARDS = 10_000  # in one transaction: other writers get their turn in between

# ON CONFLICT names the key: INSERT OR IGNORE would also swallow a row that lacks a value.
ADD_SHARD = """
    INSERT INTO shard (run, id, position, bytes, tokens_expected) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (run, id) DO NOTHING
"""
ASSIGN_RECEIPT = ", ".join(f'"{column.name}" = ?' for column in SHARD.later_columns)
MARK_DONE = f"""
    UPDATE shard SET state = 'DONE', {ASSIGN_RECEIPT} WHERE run = ? AND id = ? AND state = 'WAITING'
"""  # noqa: S608 # names of our own
RECEIPT_FIELDS = [field.name for field in fields(Receipt)]
TIME_FIELDS = [RECEIPT_FIELDS.index(name) for name in ("started", "finished")]
REPEATED_NAMES = [RECEIPT_FIELDS.index(name) for name in ("run", "worker")]
STAGES, EARLIER, COLD_START = (RECEIPT_FIELDS.index(name) for name in ("stages", "earlier", "cold_start"))
# NULL in rows of older layouts, which did not count them.
LATER_COUNTS = [RECEIPT_FIELDS.index(name) for name in ("tokens_repeated", "cut_short", "retry")]
POSITION = RECEIPT_FIELDS.index("position")
# Place and type of the cells that are kept as they are and are never NULL in a row that is done.
PLAIN_FIELDS = [
    (RECEIPT_FIELDS.index(column.name), column.type)
    for column in columns_of(Receipt)
    if column.required and column.load is None
]
RECEIPTS = (
    "SELECT "  # noqa: S608 # names of our own
    + ", ".join("id" if name == "shard" else f'"{name}"' for name in RECEIPT_FIELDS)
    + " FROM shard WHERE run = ? AND state = 'DONE' ORDER BY position"
)
GENERATIONS = """
    SELECT id, generation FROM shard WHERE run = ? AND state = 'DONE' AND position >= ? AND position < ?
"""
UNKNOWN_SHARDS = """
    SELECT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM shard WHERE run = ? AND id = value)
"""
# The newest observation counts, and a lease that gave a receipt stays DONE whatever a late observer reports.
OBSERVE_LEASE = """
    INSERT INTO lease (run, shard, generation, worker, claimed, last_seen, ended, outcome)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (run, shard, generation) DO UPDATE SET
        last_seen = max(last_seen, excluded.last_seen), ended = excluded.ended, outcome = excluded.outcome
    WHERE outcome <> 'DONE' AND (excluded.outcome = 'DONE' OR excluded.last_seen >= last_seen)
"""

REOPEN = "UPDATE shard SET state = 'WAITING' WHERE run = ? AND id = ? AND state = 'DONE'"
# Work whose result no longer counts was paid for: it is kept as a lost lease, under a generation that no lease has.
LOST_WORK = """
    INSERT INTO lease (run, shard, generation, worker, claimed, last_seen, ended, outcome)
    SELECT ?1, ?2, min(0, coalesce(min(generation), 0)) - 1, ?3, ?4, ?5, ?5, 'LOST'
    FROM lease WHERE run = ?1 AND shard = ?2
"""
SET_APART = 10**9  # above every generation of a lease: a step between two numberings
RENUMBER = "UPDATE lease SET generation = generation + ? WHERE run = ? AND shard = ?"


class Shards:
    """Record what is known of the shards of a run. Recording the same again changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run: str, shards: Iterable[Shard]) -> int:
        """Add shards and return how many were new.

        An interrupted call has added some of them; calling again adds the rest.
        """
        added = 0
        rows = ((run, shard.id, shard.position, shard.bytes, shard.tokens) for shard in shards)
        while batch := list(islice(rows, BATCH_SHARDS)):
            with self._database.writing() as connection:
                added += connection.executemany(ADD_SHARD, batch).rowcount
        return added

    def of_run(self, run: str) -> Iterator[ShardRecord]:
        """Yield the shards of a run in the order of the manifest, from one snapshot."""
        names = ", ".join(f'"{column.name}"' for column in SHARD.record_columns)
        statement = f"SELECT {names} FROM shard WHERE run = ? ORDER BY position"  # noqa: S608 # names of our own
        with self._database.reading() as connection:
            for row in connection.execute(statement, (run,)):
                yield SHARD.load(row)

    def record_receipts(self, run: str, receipts: Sequence[Receipt]) -> int:
        """Mark shards done and return how many are newly done. The first receipt of a shard stays.

        Raises:
            Problem: some receipts are of shards that the run does not have; then none is recorded.
            ValueError: a receipt is of another run.
        """
        if not receipts:
            return 0
        rows = [_receipt_row(run, receipt) for receipt in receipts]
        with self._database.writing() as connection:
            done = connection.executemany(MARK_DONE, rows).rowcount
            if done < len(rows):
                ids = json.dumps([receipt.shard for receipt in receipts])
                unknown = [shard for (shard,) in connection.execute(UNKNOWN_SHARDS, (ids, run))]
                if unknown:
                    raise Problem(
                        f"{len(unknown)} of {plural(len(rows), 'receipt')} are of shards that are not in run {run}, "
                        f"such as {unknown[0]}",
                        hint="check that this output path belongs to this run",
                    )
        return done

    def reopen(self, run: str, receipts: Sequence[Receipt], *, leases_gone: bool = False) -> int:
        """Let shards wait again whose receipts no longer count, and return how many were done until now.

        What their workers did stays in the ledger as lost work, so that the money spent on it is still accounted for.
        `leases_gone`: the store holds no leases of these shards any more, so that their numbers begin again.
        """
        reopened = 0
        with self._database.writing() as connection:
            for receipt in receipts:
                if not connection.execute(REOPEN, (run, receipt.shard)).rowcount:
                    continue
                reopened += 1
                if leases_gone:
                    self._number_apart(connection, run, receipt.shard)
                for work in (*receipt.earlier, receipt):
                    times = (utc_text(work.started), utc_text(work.finished))
                    connection.execute(LOST_WORK, (run, receipt.shard, work.worker, *times))
        return reopened

    @staticmethod
    def _number_apart(connection: sqlite3.Connection, run: str, shard: str) -> None:
        """Give the leases of a shard negative generations, so that later ones with the same numbers are distinct."""
        query = "SELECT max(generation) FROM lease WHERE run = ? AND shard = ?"
        (most,) = connection.execute(query, (run, shard)).fetchone()
        if most is not None and most > 0:
            connection.execute(RENUMBER, (SET_APART, run, shard))
            connection.execute(RENUMBER, (-SET_APART - most - 1, run, shard))

    def unknown(self, run: str, shards: Sequence[str]) -> set[str]:
        """Return those of these ids that are of no shard of the run."""
        with self._database.reading() as connection:
            return {shard for (shard,) in connection.execute(UNKNOWN_SHARDS, (json.dumps(shards), run))}

    def receipts(self, run: str) -> list[Receipt]:
        """Return the receipts of a run as the workers wrote them, in the order of the manifest."""
        return list(self.each_receipt(run))

    def each_receipt(self, run: str) -> Iterator[Receipt]:
        """Yield the receipts of a run one by one, from one snapshot: a million of them take 2 GB at once."""
        with self._database.reading() as connection:
            for row in connection.execute(RECEIPTS, (run,)):
                yield _receipt(row)

    def all_receipts(self, run: str) -> Iterable[Receipt]:
        """Return the receipts of a run to be read more than once: each time from a snapshot of its own."""
        return _ReceiptsOfRun(self, run)

    def generations(self, run: str, slab: int) -> dict[str, int]:
        """Return the generation of the lease that each finished shard of a slab was made under, by the shard's id."""
        with self._database.reading() as connection:
            return dict(connection.execute(GENERATIONS, (run, slab * SLAB, (slab + 1) * SLAB)))

    def progress(self, run: str) -> RunProgress:
        """Return the sums of a run, which triggers keep: one row at any number of shards.

        Raises:
            Problem: the run is unknown.
        """
        with self._database.reading() as connection:
            for progress in PROGRESS.select(connection, "run = ?", (run,)):
                return progress
        raise unknown_run(run)

    def record_leases(self, run: str, leases: Iterable[ObservedLease]) -> None:
        """Record leases as they were observed last; worker and time of claim stay as they were observed first."""
        rows = [LEASE.store({"run": run, **fields_of(lease)}) for lease in leases]
        if rows:
            with self._database.writing() as connection:
                connection.executemany(OBSERVE_LEASE, rows)

    def leases(self, run: str) -> list[ObservedLease]:
        """Return all leases that were observed on a run."""
        with self._database.reading() as connection:
            return LEASE.select(connection, "run = ?", (run,), order="shard, generation")

    def held_leases(self, run: str) -> list[ObservedLease]:
        """Return the leases that have not ended, the one unseen for longest first."""
        with self._database.reading() as connection:
            # 'HELD' is a literal, so that SQLite may use the partial index lease_held.
            return LEASE.select(connection, "run = ? AND outcome = 'HELD'", (run,), order="last_seen")


@dataclass(frozen=True, slots=True)
class _ReceiptsOfRun:
    shards: Shards
    run: str

    def __iter__(self) -> Iterator[Receipt]:
        return self.shards.each_receipt(self.run)


def _receipt_row(run: str, receipt: Receipt) -> tuple[Any, ...]:
    """The parameters of MARK_DONE."""
    if receipt.run != run:
        raise ValueError(f"a receipt of run {receipt.run} came to run {run}")
    if receipt.fault is not None:
        receipt = replace(receipt, fault=printable(receipt.fault))
    cells = [stored(column, getattr(receipt, column.name)) for column in SHARD.later_columns]
    return (*cells, run, receipt.shard)


def _seconds_by_stage(text: str) -> dict[str, float]:
    found = decode(text, dict[str, Seconds], "seconds by stage")
    return {intern(stage): seconds for stage, seconds in found.items()}


def _receipt(row: Sequence[Any]) -> Receipt:
    # Only the cells that differ are converted: a report of 100,000 shards takes half as long.
    cells = list(row)
    try:
        for place in TIME_FIELDS:
            cells[place] = utc_time(cells[place])
        cells[STAGES] = _seconds_by_stage(cells[STAGES])
        cells[COLD_START] = _seconds_by_stage(cells[COLD_START]) if cells[COLD_START] else None
        cells[EARLIER] = load_files(cells[EARLIER]) if cells[EARLIER] else ()
    except (ValueError, TypeError) as error:
        raise DamagedRow("shard", f"the receipt of {cells[POSITION]}: {error}") from error
    for place in REPEATED_NAMES:  # the same few names in every row: one string of each is kept
        cells[place] = intern(cells[place]) if type(cells[place]) is str else cells[place]
    for place in LATER_COUNTS:
        cells[place] = cells[place] or 0
    for place, kind in PLAIN_FIELDS:
        if type(cells[place]) is not kind:
            raise DamagedRow(
                "shard",
                f"the receipt of {cells[POSITION]}: its {RECEIPT_FIELDS[place]} is {cells[place]!r:.60}",
            )
    return Receipt(*cells)
