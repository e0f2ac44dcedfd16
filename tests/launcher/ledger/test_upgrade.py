"""A ledger file of an older layout is upgraded, all migrations or none; other files are refused."""

import re
import sqlite3
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.errors import Problem
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import LeaseOutcome, LifeEnd, MachineState, RunState, Site
from launcher.ledger.upgrade import MIGRATIONS, load_migrations, statements, upgrade
from tests.support.ledger_values import NOON, create_run

LEDGERS = Path(__file__).parents[2] / "data" / "ledgers"
MADE = date(2026, 11, 28)  # when the ledgers there were made
STAGES = {"read", "tokenise", "engine", "write", "store"}


def table_names(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def number(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


def migrate(path: Path, *more: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        upgrade(connection, path, (*MIGRATIONS, *more))


def test_empty_file_becomes_a_ledger(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    Ledger.open(path).close()
    assert number(path) == len(MIGRATIONS)
    assert "shard" in table_names(path)


def test_older_ledger_is_upgraded_and_keeps_its_rows(path: Path) -> None:
    with Ledger.open(path) as ledger:
        create_run(ledger)
    migrate(path, "ALTER TABLE run ADD COLUMN owner TEXT;", "UPDATE run SET owner = 'me';")
    assert number(path) == len(MIGRATIONS) + 2
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id, owner FROM run").fetchall() == [("r1", "me")]


def test_failed_migration_leaves_the_file_unchanged(path: Path) -> None:
    Ledger.open(path).close()
    with pytest.raises(sqlite3.OperationalError, match="no such table: absent"):
        migrate(path, "CREATE TABLE more (id);\nDROP TABLE absent;")
    assert number(path) == len(MIGRATIONS)
    assert "more" not in table_names(path)


def test_newer_layout_is_refused(path: Path) -> None:
    Ledger.open(path).close()
    migrate(path, "CREATE TABLE more (id);")
    with pytest.raises(
        Problem, match=f"its layout is {len(MIGRATIONS) + 1}, this version knows {len(MIGRATIONS)}"
    ) as caught:
        Ledger.open(path)
    assert caught.value.hint == "pip install --upgrade embedfleet"


def test_database_of_another_program_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    with pytest.raises(Problem, match="is a database of another program, with 1 tables"):
        Ledger.open(path)
    assert table_names(path) == {"bookmarks"}


def schema(path: Path) -> list[tuple[str, str, str]]:
    """Kind, name and SQL of all that a file defines, white space aside."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE sql NOT NULL ORDER BY name"
        )
        return [(kind, name, re.sub(r"\s+", "", sql)) for kind, name, sql in found]


@pytest.fixture(params=[1, 2, 3, 4, 6], ids="layout {}".format)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[int, Path]:
    """The layout and the file of a ledger that an older version wrote."""
    layout, path = request.param, tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((LEDGERS / f"layout-{layout}.sql").read_text())
    return layout, path


def test_upgraded_ledger_has_the_schema_of_a_new_one(old: tuple[int, Path], tmp_path: Path) -> None:
    _, path = old
    Ledger.open(path).close()
    Ledger.open(tmp_path / "new.db").close()
    assert schema(path) == schema(tmp_path / "new.db")


def test_old_local_run_is_read(old: tuple[int, Path]) -> None:
    with Ledger.open(old[1]) as ledger:
        run = ledger.runs.find("reviews-")
        (machine,) = ledger.machines.of_run(run.id)
        (receipt,) = ledger.shards.receipts(run.id)
        progress = ledger.shards.progress(run.id)
        events = [event.kind for event in ledger.runs.events(run.id)]
    assert (run.state, run.output, run.created.date()) == (RunState.DONE, "/home/user/reviews/vectors", MADE)
    assert (machine.state, machine.usd_per_hour, machine.exit_code) == (
        MachineState.STOPPED,
        Decimal("0.05"),
        0,
    )
    assert (machine.site, machine.lot) == (Site("local"), None)
    assert (receipt.run, receipt.documents, receipt.tokens, receipt.failed_rows) == (run.id, 3, 24, 1)
    assert (receipt.earlier, receipt.tokens_repeated, receipt.stages.keys()) == ((), 0, STAGES)
    assert (progress.shards, progress.shards_done, progress.tokens_expected) == (1, 1, 24)
    assert events == ["launched", "done"]


def test_old_rented_run_is_read_and_goes_on(old: tuple[int, Path]) -> None:
    layout, path = old
    with Ledger.open(path) as ledger:
        run = ledger.runs.find("rented-1")
        (machine,) = ledger.machines.of_run(run.id)
        assert (machine.name, machine.state, machine.place) == (
            "rented-1-w0",
            MachineState.UP,
            "aws/us-east-1",
        )
        assert [lease.outcome for lease in ledger.shards.held_leases(run.id)] == [LeaseOutcome.HELD]
        assert ledger.shards.progress(run.id).tokens_expected is None
        assert ledger.costs.prices(run.id)[-1].usd_per_hour == Decimal("0.4500")
        assert [speed.mid for speed in ledger.speeds.matching(model="BAAI/bge-m3")] == [100.0]
        assert len(ledger.machines.lives(run.id)) == (0 if layout == 1 else 2)
        ledger.machines.end(machine.name, MachineState.STOPPED, NOON, "stopped")
        assert ledger.machines.of_run(run.id)[0].ended == NOON


@pytest.mark.parametrize("old", [2, 3, 4, 6], indirect=True)  # layout 1 has none of these tables
def test_old_costs_are_read(old: tuple[int, Path]) -> None:
    with Ledger.open(old[1]) as ledger:
        first, second = ledger.machines.lives("rented-1")
        (charge,) = ledger.costs.charges("rented-1")
        (notification,) = ledger.notifications.of_run("rented-1")
        assert ledger.costs.budget("rented-1") == 80
    assert (first.site.zone, first.how, second.usd_per_hour) == (
        "us-east-1a",
        LifeEnd.PREEMPTED,
        Decimal("0.40"),
    )
    assert (charge.usd, charge.machine) == (Decimal("0.09"), "rented-1-w0")
    assert (notification.tries, notification.sent is not None) == (1, True)


@pytest.mark.parametrize("old", [6], indirect=True)
def test_old_notes_and_outcomes_are_read(old: tuple[int, Path]) -> None:
    with Ledger.open(old[1]) as ledger:
        run = ledger.runs.find("reviews-")
        assert [note.text for note in ledger.notes.of_run(run.id)] == ["first run of the reviews"]
        assert ledger.notes.tags(run.id) == {"team": "search"}
        assert [one.usd for one in ledger.outcomes.all()] == [Decimal("0.001")]


def test_old_run_has_no_steering_and_takes_some(old: tuple[int, Path]) -> None:
    with Ledger.open(old[1]) as ledger:
        history = ledger.steering
        assert history.asks("rented-1") == []
        assert history.latest_course("rented-1") is None
        assert history.deadline("rented-1") is None
        history.set_deadline("rented-1", NOON, NOON)
        assert history.deadline("rented-1") == NOON


def test_script_is_split_at_statements_and_not_inside_a_trigger() -> None:
    trigger = (
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  UPDATE b SET n = 1; -- one;\n  DELETE FROM c;\nEND;\n"
    )
    script = f"-- a comment; with a semicolon\n\nCREATE TABLE a (\n  id\n);\n{trigger}DROP TABLE a;\n"
    assert list(statements(script)) == ["CREATE TABLE a (\n  id\n);\n", trigger, "DROP TABLE a;\n"]


def test_script_that_ends_inside_a_statement_is_refused() -> None:
    with pytest.raises(ValueError, match="ends inside a statement: CREATE TABLE a"):
        list(statements("CREATE TABLE a (id);\nCREATE TABLE a (\n"))


def test_gap_in_the_numbers_of_migrations_is_refused(tmp_path: Path) -> None:
    for name in ("0001_a.sql", "0003_c.sql"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match="without gaps"):
        load_migrations(tmp_path)
