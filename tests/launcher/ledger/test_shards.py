"""Shards of a run: added in batches, done by receipts, summed by triggers, with the leases observed on them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.errors import Problem
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import LeaseOutcome, ObservedLease
from tests.support.ledger_values import NOON, create_run, later, receipt, shard

HELD = ObservedLease("0" * 16, 1, "r1-w0-1", NOON, later(5))


def test_shards_are_read_in_the_order_of_the_manifest(ledger: Ledger) -> None:
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


def test_shards_of_a_generator_are_added_in_batches(ledger: Ledger) -> None:
    assert ledger.shards.add("r1", (shard(n) for n in range(20_001))) == 20_001


def test_shards_of_unknown_run_are_refused(ledger: Ledger) -> None:
    with pytest.raises(Exception, match="FOREIGN KEY constraint failed"):
        ledger.shards.add("r2", [shard(0)])


def test_unfinished_read_of_shards_blocks_no_writer_and_sees_one_snapshot(ledger: Ledger) -> None:
    ledger.shards.add("r1", map(shard, range(10)))
    reading = ledger.shards.of_run("r1")
    next(reading)
    assert ledger.shards.record_receipts("r1", [receipt(5)]) == 1
    assert [s.state for s in reading] == ["WAITING"] * 9  # one moment of the ledger


def test_receipts_are_read_back_exactly(ledger: Ledger) -> None:
    ledger.shards.add("r1", map(shard, range(3)))
    ledger.shards.record_receipts("r1", [receipt(2), receipt(0)])
    assert ledger.shards.receipts("r1") == [receipt(0), receipt(2)]


def test_start_of_a_worker_is_read_back_exactly(ledger: Ledger) -> None:
    ledger.shards.add("r1", map(shard, range(2)))
    first = replace(receipt(0), cold_start={"load": 12.5, "first_batch": 0.25, "a later stage": 1.0})
    ledger.shards.record_receipts("r1", [first, receipt(1)])
    assert ledger.shards.receipts("r1") == [first, receipt(1)]


def test_receipt_recorded_again_changes_nothing(ledger: Ledger) -> None:
    ledger.shards.add("r1", map(shard, range(3)))
    assert ledger.shards.record_receipts("r1", [receipt(0), receipt(0)]) == 1
    before = ledger.shards.progress("r1")
    assert ledger.shards.record_receipts("r1", [receipt(0)]) == 0
    assert ledger.shards.progress("r1") == before


def test_first_receipt_of_a_shard_stays(ledger: Ledger) -> None:
    ledger.shards.add("r1", [shard(0)])
    ledger.shards.record_receipts("r1", [receipt(0)])
    assert ledger.shards.record_receipts("r1", [replace(receipt(0), key="data/other.parquet")]) == 0
    assert ledger.shards.receipts("r1") == [receipt(0)]


def test_receipt_of_unknown_shard_refuses_the_whole_batch(ledger: Ledger) -> None:
    ledger.shards.add("r1", [shard(0)])
    with pytest.raises(Problem, match=r"1 of 2 receipts are of shards that are not in run r1, such as 0+9"):
        ledger.shards.record_receipts("r1", [receipt(0), receipt(9)])
    assert ledger.shards.receipts("r1") == []


def test_receipt_of_another_run_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="a receipt of run r2 came to run r1"):
        ledger.shards.record_receipts("r1", [receipt(0, run="r2")])


def test_recording_no_receipts_returns_zero(ledger: Ledger) -> None:
    assert ledger.shards.record_receipts("r1", []) == 0


def test_progress_is_the_sum_of_the_receipts(ledger: Ledger) -> None:
    ledger.shards.add("r1", map(shard, range(10)))
    ledger.shards.record_receipts("r1", [receipt(7), receipt(3), receipt(5)])
    progress = ledger.shards.progress("r1")
    assert (progress.shards, progress.shards_done, progress.bytes) == (10, 3, 10_000)
    assert (progress.documents, progress.chunks, progress.failed_rows) == (9, 12, 3)
    assert (progress.tokens, progress.tokens_cut, progress.tokens_expected) == (270, 21, 1_000)
    assert (progress.input_bytes, progress.output_bytes) == (3_000, 150)
    assert (progress.first_started, progress.last_finished) == (later(3), later(9.5))


def test_progress_before_the_first_receipt_has_no_times(ledger: Ledger) -> None:
    progress = ledger.shards.progress("r1")
    assert (progress.shards, progress.first_started, progress.last_finished) == (0, None, None)


def test_expected_tokens_are_unknown_when_one_shard_has_no_estimate(ledger: Ledger) -> None:
    ledger.shards.add("r1", [shard(0), shard(1, tokens=None)])
    assert ledger.shards.progress("r1").tokens_expected is None


def test_progress_counts_only_shards_of_its_run(ledger: Ledger) -> None:
    create_run(ledger, "r2")
    ledger.shards.add("r1", [shard(0)])
    ledger.shards.add("r2", [shard(0), shard(1)])
    ledger.shards.record_receipts("r2", [receipt(0, run="r2")])
    assert (ledger.shards.progress("r1").shards, ledger.shards.progress("r1").shards_done) == (1, 0)


def test_progress_of_unknown_run_is_a_problem(ledger: Ledger) -> None:
    with pytest.raises(Problem, match="run r2 is not in this ledger"):
        ledger.shards.progress("r2")


@pytest.fixture
def leased(ledger: Ledger) -> Ledger:
    """A run with three shards, the first of them held."""
    ledger.shards.add("r1", map(shard, range(3)))
    ledger.shards.record_leases("r1", [HELD])
    return ledger


def test_lease_is_read_back_as_observed(leased: Ledger) -> None:
    assert leased.shards.leases("r1") == [HELD]


@pytest.mark.parametrize("outcome", [LeaseOutcome.DONE, LeaseOutcome.LOST, LeaseOutcome.RETURNED])
def test_held_lease_ends(leased: Ledger, outcome: LeaseOutcome) -> None:
    ended = replace(HELD, last_seen=later(8), ended=later(8), outcome=outcome)
    leased.shards.record_leases("r1", [ended])
    assert leased.shards.leases("r1") == [ended]


def test_older_observation_of_a_lease_does_not_replace_a_newer_one(leased: Ledger) -> None:
    lost = replace(HELD, last_seen=later(8), ended=later(8), outcome=LeaseOutcome.LOST)
    leased.shards.record_leases("r1", [lost])
    leased.shards.record_leases("r1", [HELD])
    assert leased.shards.leases("r1") == [lost]


def test_renewal_after_loss_makes_the_lease_held_again(leased: Ledger) -> None:
    leased.shards.record_leases("r1", [replace(HELD, ended=later(8), outcome=LeaseOutcome.LOST)])
    leased.shards.record_leases("r1", [replace(HELD, last_seen=later(9))])
    assert leased.shards.leases("r1") == [replace(HELD, last_seen=later(9))]


def test_done_lease_stays_done(leased: Ledger) -> None:
    done = replace(HELD, ended=later(6), outcome=LeaseOutcome.DONE)
    leased.shards.record_leases("r1", [done])
    leased.shards.record_leases(
        "r1", [replace(HELD, last_seen=later(60), ended=later(60), outcome=LeaseOutcome.LOST)]
    )
    assert leased.shards.leases("r1") == [done]


def test_held_leases_are_ordered_by_last_observation(leased: Ledger) -> None:
    second = ObservedLease(shard(1).id, 4, "r1-w1-1", NOON, later(1))
    lost = ObservedLease(shard(2).id, 1, "r1-w1-1", NOON, later(1), later(2), LeaseOutcome.LOST)
    leased.shards.record_leases("r1", [second, lost])
    assert leased.shards.held_leases("r1") == [second, HELD]


def test_held_leases_use_the_partial_index(leased: Ledger) -> None:
    query = "EXPLAIN QUERY PLAN SELECT * FROM lease WHERE run = ? AND outcome = 'HELD' ORDER BY last_seen"
    with leased.database.reading() as connection:
        steps = [detail for *_, detail in connection.execute(query, ("r1",))]
    assert steps == ["SEARCH lease USING INDEX lease_held (run=?)"]


# --- receipts that no longer count


def test_reopened_shard_waits_and_is_counted_no_more(ledger: Ledger) -> None:
    ledger.shards.add("r1", map(shard, range(3)))
    before = ledger.shards.progress("r1")
    ledger.shards.record_receipts("r1", [receipt(0), receipt(1)])
    assert ledger.shards.reopen("r1", [receipt(0), receipt(1), receipt(2)]) == 2
    after = ledger.shards.progress("r1")
    assert (after.shards_done, after.documents, after.tokens) == (0, 0, 0)
    assert replace(after, first_started=None, last_finished=None) == before
    assert ledger.shards.receipts("r1") == []


def test_work_of_a_reopened_shard_is_lost_and_kept(ledger: Ledger) -> None:
    ledger.shards.add("r1", [shard(0)])
    ledger.shards.record_receipts("r1", [receipt(0)])
    ledger.shards.reopen("r1", [receipt(0)])
    (lost,) = ledger.shards.leases("r1")
    done = receipt(0)
    assert (lost.outcome, lost.worker) == (LeaseOutcome.LOST, done.worker)
    assert (lost.claimed, lost.ended) == (done.started, done.finished)
    assert lost.generation < 0


def test_reopened_shard_is_done_again_as_often_as_it_is_lost(ledger: Ledger) -> None:
    ledger.shards.add("r1", [shard(0)])
    for _ in range(3):
        assert ledger.shards.record_receipts("r1", [receipt(0)]) == 1
        assert ledger.shards.reopen("r1", [receipt(0)]) == 1
        assert ledger.shards.reopen("r1", [receipt(0)]) == 0
    assert len({lease.generation for lease in ledger.shards.leases("r1")}) == 3


@given(st.lists(st.integers(1, 4), max_size=6))
def test_leases_that_begin_again_keep_those_before(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[int]
) -> None:
    with Ledger.open(tmp_path_factory.mktemp("ledger") / "ledger.db") as ledger:
        create_run(ledger)
        ledger.shards.add("r1", [shard(0)])
        total = 0
        for most in rounds:
            for generation in range(1, most + 1):
                ledger.shards.record_leases(
                    "r1", [replace(HELD, shard=shard(0).id, generation=generation, outcome=LeaseOutcome.LOST)]
                )
            ledger.shards.record_receipts("r1", [receipt(0)])
            ledger.shards.reopen("r1", [receipt(0)], leases_gone=True)
            total += most + 1
            found = [lease.generation for lease in ledger.shards.leases("r1")]
            assert len(found) == total
            assert max(found) < 0
