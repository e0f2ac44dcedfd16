"""What each launcher knows of a run's machines and their cost: one object for each launcher, which only it writes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from launcher.costs.shared_spend import SCHEMA, DatedRecord, SpendRecord
from launcher.errors import Problem
from tasks.protocol import documents
from tasks.protocol.keys import budget_prefix, spent_key
from tasks.stores.base import Entry, Store, list_all, read

SPENT = "spent-"  # what the names of these objects begin with


@dataclass(slots=True)
class SpendRecords:
    """The records of one run. Those of others are read again only when they changed."""

    store: Store
    run: str
    launcher: str  # our own record is not read
    known: dict[str, tuple[Entry, SpendRecord]] = field(default_factory=dict[str, tuple[Entry, SpendRecord]])

    def write(self, record: SpendRecord) -> None:
        """Replace our own record."""
        self.store.put(spent_key(self.run, self.launcher), documents.encode(record, SCHEMA))

    def read(self) -> Sequence[DatedRecord]:
        """The records of all other launchers.

        Raises:
            Problem: one that was never read before cannot be read: then what is spent is not known.
        """
        mine = spent_key(self.run, self.launcher)
        for entry in list_all(self.store, f"{budget_prefix(self.run)}{SPENT}"):
            before = self.known.get(entry.key)
            if entry.key != mine and (before is None or before[0].version != entry.version):
                self._read(entry)
        # The store's clock costs a request, and matters only for machines that may go on.
        going = any(not life.ended for _, record in self.known.values() for life in record.lives)
        now = self.store.now() if going else None
        return [
            DatedRecord(record, timedelta(0) if now is None else now - entry.modified)
            for entry, record in self.known.values()
        ]

    def _read(self, entry: Entry) -> None:
        body = read(self.store, entry.key)
        try:
            found = documents.decode(body or b"", SpendRecord, "a record of what was spent", SCHEMA)
        except documents.BadDocument as error:
            if entry.key in self.known:  # what it said before goes on to count, and to grow
                return
            raise Problem(
                f"what run {self.run} has cost cannot be known: {entry.key} is {error}",
                hint=f"look at the bill, move that object away, then: embedfleet resume {self.run} --budget DOLLARS,"
                " less what is on the bill",
            ) from error
        self.known[entry.key] = (entry, found)
