"""The progress line of a run that is being driven."""

from dataclasses import replace
from decimal import Decimal

import pytest

from launcher.cli.progress import line, screen
from launcher.costs.run_rates import RunRates
from launcher.fleet.progress import ProgressSnapshot
from launcher.ledger.records import RunProgress

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


RATES = RunRates(
    seconds=60, ready_seconds=50, tokens=5_000, tokens_open=100, tokens_expected=10_000, usd=Decimal("1.25")
)


def snapshot(**changes: object) -> ProgressSnapshot:
    found = ProgressSnapshot(
        progress=HALF, workers=4, ready=3, deaths=0, rates=RATES, known=Decimal("1.25"), draining=False
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def test_line_has_percent_tokens_shards_speed_dollars_time_left_and_workers() -> None:
    """Tokens of shards in work count, so the line moves within a shard."""
    assert line(snapshot()) == (
        "51 % · 5.1k of 10k tokens · 5 of 10 shards · 85 tok/s · $1.25 · 48 s left · 3 of 4 workers"
    )


@pytest.mark.parametrize("width", [100, 80])
def test_line_on_a_narrow_terminal_keeps_machines_and_the_deadline(width: int) -> None:
    """They stand last, and were what a terminal of 100 columns cut off."""
    late = snapshot(rented=True, late_seconds=-1_020.0)
    text = line(late, width)
    assert len(text) <= width < len(line(late))
    assert text.startswith("51 % · ")
    assert text.endswith("$1.25 · 48 s left · 3 of 4 machines · 17 min before the deadline")


def test_line_without_a_price_has_a_question_mark() -> None:
    unpriced = replace(RATES, usd=None)
    assert " · $? · " in line(snapshot(rates=unpriced, known=None))
    assert " · $? (known: $1.25) · " in line(snapshot(rates=unpriced))


def test_line_before_the_first_token_says_starting() -> None:
    begun = replace(RATES, tokens=0, tokens_open=0)
    assert line(snapshot(rates=begun)).startswith(
        "0 % · 0 of 10k tokens · 5 of 10 shards · starting · $1.25 · ? left"
    )


def test_line_never_says_that_all_is_done_while_shards_are_open() -> None:
    assert line(snapshot(rates=replace(RATES, tokens=12_000))).startswith("99 % · ")
    assert line(snapshot(rates=replace(RATES, finished=True))).startswith("100 % · 5.1k tokens · ")


def test_line_counts_machines_that_are_not_working() -> None:
    text = line(snapshot(rented=True, coming=2, recovering=1, deaths=3, draining=True))
    assert text.endswith("3 of 4 machines · 2 pending · 1 recovering · 3 lost · draining")


def test_without_a_terminal_lines_are_seconds_apart(capsys: pytest.CaptureFixture[str]) -> None:
    with screen() as show:
        for _ in range(3):
            show(snapshot())
    assert len(capsys.readouterr().err.splitlines()) == 1
