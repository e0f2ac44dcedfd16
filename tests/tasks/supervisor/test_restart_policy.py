"""Whether a worker that ended is started again: the whole policy, without a process."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.supervisor.restart_policy import CRASHES, LONGEST_PAUSE, MEMORY, Again, End, after, exit_status


@pytest.mark.parametrize("status", [1, 137, -signal.SIGKILL, -signal.SIGSEGV, -signal.SIGTERM])
def test_whoever_crashes_is_started_again(status: int) -> None:
    assert after(status, [10.0], 10.0, told=False) == Again(1.0)


def test_whoever_ended_well_is_not_started_again() -> None:
    assert after(0, [], 10.0, told=False) == End.DONE


@pytest.mark.parametrize("status", [2, 3])
@pytest.mark.parametrize("told", [False, True])
def test_what_a_restart_cannot_help_is_left_alone(status: int, told: bool) -> None:
    assert after(status, [], 10.0, told=told) == End.MUST_ACT


def test_nobody_is_started_again_once_we_were_told_to_end() -> None:
    assert after(-signal.SIGKILL, [10.0], 10.0, told=True) == End.DONE


def test_pauses_double_until_the_slot_is_given_up() -> None:
    crashes = [float(n) for n in range(CRASHES)]
    found = [after(1, crashes[: n + 1], crashes[n], told=False) for n in range(CRASHES)]
    assert found == [Again(1.0), Again(2.0), Again(4.0), Again(8.0), End.GIVEN_UP]


@given(st.lists(st.floats(0, 1_000_000), max_size=20), st.floats(0.1, 100))
def test_no_pause_is_longer_than_a_minute(crashes: list[float], pause: float) -> None:
    found = after(1, sorted(crashes), 1_000_000, told=False, pause=pause)
    assert found == End.GIVEN_UP or (isinstance(found, Again) and found.seconds <= LONGEST_PAUSE)


def test_crashes_of_long_ago_do_not_count() -> None:
    crashes = [0.0] * (CRASHES - 1) + [MEMORY + 1]
    assert after(1, crashes, MEMORY + 1, told=False) == Again(1.0)


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        ([End.DONE, End.DONE], 0),
        ([End.MUST_ACT, End.MUST_ACT], 3),
        ([End.GIVEN_UP, End.MUST_ACT], 1),
        ([End.GIVEN_UP, End.GIVEN_UP], 1),
        ([End.GIVEN_UP, End.DONE], 0),  # the others did its share: renting another machine would help nobody
        ([End.MUST_ACT, End.DONE], 0),
    ],
)
def test_our_exit_status_says_whether_another_machine_could_help(ends: list[End], status: int) -> None:
    assert exit_status(ends) == status
