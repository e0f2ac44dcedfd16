"""The watchdog: what hangs is named after a time that the engine's rate gives; standing still is not hanging."""

import threading
from collections.abc import Sequence

import pytest

from tasks.engines.base import Vectors
from tasks.engines.hash_engine import HashEncoder
from tasks.protocol.messages import crash_marker
from tasks.worker.monitoring.watchdog import (
    FIRST_CALL_SECONDS,
    FLOOR_SECONDS,
    HANG_FACTOR,
    Step,
    Watchdog,
    WatchedEncoder,
)


def idle(_step: Step) -> None:
    raise AssertionError("nothing hangs")


@pytest.mark.parametrize(
    ("rate", "tokens", "seconds"),
    [
        (1_000.0, 20_000, HANG_FACTOR * 20),
        (1_000.0, 10, FLOOR_SECONDS),
        (None, 10, FIRST_CALL_SECONDS),
    ],
)
def test_a_call_has_many_times_what_its_tokens_took_recently(
    rate: float | None, tokens: int, seconds: float
) -> None:
    assert Watchdog(idle, lambda: rate).allowed(tokens) == seconds


def test_a_step_is_named_once_it_takes_longer_than_allowed() -> None:
    dog = Watchdog(idle)
    with dog.watch("a read of the input", 10.0, crash_marker.READER_NAME):
        assert dog.look(6.0) is None
        step = dog.look(6.0)
        assert str(step) == "a read of the input has taken 12 s, and 10 s are allowed"
    assert dog.look(100.0) is None


def test_steps_of_two_threads_are_measured_apart() -> None:
    dog, inside, leave = Watchdog(idle), threading.Event(), threading.Event()

    def read() -> None:
        with dog.watch("a read", 50.0, crash_marker.READER_NAME):
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=read)
    thread.start()
    assert inside.wait(10)
    with dog.watch("a call", 5.0, crash_marker.NAME):
        pass
    assert dog.look(20.0) is None
    assert str(dog.look(40.0)) == "a read has taken 60 s, and 50 s are allowed"
    leave.set()
    thread.join()


def test_an_engine_that_hangs_is_told_and_one_that_works_is_not() -> None:
    told: list[Step] = []
    hung, over = threading.Event(), threading.Event()

    def on_hang(step: Step) -> None:
        told.append(step)
        over.set()

    class Hung(HashEncoder):
        def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
            if len(ids) > 1:
                hung.wait(10)
            return super().encode(ids)

    dog = Watchdog(on_hang, lambda: 1e6, floor=0.2, tick=0.02)
    dog.start()
    engine = WatchedEncoder(Hung(), dog)
    for _ in range(20):
        engine.encode([[1, 2, 3]])
    assert told == []
    thread = threading.Thread(target=engine.encode, args=([[1, 2, 3], [4, 5, 6]],))
    thread.start()
    assert over.wait(10)
    hung.set()
    thread.join()
    assert told[0].marker == crash_marker.NAME
    assert str(told[0]).startswith("the engine's call with 6 tokens has taken 0 s")


def test_time_in_which_the_process_stood_still_does_not_count() -> None:
    """A laptop that slept, or a frozen process: the clock jumps by an hour between two ticks."""
    times = iter([0.0, *(3_600.0 * n for n in range(1, 10_000))])
    looked = threading.Event()
    count = 0

    def clock() -> float:
        nonlocal count
        count += 1
        if count > 20:
            looked.set()
        return next(times)

    dog = Watchdog(idle, tick=0.01, clock=clock)
    with dog.watch("a call", 60.0, crash_marker.NAME):
        dog.start()
        assert looked.wait(10)
    dog.stop()
