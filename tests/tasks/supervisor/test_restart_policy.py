"""Whether a worker that ended is started again: the whole policy, without a process."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.supervisor.restart_policy import (
    CRASH_MEMORY_SECONDS,
    LONGEST_PAUSE_SECONDS,
    MAX_CRASHES,
    Restart,
    SlotEnd,
    exit_status,
    next_step,
)


@pytest.mark.parametrize("status", [1, 137, -signal.SIGKILL, -signal.SIGSEGV, -signal.SIGTERM])
def test_crashed_worker_is_restarted(status: int) -> None:
    assert next_step(status, [10.0], 10.0, told=False) == Restart(1.0)


def test_worker_that_ended_well_is_not_restarted() -> None:
    assert next_step(0, [], 10.0, told=False) == SlotEnd.DONE


@pytest.mark.parametrize("status", [2, 3])
@pytest.mark.parametrize("told", [False, True])
def test_usage_error_and_must_act_are_not_restarted(status: int, told: bool) -> None:
    assert next_step(status, [], 10.0, told=told) == SlotEnd.MUST_ACT


def test_no_restart_after_the_supervisor_was_told_to_end() -> None:
    assert next_step(-signal.SIGKILL, [10.0], 10.0, told=True) == SlotEnd.DONE


def test_backoff_doubles_until_the_slot_is_given_up() -> None:
    crashes = [float(n) for n in range(MAX_CRASHES)]
    found = [next_step(1, crashes[: n + 1], crashes[n], told=False) for n in range(MAX_CRASHES)]
    assert found == [Restart(1.0), Restart(2.0), Restart(4.0), Restart(8.0), SlotEnd.GIVEN_UP]


@given(st.lists(st.floats(0, 1_000_000), max_size=20), st.floats(0.1, 100))
def test_backoff_is_at_most_a_minute(crashes: list[float], pause: float) -> None:
    found = next_step(1, sorted(crashes), 1_000_000, told=False, pause=pause)
    assert found == SlotEnd.GIVEN_UP or (
        isinstance(found, Restart) and found.seconds <= LONGEST_PAUSE_SECONDS
    )


def test_old_crashes_do_not_count() -> None:
    crashes = [0.0] * (MAX_CRASHES - 1) + [CRASH_MEMORY_SECONDS + 1]
    assert next_step(1, crashes, CRASH_MEMORY_SECONDS + 1, told=False) == Restart(1.0)


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        ([SlotEnd.DONE, SlotEnd.DONE], 0),
        ([SlotEnd.MUST_ACT, SlotEnd.MUST_ACT], 3),
        ([SlotEnd.GIVEN_UP, SlotEnd.MUST_ACT], 1),
        ([SlotEnd.GIVEN_UP, SlotEnd.GIVEN_UP], 1),
        (
            [SlotEnd.GIVEN_UP, SlotEnd.DONE],
            0,
        ),  # the others did its share: renting another machine would help nobody
        ([SlotEnd.MUST_ACT, SlotEnd.DONE], 0),
    ],
)
def test_exit_status_says_whether_another_machine_could_help(ends: list[SlotEnd], status: int) -> None:
    assert exit_status(ends) == status
