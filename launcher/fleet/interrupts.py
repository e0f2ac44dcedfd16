"""Ctrl-C and SIGTERM as a counter that the controller reads between two looks."""

import contextlib
import signal
import time
from collections.abc import Generator
from dataclasses import dataclass
from types import FrameType

POLL_SECONDS = 0.2  # how soon a pause ends after a signal


@dataclass(slots=True)
class Interrupts:
    """How often the user asked to stop."""

    count: int = 0

    @contextlib.contextmanager
    def counted(self) -> Generator[None, None, None]:
        """Count SIGINT and SIGTERM instead of dying of them, until the block ends. Only in the main thread."""

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            self.count += 1

        previous = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def pause(self, seconds: float) -> None:
        """Sleep, but no longer than until the next signal."""
        end, before = time.monotonic() + seconds, self.count
        while (left := end - time.monotonic()) > 0 and self.count == before:
            time.sleep(min(POLL_SECONDS, left))
