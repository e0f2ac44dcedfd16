"""A damaged ledger is two lines that name the damage and say how to rebuild it; what is whole in it is still read."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.errors import Problem
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import MachineState, RunState
from launcher.ledger.upgrade import MIGRATIONS
from tests.support.ledger_values import NOON, create_run, receipt, shard


def write(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.fixture
def file(path: Path) -> Path:
    """A closed ledger with a run, a machine and a receipt."""
    with Ledger.open(path) as ledger:
        create_run(ledger)
        ledger.machines.intend("r1", "r1-w0-1", 0, Decimal("0.10"), NOON)
        ledger.shards.add("r1", [shard(0)])
        ledger.shards.record_receipts("r1", [receipt(0)])
    return path


def no_database(path: Path) -> None:
    path.write_bytes(b"x" * 9_999)


def every_read(ledger: Ledger) -> None:
    ledger.runs.find()
    ledger.runs.all()
    ledger.runs.events("r1")
    ledger.machines.of_run("r1")
    ledger.machines.cold_starts()
    ledger.machines.confirm("r1-w0-1", "1:1", NOON)
    ledger.runs.set_state("r1", RunState.RUNNING, NOON)
    ledger.shards.progress("r1")
    ledger.shards.receipts("r1")


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE run SET state = 'FLYING'", "its state is 'FLYING'"),
        ("UPDATE run SET created = 'yesterday'", "its created is 'yesterday'"),
        ("UPDATE run SET created = '0001-01-01 00:00:00'", "its created is '0001-01-01 00:00:00'"),
        ("UPDATE run SET plan = x'ff00'", r"its plan is b'\\xff\\x00'"),
        ("UPDATE run SET plan = CAST(x'ff41' AS TEXT)", "Could not decode to UTF-8"),
        ("UPDATE machine SET usd_per_hour = 'lots'", "its usd_per_hour is 'lots'"),
        ("UPDATE machine SET usd_per_hour = 'NaN'", "its usd_per_hour is 'NaN'"),
        ("UPDATE machine SET usd_per_hour = '1e999'", "its usd_per_hour is '1e999'"),
        ("UPDATE machine SET state = 'X'", "its state is 'X'"),
        ("UPDATE shard SET started = 'x'", "the receipt of 0: Invalid isoformat"),
        ("UPDATE shard SET stages = 'x'", "the receipt of 0: not seconds by stage"),
        ("UPDATE shard SET stages = '[1]'", "the receipt of 0: not seconds by stage"),
        ("UPDATE shard SET earlier = '{}'", "the receipt of 0: not files of a receipt"),
        ("UPDATE shard SET tokens = 'many'", "the receipt of 0: its tokens is 'many'"),
        ("UPDATE shard SET worker = NULL", "the receipt of 0: its worker is None"),
        ("UPDATE progress SET tokens = 'many'", "its tokens is 'many'"),
        ("DROP TABLE event", "its column event.at is missing"),
        ("DROP TRIGGER shard_repeats", "its trigger shard_repeats is missing"),
        ("ALTER TABLE shard DROP COLUMN earlier", "its column shard.earlier is missing"),
        ("PRAGMA user_version = -3", "its layout is -3"),
        ("PRAGMA user_version = 1", "duplicate column name"),  # migrated in part, or its number was lost
        ("PRAGMA user_version = 0", "table run already exists"),
    ],
)
def test_damage_is_named_with_a_way_out(file: Path, statement: str, why: str) -> None:
    write(file, statement)
    before = file.read_bytes()
    with pytest.raises(Problem, match=why) as caught, Ledger.open(file) as ledger:
        every_read(ledger)
    assert str(file) in str(caught.value)
    assert "embedfleet ledger rebuild OUTPUT" in caught.value.hint
    assert len(file.read_bytes()) == len(before)


def test_a_damaged_run_is_not_in_the_way_of_another(file: Path) -> None:
    with Ledger.open(file) as ledger:
        create_run(ledger, "r2")
    write(file, "UPDATE run SET state = 'FLYING' WHERE id = 'r1'")
    with Ledger.open(file) as ledger:
        assert ledger.runs.find("r2").id == "r2"
        with pytest.raises(Problem, match="its state is 'FLYING'"):
            ledger.runs.find("r1")


def test_a_plan_that_is_no_json_costs_only_its_own_cold_starts(file: Path) -> None:
    write(file, "UPDATE run SET plan = '{'")
    with Ledger.open(file) as ledger:
        assert ledger.machines.cold_starts() == []


@pytest.mark.parametrize(
    ("place", "why"),
    [
        (os.mkdir, "is not a file"),
        (os.mkfifo, "is not a file"),
        (no_database, "file is not a database"),
    ],
)
def test_what_is_no_ledger_is_refused(path: Path, place: Callable[[Path], object], why: str) -> None:
    path.parent.mkdir()
    place(path)
    with pytest.raises(Problem, match=why):
        Ledger.open(path)


def test_tables_of_ones_own_are_no_damage(file: Path) -> None:
    write(file, "CREATE TABLE notes (text)", "ALTER TABLE run ADD COLUMN owner TEXT")
    with Ledger.open(file) as ledger:
        assert ledger.runs.find().id == "r1"
        assert ledger.machines.of_run("r1", {MachineState.INTENDED})
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
