"""Throughputs that were measured on this laptop's runs, for the plans that follow."""

from typing import LiteralString

from launcher.ledger.database import Database
from launcher.ledger.records import MeasuredSpeed
from launcher.ledger.tables import SPEED, fields_of


class Speeds:
    """Record and find measured speeds, over all runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, speed: MeasuredSpeed) -> None:
        """Record a measurement. Model, GPU, engine, source and time identify it: the same twice is one."""
        with self._database.writing() as connection:
            SPEED.upsert(connection, fields_of(speed), ["low", "mid", "high", "detail"])

    def matching(
        self, model: str | None = None, gpu: str | None = None, engine: str | None = None
    ) -> list[MeasuredSpeed]:
        """Return the measurements of a model, GPU and engine, any of them where None, the newest first."""
        where: LiteralString = "true"
        values: list[str] = []
        wanted: tuple[tuple[LiteralString, str | None], ...] = (
            (" AND model = ?", model),
            (" AND gpu = ?", gpu),
            (" AND engine = ?", engine),
        )
        for condition, value in wanted:
            if value is not None:
                where += condition
                values.append(value)
        with self._database.reading() as connection:
            return SPEED.select(connection, where, values, order="at DESC, rowid DESC")
