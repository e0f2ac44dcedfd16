"""Time, speed, cost per token and time left: the definitions of the glossary."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from launcher.costs.run_rates import RunRates, ready_seconds, run_seconds
from launcher.costs.usage.machine_time import MachineTime

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RATES = RunRates(
    seconds=100, ready_seconds=80, tokens=3_000, tokens_open=1_000, tokens_expected=10_000, usd=Decimal(2)
)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def machine(
    asked: float, ended: float | None, ready: float | None = None, *, name: str = "m", state: str = "STOPPED"
) -> MachineTime:
    """A machine that was asked for, became ready and ended so many seconds after noon."""
    return MachineTime(
        name,
        "local",
        "cpu",
        None,
        at(asked + 1),
        None if ready is None else at(ready),
        None if ended is None else at(ended),
        state if ended is not None else "UP",
        asked=at(asked),
    )


def seconds(
    *machines: MachineTime, first: float | None = None, last: float | None = None, finished: bool = False
) -> float | None:
    """At noon and 1,000 seconds."""
    moments = [None if moment is None else at(moment) for moment in (first, last)]
    return run_seconds(machines, at(1_000), first=moments[0], last=moments[1], finished=finished)


def test_time_begins_when_the_first_machine_is_asked_for() -> None:
    assert seconds(machine(20, 90), machine(10, 70, name="n")) == 80


def test_time_ends_with_the_last_receipt_and_not_with_the_last_machine() -> None:
    assert seconds(machine(10, 400), last=310, finished=True) == 300


def test_time_goes_on_while_shards_are_open_and_a_machine_is_there() -> None:
    assert seconds(machine(10, None), last=310) == 990


def test_a_run_without_machines_has_a_time_that_does_not_grow() -> None:
    assert seconds() is None
    assert seconds(machine(10, 12, state="FAILED")) == 2


def test_a_night_between_two_launches_is_no_part() -> None:
    assert seconds(machine(0, 100), machine(800, 900, name="n")) == 200


def test_the_moment_until_a_dead_worker_is_replaced_is_a_part() -> None:
    assert seconds(machine(0, 100, state="LOST"), machine(130, 200, name="n")) == 200


def test_a_machine_that_was_taken_away_is_waited_for() -> None:
    taken = replace(machine(0, 100), state="UP", how="PREEMPTED")
    assert seconds(taken) == 1_000
    assert seconds(taken, machine(0, 500)) == 1_000


@pytest.mark.parametrize("wrong", [-3_000, 3_000])
def test_a_receipt_of_a_wrong_clock_ends_nothing(wrong: float) -> None:
    assert seconds(machine(10, 400), last=wrong, finished=True) == 390


def test_a_ledger_without_machines_has_the_time_of_its_receipts() -> None:
    assert seconds(first=50, last=80, finished=True) == 30


def test_ready_time_counts_parallel_workers_once_and_no_pause() -> None:
    machines = [
        machine(0, 30, 10),
        machine(0, 40, 20, name="n"),
        machine(90, None, 95, name="o"),
        machine(0, 9),
    ]
    assert ready_seconds(machines, at(100)) == 35


def test_speed_is_tokens_by_time_and_pace_by_the_time_with_a_ready_worker() -> None:
    assert (RATES.tokens_per_second, RATES.pace) == (40, 50)
    assert RATES.seconds_left == 120


def test_cost_per_token_is_all_dollars_by_all_tokens() -> None:
    assert RATES.usd_per_million_tokens == Decimal(500)
    assert replace(RATES, usd=None).usd_per_million_tokens is None


def test_before_the_first_token_nothing_is_known() -> None:
    begun = replace(RATES, tokens=0, tokens_open=0)
    assert (begun.tokens_per_second, begun.seconds_left, begun.usd_per_million_tokens) == (None, None, None)
    assert begun.share == 0


def test_what_is_left_of_more_than_was_expected_is_not_known() -> None:
    more = replace(RATES, tokens=10_000)
    assert (more.seconds_left, more.share) == (None, 0.99)
    done = replace(more, finished=True)
    assert (done.seconds_left, done.share) == (0, 1)
