"""Money in the ledger: prices that were observed, charges that are not for a machine's hours, and budgets."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from launcher.ledger.database import Database
from launcher.ledger.machines import OF_RUN, PRICE_VALUES, require_machine
from launcher.ledger.records import BudgetLimit, Charge, ObservedPrice
from launcher.ledger.tables import CHARGE, LIMIT, PRICE, fields_of


class Costs:
    """Record prices, charges and budgets. Recording the same again changes nothing; times come from the caller."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record_prices(self, prices: Iterable[ObservedPrice]) -> None:
        """Record what an hour of a whole machine costs from a moment on, until another price of it is observed.

        Of two with the same machine, moment and source the later call counts.

        Raises:
            ValueError: a machine is unknown.
        """
        with self._database.writing() as connection:
            for price in prices:
                require_machine(connection, price.machine)
                PRICE.upsert(connection, fields_of(price), PRICE_VALUES)

    def prices(self, run: str) -> list[ObservedPrice]:
        """Return the prices of all machines of a run, the oldest first."""
        with self._database.reading() as connection:
            return PRICE.select(connection, OF_RUN, (run,), order="at, machine")

    def record_charge(self, run: str, charge: Charge) -> None:
        """Record a charge, or correct the one that has the same name.

        Raises:
            ValueError: it has neither dollars nor a reason why they are unknown.
        """
        if charge.usd is None and not charge.reason:
            raise ValueError(f"the charge {charge.name} has no dollars and no reason why")
        values = fields_of(charge)
        with self._database.writing() as connection:
            CHARGE.upsert(connection, {"run": run, **values}, values.keys() - {"name"})

    def drop_charge(self, run: str, name: str) -> None:
        """Forget a charge: what it stood for is known otherwise."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM charge WHERE run = ? AND name = ?", (run, name))

    def charges(self, run: str) -> list[Charge]:
        """Return the charges of a run, the oldest first."""
        with self._database.reading() as connection:
            return CHARGE.select(connection, "run = ?", (run,), order="at, name")

    def set_budget(self, run: str, usd: Decimal, now: datetime) -> None:
        """Set a budget that replaces the job's and every earlier one."""
        with self._database.writing() as connection:
            LIMIT.upsert(connection, {"run": run, "at": now, "usd": usd}, ["usd"])

    def budget(self, run: str) -> Decimal | None:
        """Return the latest budget set for this run, or None to use the job's `limits.budget`."""
        with self._database.reading() as connection:
            limits: list[BudgetLimit] = LIMIT.select(connection, "run = ?", (run,), order="at DESC LIMIT 1")
        return limits[0].usd if limits else None
