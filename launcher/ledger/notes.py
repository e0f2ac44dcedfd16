"""Notes and tags: what the user writes down about a run."""

from collections.abc import Mapping
from datetime import datetime

from launcher.ledger.database import Database
from launcher.ledger.records import RunNote, RunTag
from launcher.ledger.tables import NOTE, TAG, printable, utc_text


class Notes:
    """Write and read notes and tags of runs. Times come from the caller."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run: str, text: str, now: datetime) -> None:
        """Append a note to a run of this ledger."""
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO note (run, at, text) VALUES (?, ?, ?)", (run, utc_text(now), printable(text))
            )

    def of_run(self, run: str) -> list[RunNote]:
        """Return the notes of a run, the oldest first."""
        with self._database.reading() as connection:
            return NOTE.select(connection, "run = ?", (run,), order="id")

    def set_tags(self, run: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run of this ledger. An empty value removes the tag; others stay."""
        with self._database.writing() as connection:
            for key, value in tags.items():
                if value:
                    row = {"run": run, "key": printable(key), "value": printable(value)}
                    TAG.upsert(connection, row, ["value"])
                else:
                    connection.execute("DELETE FROM tag WHERE run = ? AND key = ?", (run, printable(key)))

    def tags(self, run: str) -> dict[str, str]:
        """Return the tags of a run, by name."""
        with self._database.reading() as connection:
            found: list[RunTag] = TAG.select(connection, "run = ?", (run,), order="key")
        return {tag.key: tag.value for tag in found}
