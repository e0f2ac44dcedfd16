"""Bring a ledger file to the newest layout by running the numbered SQL files of `migrations/`.

The layout's number is the file's `user_version`. A released migration is never edited: append a file with the next
number. It may hold any statements that SQLite 3.34 (RHEL 9) understands, triggers included.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path

from launcher.errors import Problem
from launcher.ledger.damage import damaged

APPLICATION_ID = 0x656D6266  # "embf" in ASCII: distinguishes our file from any other SQLite database


def load_migrations(folder: Path) -> tuple[str, ...]:
    """Read the SQL scripts in the order of their numbers; script n, counted from 1, makes layout n of layout n - 1.

    Raises:
        ValueError: a number is missing or used twice.
    """
    files = sorted(folder.glob("*.sql"))
    numbers = [int(file.name.partition("_")[0]) for file in files]
    if numbers != list(range(1, len(files) + 1)):
        raise ValueError(f"migrations are numbered from 1 without gaps, but {folder} has {numbers}")
    return tuple(file.read_text(encoding="utf-8") for file in files)


MIGRATIONS = load_migrations(Path(__file__).parent / "migrations")


def upgrade(connection: sqlite3.Connection, path: Path, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring the file to the newest layout in one transaction: all migrations or none.

    `connection` must be in autocommit mode (`isolation_level=None`).

    Raises:
        Problem: the file is a database of another program, or of a newer version of this one.
    """
    with connection:
        connection.execute("BEGIN")  # the three answers below are of one snapshot
        if _layout_number(connection, path, len(migrations)) == len(migrations):
            return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        # Read again under the write lock: another process may have upgraded it meanwhile.
        before = _layout_number(connection, path, len(migrations))
        for number, script in enumerate(migrations[before:], start=before + 1):
            for statement in statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def check_layout(connection: sqlite3.Connection, path: Path) -> None:
    """Check that the file has every table, column, index and trigger of the newest layout. It may have more.

    Without a trigger sums would be wrong without an error.

    Raises:
        Problem: something is missing: the file was damaged, or another program migrated it in part.
    """
    missing = _newest_layout() - _layout(connection)
    if missing:
        kind, name = min(missing)
        raise damaged(path, f"its layout is {len(MIGRATIONS)}, and its {kind} {name} is missing")


@cache
def _newest_layout() -> frozenset[tuple[str, str]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for script in MIGRATIONS:
            connection.executescript(script)
        return _layout(connection)


def _layout(connection: sqlite3.Connection) -> frozenset[tuple[str, str]]:
    """Kind and name of all that a file defines; a column as `table.column`."""
    columns = """
        SELECT 'column', master.name || '.' || info.name FROM sqlite_master master, pragma_table_info(master.name) info
        WHERE master.type = 'table'
    """
    objects = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
    return frozenset((*connection.execute(objects), *connection.execute(columns)))


def statements(script: str) -> Iterator[str]:
    """Split a script into statements that end at the end of a line; a trigger with semicolons inside is one.

    `Connection.executescript` is not used because it commits the open transaction first.

    Raises:
        ValueError: the last statement does not end.
    """
    pending = ""
    for line in script.splitlines(keepends=True):
        if not pending and (not line.strip() or line.startswith("--")):
            continue
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending:
        raise ValueError(f"a migration ends inside a statement: {pending.strip()[:60]}")


def _layout_number(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    """Return the layout's number of the file, 0 for an empty one; refuse a file that is not ours to upgrade."""
    (number,), (application,), (tables,) = (
        connection.execute(query).fetchone()
        for query in ("PRAGMA user_version", "PRAGMA application_id", "SELECT count(*) FROM sqlite_master")
    )
    if application != APPLICATION_ID and (application or number or tables):
        raise Problem(
            f"{path} is a database of another program, with {tables} tables",
            hint="name another file for the ledger",
        )
    if number < 0:
        raise damaged(path, f"its layout is {number}")
    if number > newest:
        raise Problem(
            f"{path} is of a newer embedfleet: its layout is {number}, this version knows {newest}",
            hint="pip install --upgrade embedfleet",
        )
    return number
