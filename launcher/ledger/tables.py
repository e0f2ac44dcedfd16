"""How the ledger lies in its file: the tables, and the layout by number.

Knows no query: those are the ledger's.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Dialect
from sqlalchemy.orm import declared_attr
from sqlalchemy.types import Text, TypeDecorator
from sqlmodel import Field, SQLModel

from launcher.errors import Problem
from launcher.ledger.records import LeaseOutcome, LifeEnd, MachineState, RunState, ShardState
from tasks.protocol.receipt import File, dump_files, load_files


class Money(TypeDecorator[Decimal]):
    """A Decimal as text: SQLite's own numbers would round it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        del dialect
        if value is None:
            return None
        if not isinstance(value, Decimal) or not value.is_finite():  # pyright: ignore[reportUnnecessaryIsInstance] # callers may be untyped
            raise TypeError(f"money is a finite Decimal, not {value!r}")
        return str(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Decimal | None:
        del dialect
        return None if value is None else Decimal(value)


class Files(TypeDecorator[tuple[File, ...]]):
    """The files of earlier attempts that a receipt names, as JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[File, ...] | None, dialect: Dialect) -> str | None:
        del dialect
        return None if value is None else dump_files(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> tuple[File, ...]:
        del dialect
        return load_files(value) if value else ()


class Row(SQLModel):
    """The tables as SQLModel sees them; schema.MIGRATIONS makes them, and a test holds the two together."""

    @declared_attr.directive
    @classmethod
    def __tablename__(cls) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] # the documented way
        return cls.__name__.removesuffix("Row").lower()


class RunRow(Row, table=True):
    id: str = Field(primary_key=True)
    name: str
    plan: str
    plan_digest: str
    output: str
    place: str
    state: RunState
    created: datetime
    changed: datetime


class ShardRow(Row, table=True):
    """A shard, and its receipt once it is done."""

    run: str = Field(primary_key=True, foreign_key="run.id")
    id: str = Field(primary_key=True)
    position: int
    bytes: int
    tokens_expected: int | None
    state: ShardState
    worker: str | None
    generation: int | None
    nonce: str | None
    key: str | None
    digest: str | None
    output_bytes: int | None
    input_bytes: int | None
    documents: int | None
    chunks: int | None
    tokens: int | None
    tokens_cut: int | None
    failed_rows: int | None
    quarantine: str | None
    started: datetime | None
    finished: datetime | None
    stages: dict[str, float] | None = Field(sa_type=JSON)
    fault: str | None
    earlier: tuple[File, ...] | None = Field(sa_type=Files)
    tokens_repeated: int | None


class ProgressRow(Row, table=True):
    run: str = Field(primary_key=True, foreign_key="run.id")
    shards: int
    bytes: int
    tokens_known: int
    shards_unsized: int
    shards_done: int
    shards_failed: int
    documents: int
    chunks: int
    tokens: int
    tokens_cut: int
    tokens_repeated: int = 0
    failed_rows: int
    input_bytes: int
    output_bytes: int
    first_started: datetime | None
    last_finished: datetime | None


class LeaseRow(Row, table=True):
    run: str = Field(primary_key=True)
    shard: str = Field(primary_key=True)
    generation: int = Field(primary_key=True)
    worker: str
    claimed: datetime
    last_seen: datetime
    ended: datetime | None
    outcome: LeaseOutcome


class MachineRow(Row, table=True):
    name: str = Field(primary_key=True)
    run: str = Field(foreign_key="run.id")
    slot: int
    place: str
    gpu: str
    usd_per_hour: Decimal | None = Field(sa_type=Money)
    state: MachineState
    handle: str | None
    intended: datetime
    confirmed: datetime | None
    ready: datetime | None
    stopping: datetime | None
    ended: datetime | None
    reason: str | None
    exit_code: int | None
    lot: int | None
    cloud: str = "local"
    region: str | None
    zone: str | None
    purchase: str | None
    instance_type: str | None
    gpus: float | None
    disk_gb: float | None


class LifeRow(Row, table=True):
    machine: str = Field(primary_key=True, foreign_key="machine.name")
    number: int = Field(primary_key=True)
    cloud: str
    region: str | None
    zone: str | None
    purchase: str | None
    instance_type: str | None
    gpus: float | None
    disk_gb: float | None
    usd_per_hour: Decimal | None = Field(sa_type=Money)
    asked: datetime | None
    up: datetime
    ready: datetime | None
    stopping: datetime | None
    ended: datetime | None
    gone: datetime | None
    how: LifeEnd | None


class PriceRow(Row, table=True):
    machine: str = Field(primary_key=True, foreign_key="machine.name")
    at: datetime = Field(primary_key=True)
    source: str = Field(primary_key=True)
    usd_per_hour: Decimal = Field(sa_type=Money)
    life: int | None


class ChargeRow(Row, table=True):
    run: str = Field(primary_key=True, foreign_key="run.id")
    name: str = Field(primary_key=True)
    kind: str
    at: datetime
    quantity: float | None
    unit: str
    usd: Decimal | None = Field(sa_type=Money)
    reason: str | None
    machine: str | None = Field(foreign_key="machine.name")


class LimitRow(Row, table=True):
    run: str = Field(primary_key=True, foreign_key="run.id")
    at: datetime = Field(primary_key=True)
    usd: Decimal = Field(sa_type=Money)


class NoticeRow(Row, table=True):
    run: str = Field(primary_key=True, foreign_key="run.id")
    kind: str = Field(primary_key=True)
    at: datetime
    text: str
    tries: int
    sent: datetime | None


class SpeedRow(Row, table=True):
    model: str = Field(primary_key=True)
    gpu: str = Field(primary_key=True)
    engine: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    at: datetime = Field(primary_key=True)
    low: float
    mid: float
    high: float
    detail: dict[str, Any] = Field(sa_type=JSON)


class EventRow(Row, table=True):
    id: int = Field(primary_key=True)
    run: str = Field(foreign_key="run.id")
    at: datetime
    kind: str
    text: str


RUN, SHARD, PROGRESS, LEASE, MACHINE, PRICE, SPEED, EVENT = (
    SQLModel.metadata.tables[name]
    for name in ("run", "shard", "progress", "lease", "machine", "price", "speed", "event")
)
LIFE, CHARGE, LIMIT, NOTICE = (
    SQLModel.metadata.tables[name] for name in ("life", "charge", "limit", "notice")
)


APPLICATION = 0x656D6266  # "embf": tells our file from any other SQLite database

# Entry n, counted from 1, turns a file of layout n-1 into one of layout n. What has been released is never
# edited: append. Times are UTC text as SQLModel writes it. SQLite 3.34 (RHEL 9) must understand all of it.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE run (
            id TEXT NOT NULL PRIMARY KEY,
            name TEXT NOT NULL,
            plan TEXT NOT NULL,
            plan_digest TEXT NOT NULL,
            output TEXT NOT NULL,
            place TEXT NOT NULL,
            state TEXT NOT NULL,
            created TEXT NOT NULL,
            changed TEXT NOT NULL
        )
        """,
        """
        CREATE TABLE shard (
            run TEXT NOT NULL REFERENCES run (id),
            id TEXT NOT NULL,
            position INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            tokens_expected INTEGER,
            state TEXT NOT NULL DEFAULT 'WAITING',
            worker TEXT,
            generation INTEGER,
            nonce TEXT,
            "key" TEXT,
            digest TEXT,
            output_bytes INTEGER,
            input_bytes INTEGER,
            documents INTEGER,
            chunks INTEGER,
            tokens INTEGER,
            tokens_cut INTEGER,
            failed_rows INTEGER,
            quarantine TEXT,
            started TEXT,
            finished TEXT,
            stages TEXT,
            fault TEXT,
            PRIMARY KEY (run, id)
        )
        """,
        "CREATE INDEX shard_by_state ON shard (run, state, position)",
        # The sums are kept by triggers: no statement can forget them, and a status is one row at any size.
        """
        CREATE TABLE progress (
            run TEXT NOT NULL PRIMARY KEY REFERENCES run (id),
            shards INTEGER NOT NULL DEFAULT 0,
            bytes INTEGER NOT NULL DEFAULT 0,
            tokens_known INTEGER NOT NULL DEFAULT 0,
            shards_unsized INTEGER NOT NULL DEFAULT 0,
            shards_done INTEGER NOT NULL DEFAULT 0,
            shards_failed INTEGER NOT NULL DEFAULT 0,
            documents INTEGER NOT NULL DEFAULT 0,
            chunks INTEGER NOT NULL DEFAULT 0,
            tokens INTEGER NOT NULL DEFAULT 0,
            tokens_cut INTEGER NOT NULL DEFAULT 0,
            failed_rows INTEGER NOT NULL DEFAULT 0,
            input_bytes INTEGER NOT NULL DEFAULT 0,
            output_bytes INTEGER NOT NULL DEFAULT 0,
            first_started TEXT,
            last_finished TEXT
        )
        """,
        """
        CREATE TRIGGER run_created AFTER INSERT ON run BEGIN
            INSERT INTO progress (run) VALUES (new.id);
        END
        """,
        """
        CREATE TRIGGER shard_added AFTER INSERT ON shard BEGIN
            UPDATE progress SET
                shards = shards + 1,
                bytes = bytes + new.bytes,
                tokens_known = tokens_known + coalesce(new.tokens_expected, 0),
                shards_unsized = shards_unsized + (new.tokens_expected IS NULL)
            WHERE run = new.run;
        END
        """,
        """
        CREATE TRIGGER shard_done AFTER UPDATE OF state ON shard
        WHEN old.state <> 'DONE' AND new.state = 'DONE' BEGIN
            UPDATE progress SET
                shards_done = shards_done + 1,
                shards_failed = shards_failed + (new.fault IS NOT NULL),
                documents = documents + new.documents,
                chunks = chunks + new.chunks,
                tokens = tokens + new.tokens,
                tokens_cut = tokens_cut + new.tokens_cut,
                failed_rows = failed_rows + new.failed_rows,
                input_bytes = input_bytes + new.input_bytes,
                output_bytes = output_bytes + new.output_bytes,
                first_started = min(coalesce(first_started, new.started), new.started),
                last_finished = max(coalesce(last_finished, new.finished), new.finished)
            WHERE run = new.run;
        END
        """,
        """
        CREATE TABLE lease (
            run TEXT NOT NULL,
            shard TEXT NOT NULL,
            generation INTEGER NOT NULL,
            worker TEXT NOT NULL,
            claimed TEXT NOT NULL,
            last_seen TEXT NOT NULL,
            ended TEXT,
            outcome TEXT NOT NULL,
            PRIMARY KEY (run, shard, generation),
            FOREIGN KEY (run, shard) REFERENCES shard (run, id)
        )
        """,
        "CREATE INDEX lease_held ON lease (run, last_seen) WHERE outcome = 'HELD'",
        """
        CREATE TABLE machine (
            name TEXT NOT NULL PRIMARY KEY,
            run TEXT NOT NULL REFERENCES run (id),
            slot INTEGER NOT NULL,
            place TEXT NOT NULL,
            gpu TEXT NOT NULL,
            usd_per_hour TEXT,
            state TEXT NOT NULL,
            handle TEXT,
            intended TEXT NOT NULL,
            confirmed TEXT,
            ready TEXT,
            stopping TEXT,
            ended TEXT,
            reason TEXT,
            exit_code INTEGER
        )
        """,
        "CREATE INDEX machine_by_run ON machine (run, state)",
        """
        CREATE TABLE price (
            machine TEXT NOT NULL REFERENCES machine (name),
            at TEXT NOT NULL,
            source TEXT NOT NULL,
            usd_per_hour TEXT NOT NULL,
            PRIMARY KEY (machine, at, source)
        )
        """,
        """
        CREATE TABLE speed (
            model TEXT NOT NULL,
            gpu TEXT NOT NULL,
            engine TEXT NOT NULL,
            low REAL NOT NULL,
            mid REAL NOT NULL,
            high REAL NOT NULL,
            source TEXT NOT NULL,
            at TEXT NOT NULL,
            detail TEXT NOT NULL,
            PRIMARY KEY (model, gpu, engine, source, at)
        )
        """,
        """
        CREATE TABLE event (
            id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
            run TEXT NOT NULL REFERENCES run (id),
            at TEXT NOT NULL,
            kind TEXT NOT NULL,
            text TEXT NOT NULL
        )
        """,
        "CREATE INDEX event_by_run ON event (run, id)",
    ),
    # 2: machines of a fleet, which live several times in several places, and money that is not for their hours.
    (
        "ALTER TABLE machine ADD COLUMN lot INTEGER",
        "ALTER TABLE machine ADD COLUMN cloud TEXT NOT NULL DEFAULT 'local'",
        "ALTER TABLE machine ADD COLUMN region TEXT",
        "ALTER TABLE machine ADD COLUMN zone TEXT",
        "ALTER TABLE machine ADD COLUMN purchase TEXT",
        "ALTER TABLE machine ADD COLUMN instance_type TEXT",
        "ALTER TABLE machine ADD COLUMN gpus REAL",
        "ALTER TABLE machine ADD COLUMN disk_gb REAL",
        "ALTER TABLE price ADD COLUMN life INTEGER",
        """
        CREATE TABLE life (
            machine TEXT NOT NULL REFERENCES machine (name),
            number INTEGER NOT NULL,
            cloud TEXT NOT NULL,
            region TEXT,
            zone TEXT,
            purchase TEXT,
            instance_type TEXT,
            gpus REAL,
            disk_gb REAL,
            usd_per_hour TEXT,
            asked TEXT,
            up TEXT NOT NULL,
            ready TEXT,
            stopping TEXT,
            ended TEXT,
            gone TEXT,
            how TEXT,
            PRIMARY KEY (machine, number)
        )
        """,
        """
        CREATE TABLE charge (
            run TEXT NOT NULL REFERENCES run (id),
            name TEXT NOT NULL,
            kind TEXT NOT NULL,
            at TEXT NOT NULL,
            quantity REAL,
            unit TEXT NOT NULL,
            usd TEXT,
            reason TEXT,
            machine TEXT REFERENCES machine (name),
            PRIMARY KEY (run, name)
        )
        """,
        """
        CREATE TABLE "limit" (
            run TEXT NOT NULL REFERENCES run (id),
            at TEXT NOT NULL,
            usd TEXT NOT NULL,
            PRIMARY KEY (run, at)
        )
        """,
        """
        CREATE TABLE notice (
            run TEXT NOT NULL REFERENCES run (id),
            kind TEXT NOT NULL,
            at TEXT NOT NULL,
            text TEXT NOT NULL,
            tries INTEGER NOT NULL,
            sent TEXT,
            PRIMARY KEY (run, kind)
        )
        """,
    ),
    # 3: shards that several workers made, one after the other, and texts that came again.
    (
        "ALTER TABLE shard ADD COLUMN earlier TEXT",
        "ALTER TABLE shard ADD COLUMN tokens_repeated INTEGER",
        "ALTER TABLE progress ADD COLUMN tokens_repeated INTEGER NOT NULL DEFAULT 0",
        """
        CREATE TRIGGER shard_repeats AFTER UPDATE OF state ON shard
        WHEN old.state <> 'DONE' AND new.state = 'DONE' AND new.tokens_repeated > 0 BEGIN
            UPDATE progress SET tokens_repeated = tokens_repeated + new.tokens_repeated WHERE run = new.run;
        END
        """,
    ),
)


def upgrade(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> None:
    """Bring the file to the newest layout, all steps or none."""
    with connection:
        connection.execute("BEGIN")  # what is read below is of one moment
        if _layout(connection, path, migrations) == len(migrations):
            return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        # Looked at again: another process may have been first.
        before = _layout(connection, path, migrations)
        for number, statements in enumerate(migrations[before:], start=before + 1):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute(f"PRAGMA application_id = {APPLICATION}")


def _layout(connection: sqlite3.Connection, path: Path, migrations: Sequence[Sequence[str]]) -> int:
    """The number of the file's layout, 0 of an empty one."""
    (number,), (application,), (tables,) = (
        connection.execute(question).fetchone()
        for question in ("PRAGMA user_version", "PRAGMA application_id", "SELECT count(*) FROM sqlite_master")
    )
    if application != APPLICATION and (application or number or tables):
        raise Problem(
            f"{path} is a database of another program, with {tables} tables",
            hint="name another file for the ledger",
        )
    if number > len(migrations):
        raise Problem(
            f"{path} is of a newer embedfleet: its layout is {number}, this one knows {len(migrations)}",
            hint="pip install --upgrade embedfleet",
        )
    return number
