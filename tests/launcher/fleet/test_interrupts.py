"""Ctrl-C as a counter."""

import os
import signal
from types import FrameType

from launcher.fleet.interrupts import Interrupts


def send_sigint(_number: int, _frame: FrameType | None) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_signals_are_counted_and_the_handlers_restored() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    interrupts = Interrupts()
    with interrupts.counted():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    assert interrupts.count == 2
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_pause_ends_with_a_signal() -> None:
    interrupts = Interrupts()
    with interrupts.counted():
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        previous = signal.signal(signal.SIGALRM, send_sigint)
        try:
            interrupts.pause(3_600.0)
        finally:
            signal.signal(signal.SIGALRM, previous)
    assert interrupts.count == 1
