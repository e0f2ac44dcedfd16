"""What finished runs had been planned to take and to cost, beside what they took and cost, for the plans that follow."""

from launcher.ledger.database import Database
from launcher.ledger.records import PlanOutcome
from launcher.ledger.tables import OUTCOME, fields_of


class Outcomes:
    """Record and read the outcomes of runs. A run has one: what is known later, such as a bill, replaces it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, outcome: PlanOutcome) -> None:
        """Record the outcome of a run of this ledger."""
        row = fields_of(outcome)
        with self._database.writing() as connection:
            OUTCOME.upsert(connection, row, [name for name in row if name != "run"])

    def all(self) -> list[PlanOutcome]:
        """Return all outcomes, the run that finished last first."""
        with self._database.reading() as connection:
            return OUTCOME.select(connection, "true", order="finished DESC, rowid DESC")
