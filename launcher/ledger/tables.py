"""The tables of the ledger, defined once: by the record dataclasses, plus the key and the columns that name the owner.

`migrations/` creates the tables, and a test compares them with these definitions. Statements that run once per shard
or per machine are written as SQL beside their use; what is here makes the statements that list all columns.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import cached_property
from types import NoneType, UnionType
from typing import Any, Generic, LiteralString, TypeVar, Union, get_args, get_origin, get_type_hints

from launcher.ledger.damage import DamagedRow
from launcher.ledger.records import (
    BudgetLimit,
    Charge,
    Life,
    Machine,
    MeasuredSpeed,
    Notification,
    ObservedLease,
    ObservedPrice,
    PlanOutcome,
    Run,
    RunEvent,
    RunNote,
    RunProgress,
    RunTag,
    ShardRecord,
)
from launcher.ledger.steering_records import (
    Ask,
    CourseBody,
    CourseRecord,
    DeadlineRecord,
    DecisionRecord,
    QuoteRecord,
)
from tasks.protocol.bounds import out_of_bounds
from tasks.protocol.documents import decode, encode
from tasks.protocol.receipt import Receipt, ReceiptFile, dump_files, load_files

Record = TypeVar("Record")
Bounded = TypeVar("Bounded", datetime, Decimal)

EXCERPT_CHARACTERS = 60  # of a damaged cell in a message


@dataclass(frozen=True, slots=True)
class Column:
    """`store` turns a value into what SQLite keeps and `load` turns it back; None where both are the same."""

    name: str
    type: type
    required: bool
    store: Callable[[Any], Any] | None = None
    load: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Table(Generic[Record]):
    """A table with a column for each field of `record`, in that order.

    `owner` names text columns before them that say whose the record is. `later` is a dataclass whose fields are
    columns too, NULL at first; those in `same` are columns of the record already.
    """

    name: str
    record: type[Record]
    key: tuple[str, ...]
    owner: tuple[str, ...] = ()
    later: type | None = None
    same: tuple[str, ...] = ()

    @cached_property
    def record_columns(self) -> tuple[Column, ...]:
        """The columns of the record, in the order of its fields."""
        return columns_of(self.record)

    @cached_property
    def later_columns(self) -> tuple[Column, ...]:
        """The columns that are NULL at first."""
        found = () if self.later is None else columns_of(self.later, optional=True)
        return tuple(column for column in found if column.name not in self.same)

    @cached_property
    def columns(self) -> dict[str, Column]:
        """All columns by name."""
        owner = tuple(Column(name, str, required=True) for name in self.owner)
        return {column.name: column for column in (*owner, *self.record_columns, *self.later_columns)}

    def select(
        self,
        connection: sqlite3.Connection,
        where: LiteralString,
        parameters: Sequence[object] = (),
        order: LiteralString = "rowid",
    ) -> list[Record]:
        """Read the records of the rows that match a condition in SQL.

        The condition and the order are literals of the code; data are `parameters`.
        """
        statement = f'SELECT {self._record_names} FROM "{self.name}" WHERE {where} ORDER BY {order}'  # noqa: S608 # names of our own
        return [self.load(row) for row in connection.execute(statement, parameters)]

    def load(self, row: Sequence[Any]) -> Record:
        """Make the record of a row that has the columns of the record in order.

        Raises:
            DamagedRow: a cell holds what no version writes.
        """
        cells = [
            loaded(self.name, column, cell) for column, cell in zip(self.record_columns, row, strict=True)
        ]
        return self.record(*cells)

    def insert(self, connection: sqlite3.Connection, row: Mapping[str, object]) -> bool:
        """Insert a row and return True, or do nothing and return False where its key exists."""
        # ON CONFLICT names the key: INSERT OR IGNORE would also swallow a row that lacks a value.
        statement = f"{self._insert(row)} DO NOTHING"
        return connection.execute(statement, self.store(row)).rowcount == 1

    def upsert(
        self, connection: sqlite3.Connection, row: Mapping[str, object], update: Collection[str]
    ) -> None:
        """Insert a row, or set the columns `update` of the row that has its key."""
        columns = [self.columns[name].name for name in update]
        news = ", ".join(f'"{name}" = excluded."{name}"' for name in columns)
        connection.execute(f"{self._insert(row)} DO UPDATE SET {news}", self.store(row))

    def store(self, row: Mapping[str, object]) -> list[Any]:
        """Return the values of a row as SQLite keeps them.

        Raises:
            TypeError: money is not a finite Decimal.
            ValueError: a time has no zone.
            KeyError: the table has no such column.
        """
        return [stored(self.columns[name], value) for name, value in row.items()]

    def _insert(self, row: Iterable[str]) -> str:
        names = ", ".join(f'"{self.columns[name].name}"' for name in row)
        marks = ", ".join("?" for _ in row)
        key = ", ".join(f'"{name}"' for name in self.key)
        return f'INSERT INTO "{self.name}" ({names}) VALUES ({marks}) ON CONFLICT ({key})'  # noqa: S608 # names of our own

    @cached_property
    def _record_names(self) -> str:
        return ", ".join(f'"{column.name}"' for column in self.record_columns)


def stored(column: Column, value: object) -> Any:
    """The value of one cell as SQLite keeps it."""
    return value if column.store is None or value is None else column.store(value)


def loaded(table: str, column: Column, cell: object) -> Any:
    """The value of one cell that SQLite kept.

    Raises:
        DamagedRow: it is of another type, or out of bounds.
    """
    if cell is None and not column.required:
        return None
    try:
        if column.load is not None:
            return column.load(cell)
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise DamagedRow(table, f"its {column.name} is {_excerpt(cell)}") from error
    if type(cell) is column.type or (column.type is float and type(cell) is int):
        return cell
    raise DamagedRow(table, f"its {column.name} is {_excerpt(cell)}")


def _excerpt(cell: object) -> str:
    words = repr(cell)
    return words if len(words) <= EXCERPT_CHARACTERS else f"{words[:EXCERPT_CHARACTERS]}…"


def fields_of(record: object) -> dict[str, object]:
    """The fields of a record by name, not copied."""
    return {field.name: getattr(record, field.name) for field in fields(record)}  # pyright: ignore[reportArgumentType] # any dataclass


def utc_text(moment: datetime) -> str:
    """Write a time as the ledger keeps it: UTC, without an offset, as SQLModel's UTCDateTime does.

    Raises:
        ValueError: the time has no zone.
    """
    if moment.utcoffset() is None:
        raise ValueError(f"the time {moment} has no zone")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def utc_time(text: str) -> datetime:
    """Read a time that `utc_text` wrote.

    Raises:
        ValueError: it is no time, or so far away that arithmetic with it would overflow.
    """
    return _in_bounds(datetime.fromisoformat(text).replace(tzinfo=UTC))


def usd_of(text: str) -> Decimal:
    """Read an amount that `money_text` wrote.

    Raises:
        ArithmeticError: it is no amount.
        ValueError: it is not finite, or larger than any amount of ours.
    """
    return _in_bounds(Decimal(text))


def _mapping(text: str) -> dict[str, Any]:
    return decode(text, dict[str, Any], "a mapping")


def _course_body(text: str) -> CourseBody:
    return decode(text, CourseBody, "the body of a course")


def _course_body_text(body: CourseBody) -> str:
    return encode(body).decode()


def _in_bounds(value: Bounded) -> Bounded:
    if why := out_of_bounds(value):
        raise ValueError(why)
    return value


def printable(text: str) -> str:
    """Escape lone surrogates, as in a file name that is not UTF-8: SQLite cannot store them."""
    return text.encode("utf-8", "backslashreplace").decode()


def money_text(usd: Decimal) -> str:
    """Write money as text: SQLite's own numbers would round it.

    Raises:
        TypeError: it is not a finite Decimal.
    """
    if not isinstance(usd, Decimal) or not usd.is_finite():  # pyright: ignore[reportUnnecessaryIsInstance] # callers may be untyped
        raise TypeError(f"money is a finite Decimal, not {usd!r}")
    return str(usd)


# Types whose values are text in a cell: how they are written, and how they are read.
KEPT_AS_TEXT: Mapping[type, tuple[Callable[[Any], str], Callable[[str], Any]]] = {
    datetime: (utc_text, utc_time),
    Decimal: (money_text, usd_of),
    CourseBody: (_course_body_text, _course_body),
}


def columns_of(record: type, *, optional: bool = False) -> tuple[Column, ...]:
    """A column for each field of a dataclass; `optional`: all of them may be NULL."""
    hints = get_type_hints(record)
    return tuple(_column(field.name, hints[field.name], optional) for field in fields(record))


def _column(name: str, hint: Any, optional: bool) -> Column:
    kinds = [hint]
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not NoneType]
        optional = optional or len(kinds) < len(get_args(hint))
    (kind,) = kinds
    required = not optional
    if kind in KEPT_AS_TEXT:
        store, load = KEPT_AS_TEXT[kind]
        return Column(name, kind, required, store=store, load=load)
    if get_origin(kind) is Mapping:
        return Column(name, dict, required, store=lambda value: json.dumps(dict(value)), load=_mapping)
    if kind == tuple[ReceiptFile, ...]:
        return Column(
            name, tuple, required, store=lambda value: dump_files(value) if value else None, load=load_files
        )
    if issubclass(kind, Enum):
        return Column(name, kind, required, store=lambda value: kind(value).value, load=kind)
    return Column(name, kind, required)


RUN = Table("run", Run, ("id",))
SHARD = Table(
    "shard", ShardRecord, ("run", "id"), owner=("run",), later=Receipt, same=("run", "shard", "position")
)
PROGRESS = Table("progress", RunProgress, ("run",), owner=("run",))
LEASE = Table("lease", ObservedLease, ("run", "shard", "generation"), owner=("run",))
MACHINE = Table("machine", Machine, ("name",))
LIFE = Table("life", Life, ("machine", "number"))
PRICE = Table("price", ObservedPrice, ("machine", "at", "source"))
CHARGE = Table("charge", Charge, ("run", "name"), owner=("run",))
LIMIT = Table("limit", BudgetLimit, ("run", "at"), owner=("run",))
NOTICE = Table("notice", Notification, ("run", "kind"), owner=("run",))
SPEED = Table("speed", MeasuredSpeed, ("model", "gpu", "engine", "source", "at"))
OUTCOME = Table("outcome", PlanOutcome, ("run",))
EVENT = Table("event", RunEvent, ("id",), owner=("run",))
NOTE = Table("note", RunNote, ("id",), owner=("run",))
TAG = Table("tag", RunTag, ("run", "key"), owner=("run",))
ASK = Table("ask", Ask, ("machine", "at"), owner=("run",))
COURSE = Table("course", CourseRecord, ("run", "at"), owner=("run",))
DECISION = Table("decision", DecisionRecord, ("run", "at", "number"), owner=("run",))
DEADLINE = Table("deadline", DeadlineRecord, ("run", "at"), owner=("run",))
QUOTE = Table("quote", QuoteRecord, ("place", "instance_type", "purchase", "at"))
TABLES: tuple[Table[Any], ...] = (
    RUN, SHARD, PROGRESS, LEASE, MACHINE, LIFE, PRICE, CHARGE, LIMIT, NOTICE, SPEED, OUTCOME, EVENT, NOTE, TAG,
    ASK, COURSE, DECISION, DEADLINE, QUOTE,
)  # fmt: skip
