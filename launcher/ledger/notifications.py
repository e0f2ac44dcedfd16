"""The notifications of a run: one of each kind, intended before it is sent and tried until it is."""

from datetime import datetime

from launcher.ledger.database import Database
from launcher.ledger.records import Notification
from launcher.ledger.tables import NOTICE, utc_text


class Notifications:
    """Record which notifications are to be sent and what became of each attempt."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def intend(self, run: str, kind: str, text: str, now: datetime) -> bool:
        """Record a notification before it is sent; return False where the run has one of this kind.

        The caller sends those that are not `sent`.
        """
        row = {"run": run, "kind": kind, "at": now, "text": text, "tries": 0}
        with self._database.writing() as connection:
            return NOTICE.insert(connection, row)

    def record_attempt(self, run: str, kind: str, sent: datetime | None) -> None:
        """Count an attempt to send it; `sent` is None where it failed. After a success nothing changes."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE notice SET tries = tries + 1, sent = ? WHERE run = ? AND kind = ? AND sent IS NULL",
                (sent and utc_text(sent), run, kind),
            )

    def of_run(self, run: str) -> list[Notification]:
        """Return the notifications of a run, the oldest first."""
        with self._database.reading() as connection:
            return NOTICE.select(connection, "run = ?", (run,), order="at, kind")
