"""The ledger: one SQLite file that remembers every run, machine, price and shard this laptop has seen.

It is a cache of the store, which holds the truth of a run, plus the money. It reads no clock: times come from the
caller.
"""

from pathlib import Path
from types import TracebackType
from typing import Self

from launcher.ledger.costs import Costs
from launcher.ledger.database import Database
from launcher.ledger.machines import Machines
from launcher.ledger.notes import Notes
from launcher.ledger.notifications import Notifications
from launcher.ledger.outcomes import Outcomes
from launcher.ledger.runs import Runs
from launcher.ledger.shards import Shards
from launcher.ledger.speeds import Speeds
from launcher.ledger.steering import SteeringHistory


class Ledger:
    """The parts of one ledger file, which any number of processes and threads may have open at once."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.runs = Runs(database)
        self.shards = Shards(database)
        self.machines = Machines(database)
        self.costs = Costs(database)
        self.notifications = Notifications(database)
        self.notes = Notes(database)
        self.speeds = Speeds(database)
        self.outcomes = Outcomes(database)
        self.steering = SteeringHistory(database)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the ledger of this file, after creating it or upgrading it to the newest layout.

        Raises:
            Problem: the file cannot be created or written, or is not a ledger of this version.
        """
        return cls(Database.open(path))

    def close(self) -> None:
        """Close the file; a closed ledger is one file, without a write-ahead log."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
