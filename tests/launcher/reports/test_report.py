import json
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.costs.metering import PARTS, LeaseTime, MachineTime, meter
from launcher.reports.report import BINS, Event, Failure, Report, build, series, to_json
from tasks.protocol.receipt import Receipt
from tests.support.paths import GOLDEN

REPORT = GOLDEN / "report.json"  # what test_page and test_show render
START = datetime(2026, 10, 1, 9, tzinfo=UTC)
EVIL = "<script>alert('x')</script>"

PLAN: dict[str, Any] = {
    "schema": "embedfleet/plan/1",
    "profile": {"documents": 5_000, "chunks": 6_100, "tokens": 1_450_000, "bytes": 9_100_000},
    "totals": {
        "usd": {"p10": "0.21", "p50": "0.26", "p90": "0.35"},
        "hours": {"p10": 0.2, "p50": 0.25, "p90": 0.4},
        "usd_per_million_tokens": "0.179",
    },
    "prices_as_of": "2026-09-30",
    "digest": "9f2c61d07a4be813",
}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def machine(name: str, started: float, ready: float, ended: float | None, **more: Any) -> MachineTime:
    return MachineTime(
        name=name,
        place=more.get("place", "aws/us-east-1"),
        gpu="L4",
        usd_per_hour=more.get("price", Decimal("0.71")),
        started=at(started),
        ready=at(ready),
        ended=None if ended is None else at(ended),
        state=more.get("state", "ended"),
        stopping=more.get("stopping"),
    )


def receipt(position: int, worker: str, started: float, finished: float, **more: Any) -> Receipt:
    return Receipt(
        run="r-20261001-a1b2",
        shard=f"{position:016x}",
        position=position,
        worker=worker,
        generation=more.get("generation", 1),
        nonce="n",
        key=f"data/{position:016x}-1.parquet",
        digest="0" * 64,
        output_bytes=170_000,
        input_bytes=300_000,
        documents=166,
        chunks=201,
        tokens=more.get("tokens", 48_000 + 900 * (position % 7)),
        tokens_cut=17,
        failed_rows=more.get("failed", 0),
        quarantine=None,
        started=at(started),
        finished=at(finished),
        stages={"read": 0.8, "tokenise": 1.9, "engine": finished - started - 4, "write": 0.6, "store": 0.3},
    )


def lease(position: int, worker: str, claimed: float, ended: float | None, generation: int = 1) -> LeaseTime:
    return LeaseTime(
        f"{position:016x}", generation, worker, at(claimed), None if ended is None else at(ended)
    )


def sample() -> Report:
    """Two workers, 30 shards, three lost leases, five failed rows, and names that mean harm."""
    machines = [
        machine("w-0", 5, 95, 1_052, stopping=at(1_030)),
        machine(
            f"w-1 {EVIL}", 8, 130, 1_049, stopping=at(1_030), place="gcp/us-central1", price=Decimal("0.92")
        ),
    ]
    receipts: list[Receipt] = []
    clock = {"w-0": 95.0, f"w-1 {EVIL}": 130.0}
    lost = {7: 21.0, 15: 34.0, 22: 12.0}  # shard: seconds of work that came to nothing
    leases: list[LeaseTime] = []
    for position in range(30):
        worker = min(clock, key=lambda name: clock[name])
        generation = 1
        if position in lost:
            leases.append(lease(position, worker, clock[worker], clock[worker] + lost[position]))
            clock[worker] += lost[position] + 8
            worker, generation = min(clock, key=lambda name: clock[name]), 2
        took = 46.0 + 5 * (position % 5)
        failed = {3: 2, 19: 3}.get(position, 0)
        start = clock[worker] + 0.5
        receipts.append(receipt(position, worker, start, start + took, generation=generation, failed=failed))
        leases.append(lease(position, worker, clock[worker], start + took, generation))
        clock[worker] = start + took
    failures = [
        Failure("reviews/part-000.jsonl", 88, "not a string", "r-1188"),
        Failure("reviews/part-000.jsonl", 4_417, "invalid UTF-8 at byte 17", None),
        Failure(f"reviews/{EVIL}.jsonl", 12, "no text", "a&b"),
        Failure("reviews/part-004.jsonl", 901, f"broken JSON line: {EVIL}", None),
    ]
    events = [
        Event(at(0), "run", "created"),
        Event(at(5), "machine", "asked for w-0 in aws/us-east-1"),
        Event(at(331), "lease", f"w-1 {EVIL} lost shard 7"),
        Event(at(1_052), "run", "finished with 5 failed rows"),
    ]
    now = at(1_060)
    return build(
        run="r-20261001-a1b2",
        name=f"reviews-2026 {EVIL}",
        state="done with failed rows",
        created=START,
        now=now,
        plan=PLAN,
        shards=30,
        shards_done=30,
        receipts=receipts,
        machines=machines,
        leases=leases,
        spend=meter(machines, receipts, leases, now),
        failures=failures,
        failed_rows=5,
        events=events,
    )


def small(
    receipts: list[Receipt] | None = None,
    machines: list[MachineTime] | None = None,
    leases: list[LeaseTime] | None = None,
    *,
    plan: dict[str, Any] | None = None,
    shards: int = 1,
    now: float = 100,
    failed_rows: int = 0,
) -> Report:
    receipts, machines, leases = receipts or [], machines or [], leases or []
    return build(
        run="r1",
        name="small",
        state="running",
        created=START,
        now=at(now),
        plan=PLAN if plan is None else plan,
        shards=shards,
        shards_done=len(receipts),
        receipts=receipts,
        machines=machines,
        leases=leases,
        spend=meter(machines, receipts, leases, at(now)),
        failed_rows=failed_rows,
    )


def test_the_sample_reads_as_the_golden_file_does() -> None:
    text = json.dumps(to_json(sample()), indent=1) + "\n"
    if os.environ.get("EMBEDFLEET_GOLDEN"):
        REPORT.write_text(text)
    assert text == REPORT.read_text()


def test_the_parts_of_the_dollars_add_up_to_the_total() -> None:
    spend = to_json(sample())["spend"]
    assert sum(Decimal(spend[part]) for part in PARTS) == Decimal(spend["total"])


def test_the_report_is_plain_json() -> None:
    report = to_json(sample())
    assert json.loads(json.dumps(report)) == report


def test_a_run_lasts_from_its_creation_to_its_last_receipt() -> None:
    assert small([receipt(0, "w", 10, 40)]).span == timedelta(seconds=40)


def test_an_open_run_lasts_until_now() -> None:
    assert small([receipt(0, "w", 10, 40)], shards=2).span == timedelta(seconds=100)


def test_dollars_per_million_tokens_are_all_dollars_over_all_tokens() -> None:
    report = small([receipt(0, "w", 10, 40, tokens=250_000)], [machine("w", 0, 10, 50)])
    assert Decimal(to_json(report)["actual"]["usd_per_million_tokens"]) == Decimal("0.039444444444")


def test_a_machine_without_a_price_makes_the_dollars_null() -> None:
    report = to_json(small([], [machine("w", 0, 10, 50, price=None), machine("v", 0, 10, 50)]))
    assert report["spend"]["total"] is None
    assert report["actual"]["usd"] is None


def test_a_machine_without_a_price_is_named_among_the_unknowns() -> None:
    report = to_json(small([], [machine("w", 0, 10, 50, price=None), machine("v", 0, 10, 50)]))
    assert "dollars spent: no price per hour for w" in report["unknown"]


def test_the_known_part_of_unknown_dollars_has_its_own_name() -> None:
    report = to_json(small([], [machine("w", 0, 10, 50, price=None), machine("v", 0, 10, 50)]))
    assert report["spend"]["known"]["total"] == "0.009861111111"


def test_an_empty_plan_gives_nulls_and_says_so() -> None:
    report = to_json(small(plan={}))
    assert report["plan"]["usd"] == {"p10": None, "p50": None, "p90": None}
    assert "planned dollars: the plan does not say" in report["unknown"]


def test_a_plan_without_prices_leaves_its_dollars_unknown() -> None:
    plan = PLAN | {"totals": PLAN["totals"] | {"usd": {"p10": None, "p50": None, "p90": None}}}
    assert "planned dollars: the plan does not say" in to_json(small(plan=plan))["unknown"]


@pytest.mark.parametrize("total", ["usd", "hours"])
def test_a_plan_whose_totals_are_null_is_still_reported(total: str) -> None:
    assert to_json(small(plan={"totals": {total: None}}))["plan"][total]["p50"] is None


def test_a_run_that_embedded_nothing_has_no_price_per_token() -> None:
    report = to_json(small([], [machine("w", 0, 10, 50)]))
    assert report["actual"]["usd_per_million_tokens"] is None


def test_work_in_hand_is_named_among_the_unknowns() -> None:
    report = to_json(small([], [machine("w", 0, 10, None)], [lease(0, "w", 20, None)]))
    assert "work in hand: leases still out, counted as useful until lost: 1" in report["unknown"]


def test_a_finished_run_names_the_machines_that_never_reported_their_end() -> None:
    report = to_json(small([receipt(0, "w", 10, 40)], [machine("w", 0, 10, None)]))
    assert "the end of w: not reported, so metered until this report" in report["unknown"]


def test_failed_rows_that_are_not_listed_are_counted() -> None:
    assert "failed rows not listed here: 7 of 7" in to_json(small(failed_rows=7))["unknown"]


def test_lost_leases_say_whose_they_were_and_how_long_they_took() -> None:
    report = to_json(small([], [machine("w", 0, 10, 50)], [lease(0, "w", 20, None)]))
    assert [(e["worker"], e["seconds"]) for e in report["lost"]] == [("w", 30)]


def test_stages_are_added_over_the_shards() -> None:
    assert to_json(small([receipt(0, "w", 10, 40), receipt(1, "w", 40, 70)]))["stages"]["tokenise"] == 3.8


def test_tokens_are_spread_evenly_over_the_work_that_made_them() -> None:
    points = series(small([receipt(0, "w", 20, 40, tokens=2_000)], shards=2))
    assert {p["tokens_per_second"] for p in points if 20 <= p["seconds"] < 40} == {100}
    assert {p["tokens_per_second"] for p in points if not 20 <= p["seconds"] < 40} == {0}


def test_a_run_that_has_just_begun_has_no_series() -> None:
    assert series(small(now=0)) == []


MOMENT = st.floats(-1_000, 2_000)


@given(st.lists(st.tuples(MOMENT, MOMENT, st.integers(0, 10**6)), max_size=8), st.floats(0.5, 1_000))
def test_the_series_holds_every_token_whatever_the_clocks_said(
    works: list[tuple[float, float, int]], now: float
) -> None:
    receipts = [receipt(i, "w", first, last, tokens=n) for i, (first, last, n) in enumerate(works)]
    report = small(receipts, shards=100, now=now)
    points = series(report)
    width = report.span.total_seconds() / len(points)
    assert len(points) <= BINS
    assert sum(p["tokens_per_second"] for p in points) * width == pytest.approx(report.tokens, abs=1)


def test_rows_come_in_their_order_whatever_order_they_went_in() -> None:
    receipts = [receipt(1, "w", 40, 70), receipt(0, "w", 10, 40)]
    assert [s["position"] for s in to_json(small(receipts))["shards"]] == [0, 1]
