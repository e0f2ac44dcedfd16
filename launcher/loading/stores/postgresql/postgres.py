"""Connections to PostgreSQL, one a thread, and its errors as problems of two lines."""

import contextlib
import re
import threading
from collections.abc import Generator, Sequence
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from launcher.errors import Problem
from launcher.sinks.targets import Target

CONNECT_SECONDS = 10
AGAIN = "run the same command again: files that are loaded are not written twice"
UNIQUE_IDS = "make corpus.id unique and embed again, or leave it out of the job: ids are then the file and the position"
# A COPY and the build of an index take as long as they take: servers of providers often end statements after minutes.
# What this client asked for itself (PGOPTIONS) stays. Switched off a transaction at a time: behind a pooler the next
# client has the same session.
TIMEOUTS = sql.SQL("""
SELECT name FROM pg_settings
WHERE name IN ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')
  AND setting <> '0' AND source <> 'client'
""")
NO_TIMEOUT = sql.SQL("SELECT set_config(name, '0', true) FROM unnest(%s::text[]) AS t (name)")
Connection = psycopg.Connection[tuple[Any, ...]]
Row = tuple[Any, ...]


class Connections:
    """The connections to one database. libpq's own PGPASSWORD, PGPASSFILE and PGSERVICE hold."""

    def __init__(self, target: Target, password: str | None) -> None:
        self._target = target
        self._password = password
        self._local = threading.local()
        self._all: list[Connection] = []

    def own(self) -> Connection:
        """The connection of this thread."""
        found: Connection | None = getattr(self._local, "connection", None)
        if found is None or found.closed:
            target = self._target
            given = {
                "host": target.host,
                "port": target.port,
                "user": target.user,
                "password": self._password,
            }
            known: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
            defaults = {
                "application_name": "embedfleet",
                "connect_timeout": str(CONNECT_SECONDS),
                "client_encoding": "UTF8",  # of a database of SQL_ASCII, text would come as bytes
            }
            parameters = {**defaults, **target.options, **known}
            # Nothing is prepared: behind a pooler the next statement may come to another session.
            address = make_conninfo(dbname=target.database, **parameters)
            found = psycopg.connect(address, autocommit=True, prepare_threshold=None)
            try:
                self._local.timeouts = [name for (name,) in found.execute(TIMEOUTS).fetchall()]
            except BaseException:
                found.close()
                raise
            self._local.connection = found
            self._all.append(found)
        return found

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """A transaction of this thread, which no timeout of the server ends. One in another is a part of it."""
        connection = self.own()
        with connection.transaction():
            if self._local.timeouts:
                connection.execute(NO_TIMEOUT, [self._local.timeouts])
            yield

    def run(self, query: sql.SQL | sql.Composed, values: Sequence[Any] = ()) -> list[Row]:
        """Run one statement and return its rows."""
        cursor = self.own().execute(query, values or None)
        return cursor.fetchall() if cursor.description else []

    def count(self, query: sql.SQL | sql.Composed, values: Sequence[Any] = ()) -> int:
        """Run one statement and return how many rows it changed."""
        return self.own().execute(query, values or None).rowcount

    def close(self) -> None:
        """Close those of all threads."""
        for connection in self._all:
            connection.close()


def first_line(error: BaseException) -> str:
    """The message of the server or the client, which quotes no password."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


@contextlib.contextmanager
def problems() -> Generator[None]:
    """Raise errors of PostgreSQL as `Problem`."""
    try:
        yield
    except psycopg.Error as error:
        raise _problem(error) from error


# The classes of errors that a user can act on: what is said before the server's words, and what to do.
_LOST, _REFUSED = "PostgreSQL cannot be reached, or ended the connection", "PostgreSQL refused"
_HINT_OF_REFUSAL = "export PGPASSWORD, or name the variable that holds the password: --secret NAME"
_KNOWN: tuple[tuple[tuple[type[psycopg.Error], ...], str, str], ...] = (
    ((errors.UniqueViolation, errors.CardinalityViolation), "two rows have one key", UNIQUE_IDS),
    (
        (errors.InvalidPassword, errors.InvalidAuthorizationSpecification),
        "PostgreSQL refuses the user",
        _HINT_OF_REFUSAL,
    ),
    (
        (errors.InsufficientPrivilege,),
        "PostgreSQL does not permit it",
        "grant the user CREATE on the schema, and SELECT, INSERT, UPDATE and DELETE on the table",
    ),
    (
        (errors.InvalidCatalogName,),
        "PostgreSQL has no such database",
        "create it with createdb, or name another one",
    ),
    (
        (errors.DiskFull,),
        "PostgreSQL has no room left on its disk",
        f"make room there; files of the run that were not whole are undone. Then {AGAIN}",
    ),
    (
        (errors.ReadOnlySqlTransaction,),
        "PostgreSQL takes no writes here",
        "name the primary server (?target_session_attrs=read-write finds it), or look at default_transaction_read_only",
    ),
    (
        (errors.InvalidSchemaName,),
        "PostgreSQL has no such schema",
        "create it with CREATE SCHEMA, or name another one",
    ),
    (
        (errors.QueryCanceled,),
        "PostgreSQL ended a statement",
        f"a timeout of the server or somebody there ended it; {AGAIN}",
    ),
    (
        (psycopg.OperationalError,),
        _LOST,
        f"see that the server runs; {AGAIN}",
    ),
    ((psycopg.Error,), _REFUSED, AGAIN),
)


# What libpq says where `target_session_attrs` wants another kind of server.
_READ_ONLY = ("session is read-only", "server is in hot standby mode")


def _problem(error: psycopg.Error) -> Problem:
    said = error.diag.message_detail if isinstance(error, errors.UniqueViolation) else None
    what, hint = _known_of(type(error))
    lost = error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
    if what == _LOST and not lost:  # a lock, memory: the server answered
        what, hint = _REFUSED, AGAIN
    # Errors of a connection that is refused are libpq's own, and have no class.
    if re.search(r'FATAL: +database ".*" does not exist', str(error)):
        what, hint = "PostgreSQL has no such database", "create it with createdb, or name another one"
    elif re.search(r'FATAL: +role ".*" does not exist', str(error)):
        what, hint = (
            "PostgreSQL refuses the user",
            "name a user of the server: PGUSER, or postgresql://USER@HOST/...",
        )
    elif any(words in str(error) for words in _READ_ONLY):
        what, hint = _known_of(errors.ReadOnlySqlTransaction)
    elif "password" in str(error):
        hint = _HINT_OF_REFUSAL
    return Problem(f"{what}: {said or first_line(error)}", hint=hint)


def _known_of(kind: type[psycopg.Error]) -> tuple[str, str]:
    """What is said of a class of errors, and what to do."""
    return next((what, hint) for kinds, what, hint in _KNOWN if issubclass(kind, kinds))
