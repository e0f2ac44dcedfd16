"""The definitions of the tables: they agree with the migrations, and store times and texts unchanged."""

from dataclasses import fields, replace
from datetime import UTC, timedelta, timezone
from decimal import Decimal

import pytest

from launcher.ledger.ledger import Ledger
from launcher.ledger.records import ObservedLease
from launcher.ledger.tables import LIMIT, SHARD, TABLES
from tasks.protocol.receipt import Receipt
from tests.support.ledger_values import NOON, later, receipt, shard

HELD = ObservedLease("0" * 16, 1, "r1-w0-1", NOON, later(5))
SQL_TYPES = {int: "INTEGER", float: "REAL"}
HOSTILE = "a'b\"; DROP TABLE run; -- %s ? :x \x00 \n\u202e\U0001f409 é"


def test_every_field_of_a_receipt_is_kept() -> None:
    kept = {"shard" if name == "id" else name for name in SHARD.columns}
    assert kept >= {field.name for field in fields(Receipt)}


def test_times_are_read_back_in_utc(ledger: Ledger) -> None:
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    ledger.runs.create("r2", "r2", "{}", "d", "out", tokyo)
    ledger.shards.add("r2", [shard(0)])
    ledger.shards.record_receipts("r2", [replace(receipt(0, run="r2"), started=tokyo)])
    run, (done,) = ledger.runs.find("r2"), ledger.shards.receipts("r2")
    assert (run.created, run.created.tzinfo) == (NOON, UTC)
    assert (done.started, done.started.tzinfo) == (NOON, UTC)


def test_time_without_a_zone_is_refused(ledger: Ledger) -> None:
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(ValueError, match="has no zone"):
        ledger.runs.record_event("r1", "launch", "", naive)
    with pytest.raises(ValueError, match="has no zone"):
        ledger.shards.record_leases("r1", [replace(HELD, last_seen=naive)])
    with pytest.raises(ValueError, match="has no zone"):
        ledger.shards.record_receipts("r1", [replace(receipt(0), finished=naive)])


def test_any_text_is_read_back_unchanged(empty_ledger: Ledger) -> None:
    empty_ledger.runs.create(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, NOON)
    empty_ledger.machines.intend(HOSTILE, HOSTILE + "-w0", 0, None, NOON)
    empty_ledger.machines.confirm(HOSTILE + "-w0", HOSTILE, NOON)
    empty_ledger.runs.record_event(HOSTILE, HOSTILE, HOSTILE, NOON)
    empty_ledger.shards.add(HOSTILE, [replace(shard(0), id=HOSTILE)])
    done = replace(receipt(0), run=HOSTILE, shard=HOSTILE, worker=HOSTILE, stages={HOSTILE: 1.0})
    empty_ledger.shards.record_receipts(HOSTILE, [done])
    run, (machine,), (event,) = (
        empty_ledger.runs.find(HOSTILE),
        empty_ledger.machines.of_run(HOSTILE),
        empty_ledger.runs.events(HOSTILE),
    )
    assert {run.id, run.name, run.plan, run.output, machine.handle, event.kind, event.text} == {HOSTILE}
    assert empty_ledger.shards.receipts(HOSTILE) == [done]


def test_tables_are_those_that_the_migrations_make(ledger: Ledger) -> None:
    query = 'SELECT name, type, "notnull" = 1, pk > 0 FROM pragma_table_info(?)'
    with ledger.database.reading() as connection:
        made = {table.name: set(connection.execute(query, (table.name,))) for table in TABLES}
        names = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
    assert made == {
        table.name: {
            (column.name, SQL_TYPES.get(column.type, "TEXT"), column.required, column.name in table.key)
            for column in table.columns.values()
        }
        for table in TABLES
    }
    assert names - {"sqlite_sequence"} == {table.name for table in TABLES}


@pytest.mark.parametrize("name", [HOSTILE, 'usd" = 0 --', "absent"])
def test_name_that_is_no_column_reaches_no_statement(ledger: Ledger, name: str) -> None:
    row = {"run": "r1", "at": NOON, "usd": Decimal(1)}
    with ledger.database.writing() as connection:
        with pytest.raises(KeyError):
            LIMIT.insert(connection, row | {name: 1})
        with pytest.raises(KeyError):
            LIMIT.upsert(connection, row, ["usd", name])
    assert ledger.costs.budget("r1") is None
