"""The SQLite file of a ledger: connections, transactions, and errors that a user can act on.

Knows no table. Any number of processes and threads may use one file at once: a write is one BEGIN IMMEDIATE
transaction, a read is a snapshot that blocks no writer.
"""

import shutil
import sqlite3
from collections.abc import Generator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Self

from launcher.errors import Problem
from launcher.ledger.damage import DamagedRow, damaged, speaks_of_damage
from launcher.ledger.upgrade import check_layout, upgrade

BUSY_TIMEOUT_SECONDS = 30.0  # SQLite's lock queue is unfair: with 8 writers one was seen waiting for 4 s
WAL_RETRY_SECONDS = 0.01
MAX_CELL_BYTES = 256 * 2**20  # of a text in the file; the largest of ours, a plan, has a few MiB


class Database:
    """One SQLite file, with a pool of its connections."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[
            sqlite3.Connection
        ] = []  # append and pop of a list are atomic, so threads may share it

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file, after creating it or upgrading it to the newest layout.

        Raises:
            Problem: the folder or the file cannot be created or written, or the file is no ledger of ours.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Problem(
                f"the ledger's folder {path.parent} cannot be created: {error.strerror}",
                hint="name a folder that you may write to",
            ) from error
        if path.exists() and not path.is_file():  # SQLite would wait for ever for a pipe
            raise Problem(
                f"the ledger {path} is not a file", hint="move it away, or name another folder with --runs"
            )
        with (
            _sqlite_errors_as_problems(path),
            closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)) as connection,
        ):
            upgrade(connection, path)
            check_layout(connection, path)
            _enable_wal(connection)
        return cls(path)

    def close(self) -> None:
        """Close all idle connections; the last one to close merges the write-ahead log into the file."""
        while (connection := self._take_idle()) is not None:
            connection.close()

    def writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """Begin a write transaction. No other process writes until it ends, so what is read inside stays true."""
        return self._transaction("BEGIN IMMEDIATE")

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """Begin a read transaction: every query inside sees the same snapshot, however long it is open."""
        return self._transaction("BEGIN DEFERRED")

    @contextmanager
    def _transaction(self, begin: str) -> Generator[sqlite3.Connection]:
        with _sqlite_errors_as_problems(self.path):
            connection = self._take_idle() or self._connect()
            try:
                connection.execute(begin)
                yield connection
                connection.commit()
            finally:
                connection.rollback()  # does nothing after a commit
                self._idle.append(connection)

    def _take_idle(self) -> sqlite3.Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _connect(self) -> sqlite3.Connection:
        # Transactions are begun by _transaction. Python's sqlite3 module begins them late and DEFERRED: 885 of 1,200
        # concurrent updates were lost without an error.
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_CELL_BYTES)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")  # FULL is 10 times slower; the store is the record
        # Shard ids are random, so inserts touch the whole index: at 300,000 shards the default cache of 2 MiB and a
        # checkpoint every 4 MiB take twice as long.
        connection.execute("PRAGMA cache_size = -32768")  # KiB, at most
        connection.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: 16 MiB
        return connection


def _enable_wal(connection: sqlite3.Connection) -> None:
    """Enable the write-ahead log.

    `PRAGMA journal_mode` ignores the busy timeout and fails with SQLITE_BUSY, so retry for that long.
    """
    until = monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if _primary_code(error) != sqlite3.SQLITE_BUSY or monotonic() > until:
                raise
            sleep(WAL_RETRY_SECONDS)
        else:
            return


@contextmanager
def _sqlite_errors_as_problems(path: Path) -> Generator[None]:
    """Raise errors of SQLite that a user can act on as a Problem; leave errors of the program as they are."""
    try:
        yield
    except DamagedRow as error:
        raise damaged(path, str(error)) from error
    except UnicodeDecodeError as error:  # of a message of SQLite that quotes the file
        raise damaged(path, "its layout is not text") from error
    except sqlite3.Error as error:
        problem = _problem(error, path)
        if problem is None:
            raise
        raise problem from error


def _problem(error: sqlite3.Error, path: Path) -> Problem | None:
    """What the user can do about this error, or None for an error of the program."""
    match _primary_code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Problem(
                f"another process has held the ledger {path} for {BUSY_TIMEOUT_SECONDS:.0f} s",
                hint="stop the other embedfleet of this run, then run the same command again",
            )
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            free, size = (n // 2**20 for n in (shutil.disk_usage(path.parent).free, path.stat().st_size))
            return Problem(
                f"the ledger {path} of {size:,} MiB cannot grow: {error}, with {free:,} MiB free",
                hint="free some space, then run the same command again: nothing recorded before is lost",
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return Problem(
                f"the ledger {path} cannot be written: {error}",
                hint=f"make the file and its folder {path.parent} writable, or name another file",
            )
        case sqlite3.SQLITE_NOTADB:
            return Problem(
                f"{path} is not a ledger: {error}",
                hint="move it away; a run that is in its output path can be resumed from there",
            )
        case code:
            why = _damage(code, str(error))
            return damaged(path, why) if why else None


def _damage(code: int, message: str) -> str | None:
    """What is wrong with the file, where an error of SQLite comes from its content."""
    if code == sqlite3.SQLITE_TOOBIG:
        return f"a row is larger than {MAX_CELL_BYTES // 2**20} MiB"
    return message if code == sqlite3.SQLITE_CORRUPT or speaks_of_damage(message) else None


def _primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, which is the low byte; 0 for an error of Python's module itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
