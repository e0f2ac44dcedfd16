"""Runs: created once, found by a prefix, moved by the table of states, with a history of events."""

import os
from dataclasses import FrozenInstanceError
from itertools import product

import pytest

from launcher.errors import Problem
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import RUN_MOVES, RunState
from tests.support.ledger_values import NOON, create_run, later


def test_run_is_read_back_as_written(ledger: Ledger) -> None:
    run = ledger.runs.get("r1")
    assert run is not None
    assert (run.name, run.plan, run.plan_digest, run.output) == ("reviews", '{"usd": "1"}', "digest-1", "out")
    assert (run.place, run.state, run.created, run.changed) == ("local", RunState.PLANNED, NOON, NOON)


def test_records_are_frozen(ledger: Ledger) -> None:
    with pytest.raises(FrozenInstanceError):
        ledger.runs.find().name = "other"  # pyright: ignore[reportAttributeAccessIssue] # the point


def test_creating_a_run_twice_makes_one(empty_ledger: Ledger) -> None:
    assert empty_ledger.runs.create("r1", "reviews", "{}", "digest-1", "out", NOON)
    assert not empty_ledger.runs.create("r1", "reviews", "{}", "digest-1", "out", later(9))
    assert [run.created for run in empty_ledger.runs.all()] == [NOON]


def test_same_id_with_another_plan_is_refused(ledger: Ledger) -> None:
    with pytest.raises(Problem, match="r1 exists with another plan: its digest is digest-1, not digest-2"):
        ledger.runs.create("r1", "reviews", "{}", "digest-2", "out", NOON)


def test_get_of_unknown_run_is_none(ledger: Ledger) -> None:
    assert ledger.runs.get("r2") is None


def test_all_runs_are_ordered_newest_first(ledger: Ledger) -> None:
    create_run(ledger, "older", later(-1))
    create_run(ledger, "same-moment-but-later-written")
    assert [run.id for run in ledger.runs.all()] == ["same-moment-but-later-written", "r1", "older"]


def test_find_without_prefix_returns_the_newest_run(ledger: Ledger) -> None:
    create_run(ledger, "r2", later(1))
    assert ledger.runs.find().id == "r2"


def test_find_accepts_a_prefix_of_the_id(ledger: Ledger) -> None:
    create_run(ledger, "s-1")
    assert ledger.runs.find("s").id == "s-1"


def test_find_prefers_the_exact_id_to_a_longer_one(ledger: Ledger) -> None:
    create_run(ledger, "r12")
    assert ledger.runs.find("r1").id == "r1"


def test_find_refuses_an_ambiguous_prefix_and_lists_the_runs(ledger: Ledger) -> None:
    create_run(ledger, "r2")
    with pytest.raises(Problem, match="2 runs begin with 'r'") as caught:
        ledger.runs.find("r")
    assert "r1" in caught.value.hint
    assert "r2" in caught.value.hint


def test_find_suggests_the_nearest_id_for_a_misspelt_one(ledger: Ledger) -> None:
    create_run(ledger, "reviews-2026")
    with pytest.raises(Problem, match="no run of 2 begins with 'revews-2026'") as caught:
        ledger.runs.find("revews-2026")
    assert caught.value.hint == "name one of: reviews-2026"


def test_find_in_an_empty_ledger_is_a_problem(empty_ledger: Ledger) -> None:
    with pytest.raises(Problem, match="no run in this ledger yet"):
        empty_ledger.runs.find()


@pytest.mark.parametrize(("before", "after"), list(product(RunState, RunState)))
def test_run_makes_the_moves_of_the_table_and_no_others(
    ledger: Ledger, before: RunState, after: RunState
) -> None:
    with ledger.database.writing() as connection:
        connection.execute("UPDATE run SET state = ?", (before.value,))
    if before == after or (before, after) in RUN_MOVES:
        ledger.runs.set_state("r1", after, later(1))
        assert ledger.runs.find().state == after
        assert ledger.runs.find().changed == (NOON if before == after else later(1))
    else:
        with pytest.raises(Problem, match=f"r1 is {before} and cannot become {after}"):
            ledger.runs.set_state("r1", after, later(1))
        assert ledger.runs.find().state == before


def test_set_state_of_unknown_run_is_a_problem(ledger: Ledger) -> None:
    with pytest.raises(Problem, match="run r2 is not in this ledger"):
        ledger.runs.set_state("r2", RunState.RUNNING, NOON)


def test_events_after_an_id_are_those_recorded_since(ledger: Ledger) -> None:
    create_run(ledger, "r2")
    ledger.runs.record_event("r1", "launch", "two workers", NOON)
    ledger.runs.record_event("r2", "launch", "elsewhere", NOON)
    first = ledger.runs.events("r1")
    ledger.runs.record_event("r1", "lost", "worker 0", later(1))
    (second,) = ledger.runs.events("r1", after=first[-1].id)
    assert [(e.kind, e.text, e.at) for e in (*first, second)] == [
        ("launch", "two workers", NOON),
        ("lost", "worker 0", later(1)),
    ]


def test_text_that_is_not_utf8_is_escaped(ledger: Ledger) -> None:
    ledger.runs.record_event("r1", "unreadable", os.fsdecode(b"caf\xe9.txt"), NOON)
    assert ledger.runs.events("r1")[0].text == "caf\\udce9.txt"
