"""Notes and tags of runs, and runs that are removed with all that is about them."""

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.errors import Problem
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Charge, MachineState, RunState
from launcher.ledger.tables import TABLES
from tests.support.ledger_values import NOON, ask, course, create_run, decision, later, receipt, shard


def test_notes_are_kept_in_their_order(ledger: Ledger) -> None:
    create_run(ledger)
    ledger.notes.add("r1", "first", NOON)
    ledger.notes.add("r1", "second", later(5))
    assert [(note.at, note.text) for note in ledger.notes.of_run("r1")] == [
        (NOON, "first"),
        (later(5), "second"),
    ]
    assert ledger.notes.of_run("r2") == []


def test_a_tag_has_one_value_and_an_empty_one_removes_it(ledger: Ledger) -> None:
    create_run(ledger)
    ledger.notes.set_tags("r1", {"team": "search", "env": "dev"})
    ledger.notes.set_tags("r1", {"team": "ads", "env": ""})
    assert ledger.notes.tags("r1") == {"team": "ads"}


def test_a_removed_run_leaves_no_row_and_other_runs_stay(ledger: Ledger, path: Path) -> None:
    for run in ("r1", "r2"):
        create_run(ledger, run)
        ledger.shards.add(run, [shard(1)])
        ledger.shards.record_receipts(run, [receipt(1, run)])
        ledger.machines.intend(run, f"{run}-w0", 0, Decimal(1), NOON)
        ledger.machines.confirm(f"{run}-w0", "1:w", NOON)
        ledger.machines.end(f"{run}-w0", MachineState.STOPPED, later(9), "done")
        ledger.costs.record_charge(run, Charge("egress-1", "egress", NOON, 1.0, "GB", Decimal(1)))
        ledger.costs.set_budget(run, Decimal(9), NOON)
        ledger.notes.add(run, "a note", NOON)
        ledger.notes.set_tags(run, {"a": "b"})
        ledger.runs.record_event(run, "launched", "", NOON)
        ledger.steering.set_deadline(run, later(60), NOON)
        ledger.steering.record_asks(run, [ask(f"{run}-w0")])
        ledger.steering.record_course(run, course(), [decision()])
        ledger.runs.set_state(run, RunState.RUNNING, NOON)
        ledger.runs.set_state(run, RunState.DONE, NOON)
    ledger.runs.remove("r1")
    ledger.close()
    with closing(sqlite3.connect(path)) as connection:
        for table in TABLES:
            columns = set(table.columns)
            key = "run" if "run" in columns else "machine" if "machine" in columns else "id"
            if table.name in ("speed", "life", "price", "quote"):
                continue
            rows = [str(row[0]) for row in connection.execute(f'SELECT "{key}" FROM "{table.name}"')]
            assert not [row for row in rows if row.startswith("r1")], table.name
    with Ledger.open(path) as again:
        assert again.runs.find().id == "r2"
        assert again.notes.tags("r2") == {"a": "b"}


def test_a_run_that_goes_on_is_not_removed(ledger: Ledger) -> None:
    create_run(ledger)
    ledger.runs.set_state("r1", RunState.RUNNING, NOON)
    with pytest.raises(Problem, match="run r1 is running"):
        ledger.runs.remove("r1")


def test_a_run_whose_machines_may_be_up_is_not_removed(ledger: Ledger) -> None:
    create_run(ledger)
    ledger.machines.intend("r1", "r1-w0", 0, None, NOON)
    with pytest.raises(Problem, match="with 1 machines or workers that may be up") as caught:
        ledger.runs.remove("r1")
    assert caught.value.hint == "embedfleet down r1, then the same again"


def test_an_unknown_run_is_refused(ledger: Ledger) -> None:
    with pytest.raises(Problem, match="run r9 is not in this ledger"):
        ledger.runs.remove("r9")
