"""The ledger, on real files and with real processes."""

import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import FrozenInstanceError, fields, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import product
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from launcher.errors import Problem
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import (
    MACHINE_MOVES,
    RUN_MOVES,
    LeaseOutcome,
    MachineState,
    MeasuredSpeed,
    ObservedLease,
    ObservedPrice,
    RunState,
)
from launcher.ledger.tables import SHARD as SHARD_TABLE
from launcher.ledger.upgrade import MIGRATIONS, upgrade
from tasks.protocol.receipt import Receipt
from tasks.protocol.shard import Shard, Slice

NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
SPAWN = multiprocessing.get_context("spawn")
HOSTILE = "a'b\"; DROP TABLE run; -- %s ? :x \x00 \n\u202e\U0001f409 é"


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def shard(position: int, tokens: int | None = 100) -> Shard:
    return Shard(f"{position:016x}", position, (Slice("a.jsonl", "1", "jsonl"),), 1_000, tokens)


def receipt(position: int, run: str = "r1") -> Receipt:
    return Receipt(
        run=run,
        shard=f"{position:016x}",
        position=position,
        worker="r1-w0-1",
        generation=2,
        nonce="n" * 32,
        key=f"data/{position:016x}-1.parquet",
        digest="d" * 64,
        output_bytes=50,
        input_bytes=1_000,
        documents=3,
        chunks=4,
        tokens=90,
        tokens_cut=7,
        failed_rows=1,
        quarantine=f"quarantine/{position:016x}.jsonl",
        started=later(position),
        finished=later(position + 2.5),
        stages={"read": 0.1, "embed": 1 / 3},
        fault="its file changed" if position == 0 else None,
    )


def start(ledger: Ledger, run: str = "r1", now: datetime = NOON) -> None:
    ledger.runs.create(run, "reviews", '{"usd": "1"}', "digest-1", "out", now)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "ledger.db"


@pytest.fixture
def empty(path: Path) -> Iterator[Ledger]:
    with Ledger.open(path) as ledger:
        yield ledger


@pytest.fixture
def ledger(empty: Ledger) -> Ledger:
    start(empty)
    return empty


@pytest.fixture
def fleet(ledger: Ledger) -> Ledger:
    """A run with one intended machine, r1-w0-1."""
    ledger.machines.intend("r1", "r1-w0-1", 0, Decimal("0.10"), NOON)
    return ledger


# Runs


def test_a_run_is_read_back_as_it_was_written(ledger: Ledger) -> None:
    run = ledger.runs.get("r1")
    assert run is not None
    assert (run.name, run.plan, run.plan_digest, run.output) == ("reviews", '{"usd": "1"}', "digest-1", "out")
    assert (run.place, run.state, run.created, run.changed) == ("local", RunState.PLANNED, NOON, NOON)


def test_what_the_ledger_returns_cannot_be_changed(ledger: Ledger) -> None:
    with pytest.raises(FrozenInstanceError):
        ledger.runs.find().name = "other"  # pyright: ignore[reportAttributeAccessIssue] # the point


def test_creating_a_run_twice_makes_one(empty: Ledger) -> None:
    assert empty.runs.create("r1", "reviews", "{}", "digest-1", "out", NOON)
    assert not empty.runs.create("r1", "reviews", "{}", "digest-1", "out", later(9))
    assert [run.created for run in empty.runs.all()] == [NOON]


def test_a_run_is_not_replaced_by_one_with_another_plan(ledger: Ledger) -> None:
    with pytest.raises(Problem, match="r1 exists with another plan: its digest is digest-1, not digest-2"):
        ledger.runs.create("r1", "reviews", "{}", "digest-2", "out", NOON)


def test_an_unknown_run_is_none(ledger: Ledger) -> None:
    assert ledger.runs.get("r2") is None


def test_runs_come_newest_first(ledger: Ledger) -> None:
    start(ledger, "older", later(-1))
    start(ledger, "same-moment-but-later-written")
    assert [run.id for run in ledger.runs.all()] == ["same-moment-but-later-written", "r1", "older"]


def test_without_a_name_the_newest_run_is_found(ledger: Ledger) -> None:
    start(ledger, "r2", later(1))
    assert ledger.runs.find().id == "r2"


def test_the_beginning_of_an_id_is_enough(ledger: Ledger) -> None:
    start(ledger, "s-1")
    assert ledger.runs.find("s").id == "s-1"


def test_a_whole_id_is_found_although_another_begins_with_it(ledger: Ledger) -> None:
    start(ledger, "r12")
    assert ledger.runs.find("r1").id == "r1"


def test_a_beginning_that_two_runs_share_is_refused_with_both(ledger: Ledger) -> None:
    start(ledger, "r2")
    with pytest.raises(Problem, match="2 runs begin with 'r'") as caught:
        ledger.runs.find("r")
    assert "r1" in caught.value.hint
    assert "r2" in caught.value.hint


def test_a_misspelt_run_is_refused_with_the_nearest(ledger: Ledger) -> None:
    start(ledger, "reviews-2026")
    with pytest.raises(Problem, match="no run of 2 begins with 'revews-2026'") as caught:
        ledger.runs.find("revews-2026")
    assert caught.value.hint == "name one of: reviews-2026"


def test_a_ledger_without_runs_says_so(empty: Ledger) -> None:
    with pytest.raises(Problem, match="no run in this ledger yet"):
        empty.runs.find()


@pytest.mark.parametrize(("before", "after"), list(product(RunState, RunState)))
def test_a_run_makes_the_moves_of_the_table_and_no_others(
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


def test_the_state_of_an_unknown_run_cannot_be_set(ledger: Ledger) -> None:
    with pytest.raises(Problem, match="run r2 is not in this ledger"):
        ledger.runs.set_state("r2", RunState.RUNNING, NOON)


# Shards, receipts, progress


def test_shards_come_back_in_the_order_of_the_manifest(ledger: Ledger) -> None:
    ledger.shards.add("r1", [shard(2), shard(0), shard(1, tokens=None)])
    assert [(s.position, s.tokens_expected, s.state) for s in ledger.shards.of_run("r1")] == [
        (0, 100, "WAITING"),
        (1, None, "WAITING"),
        (2, 100, "WAITING"),
    ]


def test_shards_added_twice_are_added_once(ledger: Ledger) -> None:
    assert ledger.shards.add("r1", [shard(0), shard(1)]) == 2
    assert ledger.shards.add("r1", [shard(1), shard(2)]) == 1
    assert ledger.shards.progress("r1").shards == 3


def test_shards_are_taken_from_a_stream_in_more_than_one_batch(ledger: Ledger) -> None:
    assert ledger.shards.add("r1", (shard(n) for n in range(20_001))) == 20_001


def test_shards_of_an_unknown_run_are_refused(ledger: Ledger) -> None:
    with pytest.raises(Exception, match="FOREIGN KEY constraint failed"):
        ledger.shards.add("r2", [shard(0)])


def test_reading_shards_halfway_keeps_nobody_from_writing(ledger: Ledger) -> None:
    ledger.shards.add("r1", map(shard, range(10)))
    reading = ledger.shards.of_run("r1")
    next(reading)
    assert ledger.shards.record_receipts("r1", [receipt(5)]) == 1
    assert [s.state for s in reading] == ["WAITING"] * 9  # one moment of the ledger


def test_receipts_come_back_exactly(ledger: Ledger) -> None:
    ledger.shards.add("r1", map(shard, range(3)))
    ledger.shards.record_receipts("r1", [receipt(2), receipt(0)])
    assert ledger.shards.receipts("r1") == [receipt(0), receipt(2)]


def test_every_field_of_a_receipt_is_kept() -> None:
    assert {"shard" if name == "id" else name for name in SHARD_TABLE.columns} >= {  # not a dict
        field.name for field in fields(Receipt)
    }


def test_a_receipt_recorded_again_changes_nothing(ledger: Ledger) -> None:
    ledger.shards.add("r1", map(shard, range(3)))
    assert ledger.shards.record_receipts("r1", [receipt(0), receipt(0)]) == 1
    before = ledger.shards.progress("r1")
    assert ledger.shards.record_receipts("r1", [receipt(0)]) == 0
    assert ledger.shards.progress("r1") == before


def test_the_first_receipt_of_a_shard_stays(ledger: Ledger) -> None:
    ledger.shards.add("r1", [shard(0)])
    ledger.shards.record_receipts("r1", [receipt(0)])
    assert ledger.shards.record_receipts("r1", [replace(receipt(0), key="data/other.parquet")]) == 0
    assert ledger.shards.receipts("r1") == [receipt(0)]


def test_a_receipt_of_a_shard_that_the_run_lacks_is_refused_with_all_beside_it(ledger: Ledger) -> None:
    ledger.shards.add("r1", [shard(0)])
    with pytest.raises(Problem, match=r"1 of 2 receipts are of shards that are not in run r1, such as 0+9"):
        ledger.shards.record_receipts("r1", [receipt(0), receipt(9)])
    assert ledger.shards.receipts("r1") == []


def test_a_receipt_of_another_run_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="a receipt of run r2 came to run r1"):
        ledger.shards.record_receipts("r1", [receipt(0, run="r2")])


def test_no_receipts_are_no_work(ledger: Ledger) -> None:
    assert ledger.shards.record_receipts("r1", []) == 0


def test_progress_adds_up(ledger: Ledger) -> None:
    ledger.shards.add("r1", map(shard, range(10)))
    ledger.shards.record_receipts("r1", [receipt(7), receipt(3), receipt(5)])
    progress = ledger.shards.progress("r1")
    assert (progress.shards, progress.shards_done, progress.bytes) == (10, 3, 10_000)
    assert (progress.documents, progress.chunks, progress.failed_rows) == (9, 12, 3)
    assert (progress.tokens, progress.tokens_cut, progress.tokens_expected) == (270, 21, 1_000)
    assert (progress.input_bytes, progress.output_bytes) == (3_000, 150)
    assert (progress.first_started, progress.last_finished) == (later(3), later(9.5))


def test_progress_of_a_run_that_has_not_begun_has_no_times(ledger: Ledger) -> None:
    progress = ledger.shards.progress("r1")
    assert (progress.shards, progress.first_started, progress.last_finished) == (0, None, None)


def test_tokens_are_unknown_in_all_when_those_of_one_shard_are(ledger: Ledger) -> None:
    ledger.shards.add("r1", [shard(0), shard(1, tokens=None)])
    assert ledger.shards.progress("r1").tokens_expected is None


def test_progress_counts_the_shards_of_its_own_run(ledger: Ledger) -> None:
    start(ledger, "r2")
    ledger.shards.add("r1", [shard(0)])
    ledger.shards.add("r2", [shard(0), shard(1)])
    ledger.shards.record_receipts("r2", [receipt(0, run="r2")])
    assert (ledger.shards.progress("r1").shards, ledger.shards.progress("r1").shards_done) == (1, 0)


def test_progress_of_an_unknown_run_is_a_problem(ledger: Ledger) -> None:
    with pytest.raises(Problem, match="run r2 is not in this ledger"):
        ledger.shards.progress("r2")


# Leases

HELD = ObservedLease("0" * 16, 1, "r1-w0-1", NOON, later(5))


@pytest.fixture
def leased(ledger: Ledger) -> Ledger:
    """A run with three shards, the first of them held."""
    ledger.shards.add("r1", map(shard, range(3)))
    ledger.shards.record_leases("r1", [HELD])
    return ledger


def test_a_lease_is_read_back_as_it_was_seen(leased: Ledger) -> None:
    assert leased.shards.leases("r1") == [HELD]


@pytest.mark.parametrize("outcome", [LeaseOutcome.DONE, LeaseOutcome.LOST, LeaseOutcome.RETURNED])
def test_a_held_lease_ends(leased: Ledger, outcome: LeaseOutcome) -> None:
    ended = replace(HELD, last_seen=later(8), ended=later(8), outcome=outcome)
    leased.shards.record_leases("r1", [ended])
    assert leased.shards.leases("r1") == [ended]


def test_what_was_seen_earlier_does_not_undo_what_was_seen_later(leased: Ledger) -> None:
    lost = replace(HELD, last_seen=later(8), ended=later(8), outcome=LeaseOutcome.LOST)
    leased.shards.record_leases("r1", [lost])
    leased.shards.record_leases("r1", [HELD])
    assert leased.shards.leases("r1") == [lost]


def test_a_slow_worker_that_renews_has_not_lost_its_lease(leased: Ledger) -> None:
    leased.shards.record_leases("r1", [replace(HELD, ended=later(8), outcome=LeaseOutcome.LOST)])
    leased.shards.record_leases("r1", [replace(HELD, last_seen=later(9))])
    assert leased.shards.leases("r1") == [replace(HELD, last_seen=later(9))]


def test_a_lease_that_gave_a_receipt_stays_done(leased: Ledger) -> None:
    done = replace(HELD, ended=later(6), outcome=LeaseOutcome.DONE)
    leased.shards.record_leases("r1", [done])
    leased.shards.record_leases(
        "r1", [replace(HELD, last_seen=later(60), ended=later(60), outcome=LeaseOutcome.LOST)]
    )
    assert leased.shards.leases("r1") == [done]


def test_held_leases_come_longest_unseen_first(leased: Ledger) -> None:
    second = ObservedLease(shard(1).id, 4, "r1-w1-1", NOON, later(1))
    lost = ObservedLease(shard(2).id, 1, "r1-w1-1", NOON, later(1), later(2), LeaseOutcome.LOST)
    leased.shards.record_leases("r1", [second, lost])
    assert leased.shards.held_leases("r1") == [second, HELD]


def test_held_leases_are_found_by_the_partial_index(leased: Ledger) -> None:
    with leased.database.reading() as connection:
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM lease WHERE run = ? AND outcome = 'HELD' ORDER BY last_seen",
            ("r1",),
        ).all()
    assert [row.detail for row in plan] == ["SEARCH lease USING INDEX lease_held (run=?)"]


# Machines, prices, speeds, events


def test_a_machine_lives_from_intent_to_end(fleet: Ledger) -> None:
    fleet.machines.confirm("r1-w0-1", "4711:1795435200.25", later(1))
    fleet.machines.mark_ready("r1-w0-1", later(9))
    fleet.machines.mark_stopping("r1-w0-1", later(50))
    fleet.machines.end("r1-w0-1", MachineState.STOPPED, later(60), "drained", 0)
    (machine,) = fleet.machines.of_run("r1")
    assert (machine.slot, machine.place, machine.gpu) == (0, "local", "cpu")
    assert (machine.state, machine.handle) == (MachineState.STOPPED, "4711:1795435200.25")
    assert (machine.intended, machine.confirmed, machine.ready) == (NOON, later(1), later(9))
    assert (machine.stopping, machine.ended) == (later(50), later(60))
    assert (machine.reason, machine.exit_code) == ("drained", 0)


def test_intending_a_machine_twice_starts_one(fleet: Ledger) -> None:
    assert not fleet.machines.intend("r1", "r1-w0-1", 0, Decimal("9.99"), later(1))
    assert [machine.intended for machine in fleet.machines.of_run("r1")] == [NOON]


def test_machines_are_found_by_state(fleet: Ledger) -> None:
    fleet.machines.intend("r1", "r1-w1-1", 1, None, NOON)
    fleet.machines.confirm("r1-w1-1", "pod-1", NOON)
    assert [m.name for m in fleet.machines.of_run("r1", {MachineState.UP})] == ["r1-w1-1"]
    assert [m.name for m in fleet.machines.of_run("r1", set())] == []
    assert [m.name for m in fleet.machines.of_run("r1")] == ["r1-w0-1", "r1-w1-1"]


def test_a_machine_confirmed_again_is_the_same_machine(fleet: Ledger) -> None:
    fleet.machines.confirm("r1-w0-1", "pod-1", later(1))
    fleet.machines.confirm("r1-w0-1", "pod-1", later(2))
    assert fleet.machines.of_run("r1")[0].confirmed == later(1)


def test_two_machines_under_one_name_are_a_problem(fleet: Ledger) -> None:
    fleet.machines.confirm("r1-w0-1", "pod-1", NOON)
    with pytest.raises(Problem, match="r1-w0-1 runs as pod-1 and was started again as pod-2"):
        fleet.machines.confirm("r1-w0-1", "pod-2", NOON)


def test_the_first_ready_counts(fleet: Ledger) -> None:
    fleet.machines.mark_ready("r1-w0-1", later(1))
    fleet.machines.mark_ready("r1-w0-1", later(2))
    assert fleet.machines.of_run("r1")[0].ready == later(1)


def test_an_unknown_machine_is_refused(fleet: Ledger) -> None:
    with pytest.raises(ValueError, match="machine r1-w9-1 was never intended"):
        fleet.machines.mark_ready("r1-w9-1", NOON)
    with pytest.raises(ValueError, match="machine r1-w9-1 was never intended"):
        fleet.machines.end("r1-w9-1", MachineState.LOST, NOON, "gone")


@pytest.mark.parametrize(
    ("before", "after"),
    [(b, a) for b, a in product(MachineState, MachineState) if a > "INTENDED" and a != "UP"],
)
def test_a_machine_ends_as_the_table_says(fleet: Ledger, before: MachineState, after: MachineState) -> None:
    with fleet.database.writing() as connection:
        connection.execute("UPDATE machine SET state = ?", (before.value,))
    if before == after or (before, after) in MACHINE_MOVES:
        fleet.machines.end("r1-w0-1", after, NOON, "why")
        assert fleet.machines.of_run("r1")[0].state == after
    else:
        with pytest.raises(ValueError, match=f"machine r1-w0-1 is {before} and cannot become {after}"):
            fleet.machines.end("r1-w0-1", after, NOON, "why")


@pytest.mark.parametrize(
    "usd", ["0.1", "0.10", "1234567890.123456789012345678901234567890", "1E-30", "0", "2.0000000000000001"]
)
def test_money_comes_back_to_the_last_digit(fleet: Ledger, usd: str) -> None:
    fleet.costs.record_prices([ObservedPrice("r1-w0-1", NOON, "catalog", Decimal(usd))])
    fleet.machines.intend("r1", "r1-w1-1", 1, Decimal(usd), NOON)
    assert str(fleet.costs.prices("r1")[0].usd_per_hour) == usd
    assert str(fleet.machines.of_run("r1")[1].usd_per_hour) == usd


def test_an_unknown_price_is_none_and_not_zero(ledger: Ledger) -> None:
    ledger.machines.intend("r1", "r1-w0-1", 0, None, NOON)
    assert ledger.machines.of_run("r1")[0].usd_per_hour is None


@pytest.mark.parametrize("usd", [0.1, 1, "0.1", Decimal("NaN"), Decimal("Infinity")])
def test_money_that_is_not_a_finite_decimal_is_refused(fleet: Ledger, usd: Decimal) -> None:
    with pytest.raises(TypeError, match="money is a finite Decimal, not"):
        fleet.costs.record_prices([ObservedPrice("r1-w0-1", NOON, "catalog", usd)])


def test_prices_are_those_of_the_run_and_the_oldest_first(fleet: Ledger) -> None:
    start(fleet, "r2")
    fleet.machines.intend("r2", "r2-w0-1", 0, None, NOON)
    for machine, seconds in (("r1-w0-1", 9), ("r2-w0-1", 1), ("r1-w0-1", 2)):
        fleet.costs.record_prices([ObservedPrice(machine, later(seconds), "catalog", Decimal(seconds))])
    assert [price.usd_per_hour for price in fleet.costs.prices("r1")] == [2, 9]


def test_a_price_seen_twice_is_one(fleet: Ledger) -> None:
    fleet.costs.record_prices([ObservedPrice("r1-w0-1", NOON, "catalog", Decimal(1))])
    fleet.costs.record_prices([ObservedPrice("r1-w0-1", NOON, "catalog", Decimal(2))])
    assert [price.usd_per_hour for price in fleet.costs.prices("r1")] == [2]


SPEED = MeasuredSpeed(
    "minilm", "L4", "torch", 90.5, 100.0, 120.25, "run r1", NOON, {"texts": 400, "mix": [[1, 2]]}
)


def test_a_speed_is_read_back_as_it_was_measured(empty: Ledger) -> None:
    empty.speeds.record(SPEED)
    empty.speeds.record(SPEED)
    assert empty.speeds.matching() == [SPEED]


def test_speeds_are_asked_by_what_they_are_of_and_the_newest_comes_first(empty: Ledger) -> None:
    newer, other = replace(SPEED, at=later(1)), replace(SPEED, gpu="H100")
    for speed in (SPEED, newer, other):
        empty.speeds.record(speed)
    assert empty.speeds.matching(model="minilm", gpu="L4", engine="torch") == [newer, SPEED]
    assert empty.speeds.matching(gpu="H100") == [other]
    assert empty.speeds.matching(engine="vllm") == []


def test_events_go_on_where_one_stopped_reading(ledger: Ledger) -> None:
    start(ledger, "r2")
    ledger.runs.record_event("r1", "launch", "two workers", NOON)
    ledger.runs.record_event("r2", "launch", "elsewhere", NOON)
    first = ledger.runs.events("r1")
    ledger.runs.record_event("r1", "lost", "worker 0", later(1))
    (second,) = ledger.runs.events("r1", after=first[-1].id)
    assert [(e.kind, e.text, e.at) for e in (*first, second)] == [
        ("launch", "two workers", NOON),
        ("lost", "worker 0", later(1)),
    ]


# Times and texts


def test_times_come_back_aware_and_in_utc(ledger: Ledger) -> None:
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    ledger.runs.create("r2", "r2", "{}", "d", "out", tokyo)
    ledger.shards.add("r2", [shard(0)])
    ledger.shards.record_receipts("r2", [replace(receipt(0, run="r2"), started=tokyo)])
    run, (done,) = ledger.runs.find("r2"), ledger.shards.receipts("r2")
    assert (run.created, run.created.tzinfo) == (NOON, UTC)
    assert (done.started, done.started.tzinfo) == (NOON, UTC)


def test_a_time_without_a_zone_is_refused(ledger: Ledger) -> None:
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(ValueError, match="must have timezone information"):
        ledger.runs.record_event("r1", "launch", "", naive)
    with pytest.raises(ValueError, match="has no zone"):
        ledger.shards.record_leases("r1", [replace(HELD, last_seen=naive)])
    with pytest.raises(ValueError, match="has no zone"):
        ledger.shards.record_receipts("r1", [replace(receipt(0), finished=naive)])


def test_any_text_comes_back_as_it_was(empty: Ledger) -> None:
    empty.runs.create(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, NOON)
    empty.machines.intend(HOSTILE, HOSTILE + "-w0", 0, None, NOON)
    empty.machines.confirm(HOSTILE + "-w0", HOSTILE, NOON)
    empty.runs.record_event(HOSTILE, HOSTILE, HOSTILE, NOON)
    empty.shards.add(HOSTILE, [replace(shard(0), id=HOSTILE)])
    done = replace(receipt(0), run=HOSTILE, shard=HOSTILE, worker=HOSTILE, stages={HOSTILE: 1.0})
    empty.shards.record_receipts(HOSTILE, [done])
    run, (machine,), (event,) = (
        empty.runs.find(HOSTILE),
        empty.machines.of_run(HOSTILE),
        empty.runs.events(HOSTILE),
    )
    assert {run.id, run.name, run.plan, run.output, machine.handle, event.kind, event.text} == {HOSTILE}
    assert empty.shards.receipts(HOSTILE) == [done]


def test_a_file_name_that_is_not_utf8_can_be_noted(ledger: Ledger) -> None:
    ledger.runs.record_event("r1", "unreadable", os.fsdecode(b"caf\xe9.txt"), NOON)
    assert ledger.runs.events("r1")[0].text == "caf\\udce9.txt"


# The file


def test_the_ledger_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "a?b#c%20 'd'" / "é.db"
    with Ledger.open(path) as ledger:
        start(ledger)
    with Ledger.open(path) as ledger:
        assert ledger.runs.find().id == "r1"


def test_a_closed_ledger_is_one_file(path: Path) -> None:
    with Ledger.open(path) as ledger:
        start(ledger)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_connections_are_set_for_many_writers(ledger: Ledger) -> None:
    with ledger.database.reading() as connection:
        settings = [
            connection.execute(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert settings == ["wal", 1, 1, 30_000]


def columns(path: Path) -> dict[str, list[tuple[str, int, int]]]:
    """Name, whether it must have a value, whether it is of the key; by table."""
    question = 'SELECT name, "notnull", pk > 0 FROM pragma_table_info(?) ORDER BY name'
    with closing(sqlite3.connect(path)) as connection:
        return {t: connection.execute(question, (t,)).fetchall() for t in SQLModel.metadata.tables}


def test_the_migrated_file_and_the_tables_agree(path: Path, tmp_path: Path) -> None:
    Ledger.open(path).close()
    with Ledger(tmp_path / "modelled.db") as modelled, modelled.database.writing() as connection:
        SQLModel.metadata.create_all(connection)
    assert columns(path) == columns(tmp_path / "modelled.db")


def table_names(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def number(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


def migrate(path: Path, *more: tuple[str, ...]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        upgrade(connection, path, (*MIGRATIONS, *more))


def test_an_empty_file_becomes_a_ledger(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    Ledger.open(path).close()
    assert number(path) == len(MIGRATIONS)
    assert "shard" in table_names(path)


def test_an_older_ledger_is_brought_forward_and_keeps_what_it_holds(path: Path) -> None:
    with Ledger.open(path) as ledger:
        start(ledger)
    migrate(path, ("ALTER TABLE run ADD COLUMN owner TEXT",), ("UPDATE run SET owner = 'me'",))
    assert number(path) == len(MIGRATIONS) + 2
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id, owner FROM run").fetchall() == [("r1", "me")]


def test_a_step_forward_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    Ledger.open(path).close()
    with pytest.raises(sqlite3.OperationalError, match="no such table: absent"):
        migrate(path, ("CREATE TABLE more (id)",), ("DROP TABLE absent",))
    assert number(path) == len(MIGRATIONS)
    assert "more" not in table_names(path)


def test_a_newer_ledger_is_not_touched(path: Path) -> None:
    Ledger.open(path).close()
    migrate(path, ("CREATE TABLE more (id)",))
    with pytest.raises(
        Problem, match=f"its layout is {len(MIGRATIONS) + 1}, this one knows {len(MIGRATIONS)}"
    ) as caught:
        Ledger.open(path)
    assert caught.value.hint == "pip install --upgrade embedfleet"


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("name: reviews\n" * 100)
    with pytest.raises(Problem, match="is not a ledger: file is not a database"):
        Ledger.open(path)
    assert path.read_text() == "name: reviews\n" * 100


def test_the_database_of_another_program_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    with pytest.raises(Problem, match="is a database of another program, with 1 tables"):
        Ledger.open(path)
    assert table_names(path) == {"bookmarks"}


def test_a_damaged_ledger_is_a_problem(path: Path) -> None:
    with Ledger.open(path) as ledger:
        start(ledger)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(Problem, match="is not a ledger: database disk image is malformed"):
        Ledger.open(path)


def test_a_folder_cannot_be_made_inside_a_file(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(Problem, match=r"the ledger's folder .*runs/deep cannot be made"):
        Ledger.open(tmp_path / "runs" / "deep" / "ledger.db")


@pytest.fixture
def guarded() -> Iterator[Path]:
    """A folder that may be read and not written; for root too, who becomes nobody for the test."""
    with TemporaryDirectory() as folder:
        with Ledger.open(Path(folder) / "ledger.db") as ledger:
            start(ledger)
        Path(folder).chmod(0o555)
        me = os.geteuid()
        if me == 0:
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(me)
            Path(folder).chmod(0o700)


@pytest.mark.parametrize("name", ["ledger.db", "new.db", "deep/ledger.db"])
def test_a_folder_that_may_not_be_written_is_a_problem(guarded: Path, name: str) -> None:
    with pytest.raises(Problem, match="cannot be") as caught, Ledger.open(guarded / name) as ledger:
        start(ledger, "r2")
    assert "writ" in caught.value.hint


def test_a_full_disk_is_a_problem_and_loses_nothing_recorded(ledger: Ledger) -> None:
    ledger.shards.add("r1", map(shard, range(10)))
    with ledger.database.reading() as connection:
        connection.execute("PRAGMA max_page_count = 40")
    with pytest.raises(Problem, match=r"of \d+ MiB cannot grow: .* full, with [\d,]+ MiB free") as caught:
        ledger.shards.add("r1", map(shard, range(5_000)))
    assert "nothing recorded before is lost" in caught.value.hint
    assert ledger.shards.progress("r1").shards == 10


def test_a_writer_that_never_ends_is_a_problem(ledger: Ledger, path: Path) -> None:
    with ledger.database.writing(), Ledger.open(path) as other:
        with other.database.reading() as connection:
            connection.execute("PRAGMA busy_timeout = 1")  # of 30 s, which is for people
        with pytest.raises(Problem, match="another process has held the ledger"):
            start(other, "r2")


# Many processes

SHARDS = 240
TURNS = 100


def take_turns(path: Path, worker: int) -> int:
    """Add one to the same number TURNS times, record overlapping receipts one by one, intend the same machine."""
    with Ledger.open(path) as ledger:
        for _ in range(TURNS):
            with ledger.database.writing() as connection:
                before = connection.execute("SELECT slot FROM machine WHERE name = 'counter'").scalar_one()
                connection.execute("UPDATE machine SET slot = ?", (before + 1,))
        mine = [receipt((n + worker * SHARDS // 6) % SHARDS) for n in range(SHARDS // 2)]
        return sum(ledger.shards.record_receipts("r1", [one]) for one in mine)


def open_and_create(path: Path, worker: int) -> bool:
    with Ledger.open(path) as ledger:
        start(ledger)
        return ledger.machines.intend("r1", "r1-w0-1", worker, None, NOON)


def test_processes_at_once_lose_no_update(path: Path) -> None:
    with Ledger.open(path) as ledger:
        start(ledger)
        ledger.shards.add("r1", map(shard, range(SHARDS)))
        ledger.machines.intend("r1", "counter", 0, None, NOON)
        with ProcessPoolExecutor(4, mp_context=SPAWN) as pool:
            newly = list(pool.map(take_turns, [path] * 4, range(4)))
        assert ledger.machines.of_run("r1")[0].slot == 4 * TURNS
        assert sum(newly) == SHARDS
        assert ledger.shards.progress("r1").shards_done == SHARDS
        assert ledger.shards.progress("r1").tokens == SHARDS * 90


def test_processes_that_open_a_new_ledger_at_once_make_one(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3, mp_context=SPAWN) as pool:
        for attempt in range(10):
            path = tmp_path / f"{attempt}.db"
            assert sum(pool.map(open_and_create, [path] * 3, range(3))) == 1


def stop_inside(path: Path, tell: Pipe) -> None:
    """Half of a transaction, larger than what SQLite keeps in memory, so that some of it is in the file."""
    with Ledger.open(path) as ledger, ledger.database.writing() as connection:
        connection.execute("PRAGMA cache_size = 2")
        for _ in range(500):
            connection.execute(
                "INSERT INTO event (run, at, kind, text) VALUES ('r1', '', '', ?)", ("x" * 999,)
            )
        tell.send((path.parent / "ledger.db-wal").stat().st_size)
        signal.pause()


def record_until_killed(path: Path, tell: Pipe) -> None:
    with Ledger.open(path) as ledger:
        for n in range(SHARDS):
            ledger.shards.record_receipts("r1", [receipt(n)])
            tell.send(n)
        signal.pause()


@contextmanager
def child(work: Callable[[Path, Pipe], None], path: Path) -> Generator[Pipe]:
    """A process at work, killed at the end; what it tells comes out of the pipe."""
    hear, tell = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=work, args=(path, tell))
    process.start()
    tell.close()  # here: when the process dies, hearing ends
    with hear:
        yield hear
        process.kill()
        process.join()


def whole(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_process_killed_inside_a_transaction_leaves_the_ledger_as_it_was(
    ledger: Ledger, path: Path
) -> None:
    with child(stop_inside, path) as hear:
        assert hear.recv() > 100_000  # bytes of it lie in the write-ahead log
    assert ledger.runs.events("r1") == []
    ledger.runs.record_event("r1", "resume", "nobody holds the lock", NOON)
    assert whole(path)


def test_what_a_killed_process_had_recorded_stays(ledger: Ledger, path: Path) -> None:
    ledger.shards.add("r1", map(shard, range(SHARDS)))
    with child(record_until_killed, path) as hear:
        while hear.recv() < SHARDS // 2:
            pass
    told = SHARDS // 2 + 1
    done = ledger.shards.receipts("r1")
    assert done[:told] == [receipt(n) for n in range(told)]
    assert ledger.shards.progress("r1").shards_done == len(done)
    assert whole(path)
