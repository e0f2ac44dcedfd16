"""The progress line of a run that is being driven."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from launcher.cli.progress import line, screen
from launcher.fleet.progress import ProgressSnapshot
from launcher.ledger.records import RunProgress
from launcher.planning import plan_file
from tests.support import sample_plan

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HALF = RunProgress(
    shards=10,
    bytes=50_000,
    tokens_known=10_000,
    shards_unsized=0,
    shards_done=5,
    shards_failed=0,
    documents=50,
    chunks=50,
    tokens=5_000,
    tokens_cut=0,
    tokens_repeated=0,
    failed_rows=0,
    input_bytes=25_000,
    output_bytes=25_000,
    first_started=None,
    last_finished=None,
)


def snapshot(**changes: object) -> ProgressSnapshot:
    found = ProgressSnapshot(
        progress=HALF,
        workers=4,
        ready=3,
        deaths=0,
        spent=Decimal("1.25"),
        started=NOON - timedelta(seconds=50),
        tokens_before=0,
        draining=False,
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def test_line_has_shards_tokens_rate_dollars_time_left_and_workers() -> None:
    assert (
        line(snapshot(), Decimal(1), NOON)
        == "5/10 shards · 5k tokens · 100 tok/s · $1.25 · 50 s left · 3 of 4 workers"
    )


def test_line_of_a_resumed_run_counts_only_its_own_tokens_as_speed() -> None:
    assert "50 tok/s · $1.25 · 1 min 40 s left" in line(snapshot(tokens_before=2_500), Decimal(1), NOON)


def test_line_without_a_price_has_a_question_mark() -> None:
    assert " · $? · " in line(snapshot(), None, NOON)


def test_line_before_the_first_token_says_starting() -> None:
    assert "starting" in line(snapshot(tokens_before=5_000), Decimal(1), NOON)


def test_line_counts_machines_that_are_not_working() -> None:
    text = line(snapshot(rented=True, coming=2, recovering=1, deaths=3, draining=True), Decimal(1), NOON)
    assert text.endswith("3 of 4 machines · 2 pending · 1 recovering · 3 lost · draining")


def test_without_a_terminal_lines_are_seconds_apart(capsys: pytest.CaptureFixture[str]) -> None:
    with screen(plan_file.read_recorded(sample_plan.local())) as show:
        for _ in range(3):
            show(snapshot())
    assert len(capsys.readouterr().err.splitlines()) == 1
