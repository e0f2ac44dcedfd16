"""A worker's figures by a clock that moves when told to."""

import pytest

from tasks.worker.monitoring.stage_timer import StageTimer, WorkerProgress
from tasks.worker.monitoring.start_timer import StartTimer


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


def test_a_stage_adds_up(clock: Seconds) -> None:
    stages = StageTimer(clock=clock)
    for seconds in (1.0, 2.5):
        with stages.time("read"):
            clock.now += seconds
    assert stages.seconds == {"read": 3.5}


def test_part_timer_adds_to_the_whole(clock: Seconds) -> None:
    whole = StageTimer(clock=clock)
    one, other = StageTimer(whole, clock), StageTimer(whole, clock)
    one.add("engine", 2.0)
    other.add("engine", 3.0)
    assert (one.seconds, whole.seconds) == ({"engine": 2.0}, {"engine": 5.0})


def test_failed_stage_is_timed(clock: Seconds) -> None:
    stages = StageTimer(clock=clock)

    def fail() -> None:
        with stages.time("store"):
            clock.now += 4.0
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        fail()
    assert stages.seconds == {"store": 4.0}


def test_first_minute_is_taken_once_and_includes_waiting(clock: Seconds) -> None:
    progress = WorkerProgress(clock)
    clock.now += 30  # loading is not work
    for _ in range(4):
        clock.now += 20
        progress.embedded(1_000, 15.0)
    assert progress.first_minute == {"seconds": 75.0, "tokens": 4_000, "engine_seconds": 60.0}
    clock.now += 20
    progress.embedded(9_000, 1.0)
    assert progress.first_minute is not None
    assert progress.first_minute["tokens"] == 4_000


def test_first_minute_needs_a_minute(clock: Seconds) -> None:
    progress = WorkerProgress(clock)
    clock.now += 50
    progress.embedded(1_000, 10.0)
    assert progress.first_minute is None


def test_recent_rate_forgets_older_than_a_minute(clock: Seconds) -> None:
    progress = WorkerProgress(clock)
    assert progress.recent() is None
    clock.now += 60
    progress.embedded(60_000, 60.0)
    assert progress.recent() == 1_000
    for _ in range(6):
        clock.now += 15
        progress.embedded(150, 15.0)
    assert progress.recent() == 10


def test_engine_rate_is_smoothed(clock: Seconds) -> None:
    progress = WorkerProgress(clock)
    progress.embedded(1_000, 1.0)
    assert progress.rate == 1_000
    progress.embedded(2_000, 1.0)
    assert progress.rate == pytest.approx(1_300)


def test_start_ends_with_the_first_call_of_the_engine(clock: Seconds) -> None:
    start = StartTimer(clock)
    start.begin("first_batch")
    progress = WorkerProgress(clock, start=start)
    clock.now += 4
    progress.embedded(100, 1.0)
    clock.now += 4
    progress.embedded(100, 1.0)
    assert start.seconds() == {"first_batch": 4.0}
