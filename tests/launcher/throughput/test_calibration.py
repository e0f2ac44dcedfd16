"""Receipts, first minutes and bench results as speeds."""

import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.ledger.ledger import Ledger
from launcher.ledger.records import MeasuredSpeed
from launcher.throughput.calibration import (
    BENCH,
    BENCH_VALID_DAYS,
    GAP_SECONDS,
    LEAST_SECONDS,
    FirstMinute,
    RunSetup,
    first_minute_of,
    recent_bench,
    record_first_minutes,
    record_run_speed,
    speed_spread,
    worker_times,
)
from launcher.throughput.local_machine import PROBE_ERROR, WorkerSlots
from launcher.throughput.spread import Spread
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.protocol.receipt import Receipt
from tasks.protocol.shard import Shard, Slice

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LENGTHS = [[0.5, 20.0], [0.5, 100.0]]


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def signed(
    position: int,
    start: float,
    end: float,
    tokens: int = 1_000,
    worker: str = "w0",
    engine: float | None = None,
) -> Receipt:
    return Receipt(
        run="r1",
        shard=f"{position:016x}",
        position=position,
        worker=worker,
        generation=1,
        nonce=f"{position:032x}",
        key="data/x.parquet",
        digest="d",
        output_bytes=1,
        input_bytes=1,
        documents=1,
        chunks=1,
        tokens=tokens,
        tokens_cut=0,
        failed_rows=0,
        quarantine=None,
        started=later(start),
        finished=later(end),
        stages={} if engine is None else {"engine": engine},
    )


def sure(found: Spread | None) -> Spread:
    assert found is not None
    return found


# --- spans


def test_overlap_of_two_shards_counts_once() -> None:
    assert worker_times([signed(0, 0, 10), signed(1, 5, 15)])["w0"].seconds == 15


def test_shard_within_another_adds_tokens_and_no_time() -> None:
    found = worker_times([signed(0, 0, 10), signed(1, 2, 3)])["w0"]
    assert (found.tokens, found.seconds) == (2_000, 10)


def test_waiting_for_the_next_shard_is_part_of_a_workers_time() -> None:
    assert worker_times([signed(0, 0, 10), signed(1, 40, 50)])["w0"].seconds == 50


def test_long_gap_between_two_shards_is_not_counted() -> None:
    assert worker_times([signed(0, 0, 10), signed(1, 20 + GAP_SECONDS, 30 + GAP_SECONDS)])["w0"].seconds == 20


def test_workers_are_apart() -> None:
    found = worker_times([signed(0, 0, 10), signed(1, 0, 20, worker="w1")])
    assert {name: one.rate for name, one in found.items()} == {"w0": 100, "w1": 50}


def test_shard_that_gave_nothing_takes_no_part() -> None:
    assert worker_times([signed(0, 0, 10), signed(1, 10, 50, tokens=0)])["w0"].seconds == 10


# --- rates


def test_shards_that_overlap_do_not_halve_the_speed() -> None:
    """Ten shards of 10 s, of which each begins 5 s after the one before: 1,000 tokens in 5 s, not in 10."""
    rate = sure(speed_spread([signed(n, 5 * n, 5 * n + 10) for n in range(100)]))
    assert rate.mid == pytest.approx(200, rel=0.02)


def test_range_is_that_of_the_engine_scaled_to_the_workers_own_speed() -> None:
    took = [4.0] + [5.0] * 8 + [8.0]
    rate = sure(speed_spread([signed(n, 10 * n, 10 * n + 10, engine=s) for n, s in enumerate(took)]))
    assert rate.mid == 100
    assert rate.high == pytest.approx(100 * (sum(took) / 10) / 4)
    assert rate.low == pytest.approx(100 * (sum(took) / 10) / 8)


def test_without_the_engines_time_that_of_the_shard_will_do() -> None:
    rate = sure(speed_spread([signed(0, 0, 10), signed(1, 10, 20)]))
    assert (rate.low, rate.mid, rate.high) == (100, 100, 100)


def test_without_receipts_there_is_no_speed() -> None:
    assert speed_spread([]) is None
    assert speed_spread([signed(0, 5, 5)]) is None


@given(
    st.lists(
        st.tuples(st.floats(0, 1e4), st.floats(0.1, 100), st.integers(1, 10**6)), min_size=1, max_size=30
    )
)
def test_low_mid_and_high_stay_in_order(spans: Sequence[tuple[float, float, int]]) -> None:
    found = [
        signed(n, start, start + took, tokens, worker=f"w{n % 3}", engine=took / 2)
        for n, (start, took, tokens) in enumerate(spans)
    ]
    rate = sure(speed_spread(found))
    assert 0 < rate.low <= rate.mid <= rate.high


# --- what a run leaves in the ledger


def setup(gpu: str, workers: int = 2) -> RunSetup:
    lengths = [(share, tokens) for share, tokens in LENGTHS]
    return RunSetup(model="acme/embed", engine="torch", lengths=lengths, gpu=gpu, workers=workers)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as made:
        yield made


def a_run(ledger: Ledger, gpus: dict[str, str], shards: int) -> None:
    ledger.runs.create("r1", "reviews", "{}", "d" * 32, "/out", NOON)
    slices = (Slice("a.jsonl", "1", "jsonl"),)
    ledger.shards.add("r1", [Shard(f"{n:016x}", n, slices, 1, 1) for n in range(shards)])
    for slot, (worker, gpu) in enumerate(gpus.items()):
        ledger.machines.intend("r1", worker, slot, None, NOON, place="x", gpu=gpu)


def test_speed_of_processors_is_of_all_workers_together(ledger: Ledger) -> None:
    a_run(ledger, {"w0": "cpu", "w1": "cpu"}, 2)
    ledger.shards.record_receipts("r1", [signed(0, 0, 10), signed(1, 0, 10, worker="w1")])
    record_run_speed(ledger, "r1", setup("cpu"), NOON)
    (seen,) = ledger.speeds.matching()
    assert (seen.gpu, seen.mid, seen.source) == ("cpu", 200, "run r1")
    assert seen.detail == {"lengths": LENGTHS, "workers": 2}


def test_speed_of_gpus_is_per_gpu_and_type(ledger: Ledger) -> None:
    a_run(ledger, {"w0": "L4", "w1": "L4", "w2": "H100"}, 3)
    found = [signed(0, 0, 10), signed(1, 0, 10, worker="w1"), signed(2, 0, 1, worker="w2")]
    ledger.shards.record_receipts("r1", found)
    record_run_speed(ledger, "r1", setup("L4"), NOON)
    assert {one.gpu: one.mid for one in ledger.speeds.matching()} == {"L4": 100, "H100": 1_000}


def test_receipts_of_a_run_are_never_in_memory_together(ledger: Ledger) -> None:
    count = 5_000  # some 10 MB of receipts
    a_run(ledger, {"w0": "L4"}, count)
    ledger.shards.record_receipts("r1", [signed(n, n * 10, n * 10 + 10, engine=8) for n in range(count)])
    tracemalloc.start()
    try:
        record_run_speed(ledger, "r1", setup("L4"), NOON)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ledger.speeds.matching()[0].mid == 100
    assert peak < 2_000_000


def test_run_that_was_stopped_at_once_is_not_recorded(ledger: Ledger) -> None:
    a_run(ledger, {"w0": "cpu"}, 2)
    ledger.shards.record_receipts("r1", [signed(0, 0, LEAST_SECONDS / 2)])
    record_run_speed(ledger, "r1", setup("cpu"), NOON)
    assert ledger.speeds.matching() == []


def test_run_that_was_stopped_after_a_minute_is_recorded(ledger: Ledger) -> None:
    a_run(ledger, {"w0": "L4"}, 2)
    ledger.shards.record_receipts("r1", [signed(0, 0, 100)])
    record_run_speed(ledger, "r1", setup("L4"), NOON)
    assert ledger.speeds.matching()[0].mid == 10


# --- first minutes


def test_first_minutes_become_one_record_a_gpu(ledger: Ledger) -> None:
    a_run(ledger, {"w0": "L4", "w1": "L4", "w2": "H100"}, 3)
    minutes = [
        FirstMinute("w0", 6_000, 60, later(70)),
        FirstMinute("w1", 3_000, 60, later(65)),
        FirstMinute("w2", 6e5, 60, NOON),
    ]
    record_first_minutes(ledger, "r1", setup("L4"), minutes)
    seen = {one.gpu: one for one in ledger.speeds.matching()}
    assert (seen["L4"].mid, seen["L4"].at, seen["L4"].source) == (75, later(65), "first minute of run r1")
    assert seen["H100"].low == pytest.approx(10_000 / PROBE_ERROR)


def test_first_minute_that_comes_later_changes_the_record_and_adds_none(ledger: Ledger) -> None:
    a_run(ledger, {"w0": "L4", "w1": "L4"}, 2)
    one = FirstMinute("w0", 6_000, 60, later(60))
    record_first_minutes(ledger, "r1", setup("L4"), [one])
    record_first_minutes(ledger, "r1", setup("L4"), [one, FirstMinute("w1", 3_000, 60, later(99))])
    assert [seen.mid for seen in ledger.speeds.matching()] == [75]


def test_what_the_whole_run_made_replaces_its_first_minutes(ledger: Ledger) -> None:
    a_run(ledger, {"w0": "L4"}, 1)
    record_first_minutes(ledger, "r1", setup("L4"), [FirstMinute("w0", 6_000, 60, later(60))])
    ledger.shards.record_receipts("r1", [signed(0, 0, 100)])
    record_run_speed(ledger, "r1", setup("L4"), later(100))
    assert [seen.source for seen in ledger.speeds.matching()] == ["run r1", "first minute of run r1"]


def test_heartbeat_has_the_first_minute_once_it_is_over() -> None:
    pulse = Heartbeat(run="r1", worker="w0", host="host", pid=1, started=NOON, ready=later(10))
    assert first_minute_of(pulse) is None
    over = replace(pulse, first_minute={"seconds": 61.0, "tokens": 5_000, "engine_seconds": 60.0})
    assert first_minute_of(over) == FirstMinute("w0", 5_000, 61, later(71))


# --- what bench found, instead of a probe


def found(**changes: Any) -> MeasuredSpeed:
    detail: dict[str, Any] = {
        "of": BENCH,
        "host": "here",
        "workers": 2,
        "threads": 1,
        "given": LENGTHS,
        "load_seconds": 5.0,
        "device": "cpu",
        "dtype": "bfloat16",
        "dimensions": 384,
        "seconds": 60.0,
    } | changes.pop("detail", {})
    fields: dict[str, Any] = {
        "model": "m",
        "gpu": "cpu",
        "engine": "torch",
        "low": 9.0,
        "mid": 10.0,
        "high": 11.0,
        "source": "bench on here cpu",
        "at": NOON,
        "detail": detail,
    }
    return MeasuredSpeed(**fields | changes)


def recalled(
    seen: MeasuredSpeed, use: WorkerSlots | None = None, gpus: Sequence[str] = (), now: datetime = NOON
) -> Spread | None:
    pairs = [(share, tokens) for share, tokens in LENGTHS]
    known = recent_bench(
        [seen],
        model="m",
        engine="torch",
        use=use or WorkerSlots(2, 1, 0),
        host="here",
        gpus=gpus,
        lengths=pairs,
        now=now,
    )
    return known and known[0].tokens_per_second


def test_bench_of_this_machine_replaces_a_probe() -> None:
    assert recalled(found()) == Spread(9, 10, 11)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "other"},
        {"engine": "vllm"},
        {"gpu": "L4"},
        {"detail": {"host": "elsewhere"}},
        {"detail": {"workers": 1}},
        {"detail": {"threads": 2}},
        {"detail": {"of": "a run"}},
        {"detail": {"given": [[1.0, 90.0]]}},
        {"detail": {"given": None}},
    ],
)
def test_bench_of_another_setup_or_machine_is_not_used(changes: dict[str, Any]) -> None:
    assert recalled(found(**changes)) is None


def test_lengths_that_differ_by_no_more_than_a_sample_are_the_same() -> None:
    assert recalled(found(detail={"given": [[0.5, 21.0], [0.5, 104.0]]})) is not None


def test_bench_is_valid_for_a_week() -> None:
    assert recalled(found(), now=NOON + timedelta(days=BENCH_VALID_DAYS)) is not None
    assert recalled(found(), now=NOON + timedelta(days=BENCH_VALID_DAYS, seconds=1)) is None


def test_speed_of_one_gpu_is_that_of_a_machine_of_two_twice() -> None:
    seen = found(gpu="L4", detail={"threads": None, "device": "cuda"})
    assert recalled(seen, WorkerSlots(2, None, 2), ["L4", "L4"]) == Spread(18, 20, 22)
    assert recalled(seen, WorkerSlots(2, None, 2), ["L4", "T4"]) is None
