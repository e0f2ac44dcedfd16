"""What a steered run asked of places and decided, its deadlines, and prices of places without machines.

Only the laptop knows this: the store has no copy, so a ledger that was rebuilt has none of it, and the run is steered
from its plan again. Recording the same again changes nothing. Times come from the caller.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from launcher.ledger.database import Database
from launcher.ledger.steering_records import (
    Ask,
    AskAnswer,
    CourseRecord,
    DeadlineRecord,
    DecisionRecord,
    QuoteRecord,
)
from launcher.ledger.tables import ASK, COURSE, DEADLINE, DECISION, QUOTE, fields_of, utc_text


class SteeringHistory:
    """Write and read the steering of runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record_asks(self, run: str, asks: Iterable[Ask]) -> None:
        """Record requests, before they are made. A request that is known keeps its answer."""
        with self._database.writing() as connection:
            for ask in asks:
                ASK.insert(connection, {"run": run, **fields_of(ask)})

    def answer(self, machine: str, answer: AskAnswer, at: datetime, source: str) -> bool:
        """Record the answer to all open requests for a machine; return False where none was open."""
        statement = "UPDATE ask SET answered = ?, answer = ?, source = ? WHERE machine = ? AND answer IS NULL"
        with self._database.writing() as connection:
            changed = connection.execute(statement, (utc_text(at), answer.value, source, machine))
            return changed.rowcount > 0

    def asks(self, run: str) -> list[Ask]:
        """Return the requests of a run, the oldest first."""
        with self._database.reading() as connection:
            return ASK.select(connection, "run = ?", (run,), order="at, machine")

    def runs_with_asks(self, since: datetime) -> list[str]:
        """Return the runs that asked for machines since then, by name."""
        statement = "SELECT DISTINCT run FROM ask WHERE at >= ? ORDER BY run"
        with self._database.reading() as connection:
            return [str(run) for (run,) in connection.execute(statement, (utc_text(since),))]

    def record_course(self, run: str, course: CourseRecord, decisions: Sequence[DecisionRecord] = ()) -> None:
        """Record a course and its decisions together, before the orders are carried out."""
        with self._database.writing() as connection:
            COURSE.insert(connection, {"run": run, **fields_of(course)})
            for decision in decisions:
                DECISION.insert(connection, {"run": run, **fields_of(decision)})

    def latest_course(self, run: str) -> CourseRecord | None:
        """Return the newest course of a run; None where it was never steered."""
        with self._database.reading() as connection:
            found: list[CourseRecord] = COURSE.select(connection, "run = ?", (run,), order="at DESC LIMIT 1")
        return found[0] if found else None

    def courses(self, run: str) -> list[CourseRecord]:
        """Return the courses of a run, the oldest first."""
        with self._database.reading() as connection:
            return COURSE.select(connection, "run = ?", (run,), order="at")

    def decisions(self, run: str, *, last: int | None = None) -> list[DecisionRecord]:
        """Return the decisions of a run, the oldest first; only the `last` so many, if given."""
        with self._database.reading() as connection:
            if last is None:
                return DECISION.select(connection, "run = ?", (run,), order="at, number")
            found: list[DecisionRecord] = DECISION.select(
                connection,
                "rowid IN (SELECT rowid FROM decision WHERE run = ? ORDER BY at DESC, number DESC LIMIT ?)",
                (run, last),
                order="at, number",
            )
        return found

    def set_deadline(self, run: str, moment: datetime, now: datetime) -> None:
        """Set a deadline that replaces the job's and every earlier one."""
        with self._database.writing() as connection:
            DEADLINE.upsert(connection, {"run": run, "at": now, "moment": moment}, ["moment"])

    def deadline(self, run: str) -> datetime | None:
        """Return the latest deadline set for this run, or None to use the job's `limits.deadline`."""
        with self._database.reading() as connection:
            found: list[DeadlineRecord] = DEADLINE.select(
                connection, "run = ?", (run,), order="at DESC LIMIT 1"
            )
        return found[0].moment if found else None

    def record_quotes(self, quotes: Iterable[QuoteRecord]) -> None:
        """Record prices of places. Of two of one place, machine type, purchase and moment the first counts."""
        with self._database.writing() as connection:
            for quote in quotes:
                QUOTE.insert(connection, fields_of(quote))

    def quotes(self, places: Collection[str], since: datetime, until: datetime) -> list[QuoteRecord]:
        """Return the quotes of these places between two moments, the oldest first."""
        with self._database.reading() as connection:
            found: list[QuoteRecord] = QUOTE.select(
                connection, "at >= ? AND at <= ?", (utc_text(since), utc_text(until)), order="at"
            )
        return [quote for quote in found if quote.place in places]

    def latest_quotes(self, places: Collection[str], since: datetime, *, source: str) -> list[QuoteRecord]:
        """Return a source's newest quote of each machine type and purchase kind in these places, none before `since`."""
        with self._database.reading() as connection:
            found: list[QuoteRecord] = QUOTE.select(
                connection, "at >= ? AND source = ?", (utc_text(since), source), order="at"
            )
        newest = {(q.place, q.instance_type, q.purchase): q for q in found if q.place in places}
        return list(newest.values())
