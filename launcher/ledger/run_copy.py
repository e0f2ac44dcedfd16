"""One run's rows as a ledger file of their own, and back into another ledger: what the store does not know of a run.

Machines and their lives, prices, charges, events, requests, courses, decisions, deadlines and quotes. Shards and receipts
are not in it: every ledger reads them from the store.

A copy may come from anyone who may write to the run's output path. So what only a user here may say, that machines may be
rented and for how much, is never taken from one, and neither is the plan.
"""

import sqlite3
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from launcher.ledger.damage import damaged, speaks_of_damage
from launcher.ledger.database import BUSY_TIMEOUT_SECONDS
from launcher.ledger.ledger import Ledger
from launcher.ledger.tables import (
    ASK,
    CHARGE,
    COURSE,
    DEADLINE,
    DECISION,
    EVENT,
    LIFE,
    LIMIT,
    MACHINE,
    NOTICE,
    PRICE,
    QUOTE,
    RUN,
    Table,
)

CONSENT_EVENTS = ("launched", "agreed")  # of this laptop's own user (`launcher.cli.agree`)
OF_RUN = "run = :run"
OF_MACHINES = "machine IN (SELECT name FROM main.machine WHERE run = :run)"
# The rows of a run by table, in an order in which each row's owner comes before it.
ROWS: Mapping[Table[Any], str] = {
    MACHINE: OF_RUN,
    LIFE: OF_MACHINES,
    PRICE: OF_MACHINES,
    CHARGE: OF_RUN,
    NOTICE: OF_RUN,
    ASK: OF_RUN,
    COURSE: OF_RUN,
    DECISION: OF_RUN,
    DEADLINE: OF_RUN,
    QUOTE: "at >= (SELECT created FROM main.run WHERE id = :run)",
}


def extract(ledger: Ledger, run: str, path: Path) -> None:
    """Write the run's rows into a new ledger file.

    Raises:
        Problem: the file cannot be written.
    """
    Ledger.open(path).close()
    with _attached(path, ledger.database.path) as connection:
        _insert(connection, RUN, "id = :run", run)
        for table, where in ROWS.items():
            _insert(connection, table, where, run)
        for table in (EVENT, LIMIT):
            _insert(connection, table, OF_RUN, run)


def merge(ledger: Ledger, run: str, path: Path) -> None:
    """Take a run's rows over from a ledger file. Rows that are known are replaced; none is removed.

    The run must be in `ledger`.

    Raises:
        Problem: the file is damaged, or no ledger.
    """
    Ledger.open(path).close()  # a copy of an earlier version gets the layout of this one
    with _attached(ledger.database.path, path) as connection:
        for table, where in ROWS.items():
            _insert(connection, table, where, run)
        names = ", ".join(f'"{name}"' for name in EVENT.columns if name != "id")
        consent = ", ".join(f"'{kind}'" for kind in CONSENT_EVENTS)
        connection.execute(
            f"INSERT INTO main.event ({names}) SELECT {names} FROM other.event AS one WHERE run = :run "  # noqa: S608 # names of our own
            f"AND kind NOT IN ({consent}) AND NOT EXISTS (SELECT 1 FROM main.event AS known WHERE known.run = one.run "
            "AND known.at = one.at AND known.kind = one.kind AND known.text = one.text) ORDER BY id",
            {"run": run},
        )
        connection.execute(
            "UPDATE main.run SET state = one.state, changed = one.changed FROM other.run AS one "
            "WHERE main.run.id = :run AND one.id = :run",
            {"run": run},
        )


def _insert(connection: sqlite3.Connection, table: Table[Any], where: str, run: str) -> None:
    names = ", ".join(f'"{name}"' for name in table.columns)
    key = ", ".join(f'"{name}"' for name in table.key)
    news = [name for name in table.columns if name not in table.key]
    update = ", ".join(f'"{name}" = excluded."{name}"' for name in news)
    if "run" in news:  # a copy cannot make another run's row its own
        update += f' WHERE main."{table.name}".run = excluded.run'
    connection.execute(
        f'INSERT INTO main."{table.name}" ({names}) SELECT {names} FROM other."{table.name}" WHERE {where} '  # noqa: S608 # names of our own
        f"ON CONFLICT ({key}) DO " + (f"UPDATE SET {update}" if update else "NOTHING"),
        {"run": run},
    )


@contextmanager
def _attached(path: Path, other: Path) -> Generator[sqlite3.Connection, None, None]:
    """A write transaction on one ledger file, with another one attached as `other`."""
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)) as connection:
            connection.execute("ATTACH DATABASE ? AS other", (str(other),))
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.commit()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and not speaks_of_damage(str(error)):
            raise
        raise damaged(other, str(error)) from error
