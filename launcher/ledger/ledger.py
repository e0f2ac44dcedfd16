"""The ledger: one SQLite file that remembers every run, machine, price and shard this laptop has seen.

It is a cache of the truth in the store, plus the money. It knows no clock: times come from the caller. A
write is one BEGIN IMMEDIATE transaction, a read a snapshot that blocks nobody. Import it late: sqlmodel takes
a second.
"""

import json
import shutil
import sqlite3
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import ColumnElement, Integer, Table, event, insert, literal_column, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.engine import URL, Connection, create_engine
from sqlalchemy.exc import StatementError

from launcher.errors import Problem
from launcher.ledger.costs import Purse, close_lives, stamp_life
from launcher.ledger.records import (
    LOCAL_SITE,
    MACHINE_MOVES,
    RUN_MOVES,
    Machine,
    MachineState,
    MeasuredSpeed,
    ObservedLease,
    Run,
    RunEvent,
    RunProgress,
    RunState,
    ShardRecord,
    Site,
)
from launcher.ledger.tables import EVENT, LEASE, MACHINE, PROGRESS, RUN, SHARD, SPEED, upgrade
from tasks.protocol.receipt import Receipt, dump_files, load_files
from tasks.protocol.shard import Shard

PATIENCE = 30.0  # seconds; SQLite's queue is unfair: with 8 writers one was seen waiting for 4 s
ROWID: ColumnElement[int] = literal_column("rowid", Integer)  # in the order of writing
BATCH = 10_000  # shards a transaction: others get their turn in between
Value = TypeVar(
    "Value", bound=Run | ShardRecord | ObservedLease | Machine | MeasuredSpeed | RunEvent | RunProgress
)

# What happens once per shard goes to the driver as it is: SQLAlchemy's expressions cost five times as much.
# ON CONFLICT names the key: INSERT OR IGNORE would also swallow a row that lacks a value.
ADD_SHARD = """
    INSERT INTO shard (run, id, position, bytes, tokens_expected) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (run, id) DO NOTHING
"""
MARK_DONE = """
    UPDATE shard SET
        state = 'DONE', worker = ?, generation = ?, nonce = ?, "key" = ?, digest = ?, output_bytes = ?,
        input_bytes = ?, documents = ?, chunks = ?, tokens = ?, tokens_cut = ?, failed_rows = ?,
        quarantine = ?, started = ?, finished = ?, stages = ?, fault = ?,
        earlier = ?, tokens_repeated = ?
    WHERE run = ? AND id = ? AND state = 'WAITING'
"""
# Read as it lies: a report of 100,000 shards is half as long with SQLAlchemy's own reading of each cell.
RECEIPT = [field.name for field in fields(Receipt)]
TIMES = [RECEIPT.index(name) for name in ("started", "finished")]
STAGES, EARLIER, REPEATED = (RECEIPT.index(name) for name in ("stages", "earlier", "tokens_repeated"))
RECEIPTS = (
    "SELECT "  # noqa: S608 # names of our own
    + ", ".join("id" if name == "shard" else f'"{name}"' for name in RECEIPT)
    + " FROM shard WHERE run = ? AND state = 'DONE' ORDER BY position"
)
UNKNOWN_SHARDS = """
    SELECT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM shard WHERE run = ? AND id = value)
"""
# The newest sight counts, and a lease that gave a receipt stays DONE whatever a late observer says.
SEE_LEASE = """
    INSERT INTO lease (run, shard, generation, worker, claimed, last_seen, ended, outcome)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (run, shard, generation) DO UPDATE SET
        last_seen = max(last_seen, excluded.last_seen), ended = excluded.ended, outcome = excluded.outcome
    WHERE outcome <> 'DONE' AND (excluded.outcome = 'DONE' OR excluded.last_seen >= last_seen)
"""


class Ledger(Purse):
    """Opened by `Ledger.open(path)`, by any number of processes and threads at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        url = URL.create("sqlite", database=str(path.absolute()))
        self._engine = create_engine(url, connect_args={"timeout": PATIENCE}, hide_parameters=True)
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)
        self._snapshots = self._engine.execution_options(begin="DEFERRED")

    @classmethod
    def open(cls, path: Path) -> Self:
        """The ledger of this file, made or brought to the newest layout first."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Problem(
                f"the ledger's folder {path.parent} cannot be made: {error.strerror}",
                hint="name a folder that you may write to",
            ) from error
        with (
            _explained(path),
            closing(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)) as connection,
        ):
            upgrade(connection, path)
            _log_ahead(connection)
        return cls(path)

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def writing(self) -> Generator[Connection]:
        """One transaction, one writer at a time: what is read inside is still so when it commits."""
        with _explained(self.path), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """One moment of the ledger, however long one looks at it."""
        with _explained(self.path), self._snapshots.connect() as connection:
            yield connection

    # Runs

    def create_run(
        self,
        id: str,  # noqa: A002 # it is what everybody calls it
        name: str,
        plan: str,
        plan_digest: str,
        output: str,
        created: datetime,
        place: str = "local",
    ) -> bool:
        """Whether it is new. The same id with the same plan is the same run."""
        row = {
            "id": id, "name": name, "plan": plan, "plan_digest": plan_digest, "output": output,
            "place": place, "state": RunState.PLANNED, "created": created, "changed": created,
        }  # fmt: skip
        with self.writing() as connection:
            known = connection.scalar(select(RUN.c.plan_digest).where(RUN.c.id == id))
            if known is None:
                connection.execute(insert(RUN).values(row))
            elif known != plan_digest:
                raise Problem(
                    f"run {id} exists with another plan: its digest is {known[:12]}, not {plan_digest[:12]}",
                    hint=f"embedfleet resume {id}, or give the new run another name",
                )
        return known is None

    def run(self, id: str) -> Run | None:  # noqa: A002
        return next(iter(self._values(Run, RUN, RUN.c.id == id)), None)

    def runs(self) -> list[Run]:
        """The newest first."""
        return self._values(Run, RUN, order=(RUN.c.created.desc(), ROWID.desc()))

    def find(self, beginning: str | None = None) -> Run:
        """The run whose id begins so; without one, the newest."""
        runs = self.runs()
        if not runs:
            raise Problem("there is no run in this ledger yet", hint="embedfleet launch JOB.yaml")
        if beginning is None:
            return runs[0]
        ids = [run.id for run in runs]
        matches = [run for run in runs if run.id == beginning] or [
            r for r in runs if r.id.startswith(beginning)
        ]
        if len(matches) == 1:
            return matches[0]
        if matches:
            names = ", ".join(run.id for run in matches[:3])
            raise Problem(
                f"{len(matches)} runs begin with '{beginning}'", hint=f"write more of one of: {names}"
            )
        near = get_close_matches(beginning, ids, n=3, cutoff=0.5) or ids[:3]
        raise Problem(
            f"no run of {len(ids)} begins with '{beginning}'", hint=f"name one of: {', '.join(near)}"
        )

    def set_run_state(self, id: str, state: RunState, now: datetime) -> None:  # noqa: A002
        with self.writing() as connection:
            before = connection.scalar(select(RUN.c.state).where(RUN.c.id == id))
            if before is None:
                raise _no_run(id)
            if state == before:
                return
            if (before, state) not in RUN_MOVES:
                raise Problem(
                    f"run {id} is {before} and cannot become {state}", hint=f"embedfleet status {id}"
                )
            connection.execute(update(RUN).where(RUN.c.id == id).values(state=state, changed=now))

    # Shards and receipts

    def add_shards(self, run: str, shards: Iterable[Shard]) -> int:
        """How many were new. Interrupted, it has added some; done again, it adds the rest."""
        added = 0
        rows = ((run, shard.id, shard.position, shard.bytes, shard.tokens) for shard in shards)
        while batch := list(islice(rows, BATCH)):
            with self.writing() as connection:
                added += connection.exec_driver_sql(ADD_SHARD, batch).rowcount
        return added

    def shards(self, run: str) -> Iterator[ShardRecord]:
        """In the order of the manifest."""
        statement = select(*_columns(ShardRecord, SHARD)).where(SHARD.c.run == run).order_by(SHARD.c.position)
        with self.reading() as connection:
            for row in connection.execute(statement):
                yield ShardRecord(*row)

    def record_receipts(self, run: str, receipts: Sequence[Receipt]) -> int:
        """How many shards are newly done. A shard's first receipt stays."""
        if not receipts:
            return 0
        rows = [_done(run, receipt) for receipt in receipts]
        with self.writing() as connection:
            done = connection.exec_driver_sql(MARK_DONE, rows).rowcount
            if done < len(rows):
                ids = json.dumps([receipt.shard for receipt in receipts])
                strangers = connection.exec_driver_sql(UNKNOWN_SHARDS, (ids, run)).scalars().all()
                if strangers:
                    raise Problem(
                        f"{len(strangers)} of {len(rows)} receipts are of shards that are not in run {run}, "
                        f"such as {strangers[0]}",
                        hint="check that this output path belongs to this run",
                    )
        return done

    def receipts(self, run: str) -> list[Receipt]:
        """As the workers wrote them, in the order of the manifest."""
        with self.reading() as connection:
            return [_receipt(row) for row in connection.exec_driver_sql(RECEIPTS, (run,)).fetchall()]

    def progress(self, run: str) -> RunProgress:
        for progress in self._values(RunProgress, PROGRESS, PROGRESS.c.run == run):
            return progress
        raise _no_run(run)

    # Leases

    def record_leases(self, run: str, leases: Iterable[ObservedLease]) -> None:
        """Each as it was seen last; worker and time of claim stay as they were seen first."""
        rows = [
            (run, seen.shard, seen.generation, seen.worker, _text(seen.claimed), _text(seen.last_seen),
             seen.ended and _text(seen.ended), seen.outcome.value)
            for seen in leases
        ]  # fmt: skip
        if rows:
            with self.writing() as connection:
                connection.exec_driver_sql(SEE_LEASE, rows)

    def leases(self, run: str) -> list[ObservedLease]:
        return self._values(
            ObservedLease, LEASE, LEASE.c.run == run, order=(LEASE.c.shard, LEASE.c.generation)
        )

    def held(self, run: str) -> list[ObservedLease]:
        """The leases that have not ended, the one unseen for longest first."""
        # A literal, so that SQLite may take the partial index.
        held = LEASE.c.outcome == literal_column("'HELD'")
        return self._values(ObservedLease, LEASE, LEASE.c.run == run, held, order=(LEASE.c.last_seen,))

    # Machines; their lives and prices are in `purse`

    def intend_machine(
        self,
        run: str,
        name: str,
        slot: int,
        usd_per_hour: Decimal | None,
        now: datetime,
        *,
        place: str | None = None,
        gpu: str = "cpu",
        lot: int | None = None,
        site: Site = LOCAL_SITE,
    ) -> bool:
        """Whether the name is new. Call it before the act, and act only when it is.

        `usd_per_hour` is of the whole machine, as planned; `lot` counts the plan's from 0; `site` is where it is asked
        for. `place` is that in one word, unless the caller has a better one.
        """
        row = {
            "name": name, "run": run, "slot": slot, "place": place or site.place, "gpu": gpu,
            "usd_per_hour": usd_per_hour, "state": MachineState.INTENDED, "intended": now, "lot": lot,
            "cloud": site.cloud, "region": site.region, "zone": site.zone, "purchase": site.purchase,
            "instance_type": site.instance_type, "gpus": site.gpus, "disk_gb": site.disk_gb,
        }  # fmt: skip
        with self.writing() as connection:
            statement = upsert(MACHINE).values(row).on_conflict_do_nothing(index_elements=["name"])
            return connection.execute(statement).rowcount == 1

    def confirm_machine(self, name: str, handle: str, now: datetime) -> None:
        """The provider has it under this name of its own: a process that runs, a job that waits for its machine.

        A process of this machine costs from here on. What is rented costs from `begin_life` on.
        """
        with self.writing() as connection:
            if _move(connection, name, MachineState.UP, confirmed=now, handle=handle):
                return
            known = connection.scalar(select(MACHINE.c.handle).where(MACHINE.c.name == name))
            if known != handle:
                raise Problem(
                    f"machine {name} runs as {known} and was started again as {handle}",
                    hint="two launchers share this run: stop one of them",
                )

    def ready_machine(self, name: str, at: datetime) -> None:
        """Its worker can embed. The first time counts, even when the machine is gone by now."""
        self._stamp(name, "ready", at)

    def stopping_machine(self, name: str, at: datetime) -> None:
        """It was told to stop; what follows is teardown."""
        self._stamp(name, "stopping", at)

    def end_machine(
        self, name: str, state: MachineState, at: datetime, reason: str, exit_code: int | None = None
    ) -> None:
        """It costs nothing from here on; nor does the life that was open."""
        with self.writing() as connection:
            _move(connection, name, state, ended=at, reason=_readable(reason), exit_code=exit_code)
            close_lives(connection, name, state, at)

    def machines(self, run: str, states: Collection[MachineState] | None = None) -> list[Machine]:
        """In the order in which they were intended."""
        where = [MACHINE.c.run == run] + ([] if states is None else [MACHINE.c.state.in_(states)])
        return self._values(Machine, MACHINE, *where, order=(ROWID,))

    # Speeds and events

    def record_speed(self, speed: MeasuredSpeed) -> None:
        """The same measurement twice is one."""
        row = {field.name: getattr(speed, field.name) for field in fields(speed)} | {
            "detail": dict(speed.detail)
        }
        statement = upsert(SPEED).values(row)
        key = ["model", "gpu", "engine", "source", "at"]
        news = {name: statement.excluded[name] for name in ("low", "mid", "high", "detail")}
        with self.writing() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=key, set_=news))

    def speeds(
        self, model: str | None = None, gpu: str | None = None, engine: str | None = None
    ) -> list[MeasuredSpeed]:
        """The newest first."""
        asked = {"model": model, "gpu": gpu, "engine": engine}
        where = [SPEED.c[name] == value for name, value in asked.items() if value is not None]
        return self._values(MeasuredSpeed, SPEED, *where, order=(SPEED.c.at.desc(), ROWID.desc()))

    def note(self, run: str, kind: str, text: str, now: datetime) -> None:
        with self.writing() as connection:
            connection.execute(insert(EVENT).values(run=run, kind=kind, text=_readable(text), at=now))

    def events(self, run: str, after: int = 0) -> list[RunEvent]:
        """Those with a greater id, in order."""
        return self._values(RunEvent, EVENT, EVENT.c.run == run, EVENT.c.id > after, order=(EVENT.c.id,))

    def _values(
        self,
        kind: type[Value],
        table: Table,
        *where: ColumnElement[bool],
        order: Sequence[ColumnElement[Any]] = (),
    ) -> list[Value]:
        statement = select(*_columns(kind, table)).where(*where).order_by(*order)
        with self.reading() as connection:
            return [kind(*row) for row in connection.execute(statement)]

    def _stamp(self, name: str, moment: str, at: datetime) -> None:
        mine = MACHINE.c.name == name
        with self.writing() as connection:
            if connection.scalar(select(MACHINE.c.name).where(mine)) is None:
                raise _no_machine(name)
            connection.execute(update(MACHINE).where(mine, MACHINE.c[moment].is_(None)).values({moment: at}))
            stamp_life(connection, name, moment, at)


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Turn WAL on. Unlike all else this does not wait for other processes: it fails, and is asked again."""
    until = monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or monotonic() > until:
                raise
            sleep(0.01)
        else:
            return


def _prepare(connection: sqlite3.Connection, record: object) -> None:
    del record
    # Beginning is ours (_begin). The driver does it late and DEFERRED: 885 of 1,200 updates were lost unnoticed.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")  # FULL is 10 times slower; the store is the record
    # Shard ids are random, so their index is written everywhere: at 300,000 shards the default cache of 2 MiB
    # and a checkpoint every 4 MiB take twice as long.
    connection.execute("PRAGMA cache_size = -32768")  # KiB, at most
    connection.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: 16 MiB


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'IMMEDIATE')}")


@contextmanager
def _explained(path: Path) -> Generator[None]:
    """Say as a Problem what SQLite refuses and a person can mend; a bug stays what it is."""
    try:
        yield
    except (StatementError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, StatementError) else error
        if isinstance(cause, TypeError | ValueError):  # a naive time, money that is no Decimal
            raise cause from None
        problem = _problem(cause, path) if isinstance(cause, sqlite3.Error) else None
        if problem is None:
            raise
        raise problem from error


def _problem(error: sqlite3.Error, path: Path) -> Problem | None:
    """What to tell the user, None when only a programmer can help."""
    match _code(error):
        case sqlite3.SQLITE_BUSY:
            return Problem(
                f"another process has held the ledger {path} for {PATIENCE:.0f} s",
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
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return Problem(
                f"{path} is not a ledger: {error}",
                hint="move it away; a run that is in its output path can be resumed from there",
            )
        case _:
            return None


def _code(error: sqlite3.Error) -> int:
    """SQLite's code without its finer distinctions; 0 of an error of the driver itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _columns(kind: type[Value], table: Table) -> list[ColumnElement[Any]]:
    return [table.c[field.name] for field in fields(kind)]


def _move(connection: Connection, name: str, state: MachineState, **news: object) -> bool:
    """Whether it changed: coming into the same state again changes nothing."""
    before = connection.scalar(select(MACHINE.c.state).where(MACHINE.c.name == name))
    if before is None:
        raise _no_machine(name)
    if before == state:
        return False
    if (before, state) not in MACHINE_MOVES:
        raise ValueError(f"machine {name} is {before} and cannot become {state}")
    connection.execute(update(MACHINE).where(MACHINE.c.name == name).values(state=state, **news))
    return True


def _no_run(run: str) -> Problem:
    return Problem(f"run {run} is not in this ledger", hint="embedfleet status shows those that are")


def _no_machine(name: str) -> ValueError:
    return ValueError(f"machine {name} was never intended")


def _text(moment: datetime) -> str:
    """As SQLModel's UTCDateTime writes it, for what goes to the driver as it is."""
    if moment.utcoffset() is None:
        raise ValueError(f"the time {moment} has no zone")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _readable(text: str) -> str:
    """Half a character pair, as in a file name that is not UTF-8, cannot be stored: show it by its number."""
    return text.encode("utf-8", "backslashreplace").decode()


def _receipt(row: Sequence[Any]) -> Receipt:
    cells = list(row)
    for place in TIMES:  # UTC without saying so, as SQLModel writes them
        cells[place] = datetime.fromisoformat(cells[place]).replace(tzinfo=UTC)
    cells[STAGES] = json.loads(cells[STAGES])
    cells[EARLIER] = load_files(cells[EARLIER]) if cells[EARLIER] else ()
    cells[REPEATED] = cells[REPEATED] or 0  # of a layout that did not count them
    return Receipt(*cells)


def _done(run: str, receipt: Receipt) -> tuple[Any, ...]:
    """The parameters of MARK_DONE."""
    if receipt.run != run:
        raise ValueError(f"a receipt of run {receipt.run} came to run {run}")
    return (
        receipt.worker,
        receipt.generation,
        receipt.nonce,
        receipt.key,
        receipt.digest,
        receipt.output_bytes,
        receipt.input_bytes,
        receipt.documents,
        receipt.chunks,
        receipt.tokens,
        receipt.tokens_cut,
        receipt.failed_rows,
        receipt.quarantine,
        _text(receipt.started),
        _text(receipt.finished),
        json.dumps(dict(receipt.stages)),
        receipt.fault and _readable(receipt.fault),
        dump_files(receipt.earlier) if receipt.earlier else None,
        receipt.tokens_repeated,
        run,
        receipt.shard,
    )
