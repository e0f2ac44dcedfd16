"""Throughputs that were measured on this laptop's runs, for the plans that follow."""

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
        wanted = {"model": model, "gpu": gpu, "engine": engine}
        given = {name: value for name, value in wanted.items() if value is not None}
        where = " AND ".join(["true", *(f"{name} = ?" for name in given)])
        with self._database.reading() as connection:
            return SPEED.select(connection, where, [*given.values()], order="at DESC, rowid DESC")
