"""What a worker was told by the machine it runs on. SIGTERM interrupts the main thread at once, except where shielded.

Only the main thread hears; the others are told by it.
"""

import signal
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

AGAIN = 0.5  # seconds until SIGTERM is said again, should somebody's code have swallowed `Stopped`


class Stopped(BaseException):
    """We were told to end now. Not an Exception: no handler of errors may swallow it."""


@dataclass(slots=True)
class Signals:
    """What we were told. SIGTERM interrupts at once, except inside `shielded`."""

    stop: bool = False
    drain: bool = False
    _deaf: bool = False
    _shields: int = 0

    def listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGUSR1, self._on_drain)

    def deafen(self) -> None:
        """We are ending: nothing may cut short what is left to do."""
        self._deaf = True
        signal.setitimer(signal.ITIMER_REAL, 0)

    def check(self) -> None:
        if self.stop:
            raise Stopped

    @contextmanager
    def shielded(self) -> Generator[None, None, None]:
        """The block is not interrupted; what came meanwhile is raised after it."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        if not self._shields:
            self.check()

    @contextmanager
    def exposed(self) -> Generator[None, None, None]:
        """Inside a shield, the block is interrupted all the same."""
        shields, self._shields = self._shields, 0
        try:
            self.check()
            yield
        finally:
            self._shields = shields

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop = True
        if not self._deaf and not self._shields:
            # C code may clear any exception (the import of numpy.random does): ask again until we are heard.
            signal.setitimer(signal.ITIMER_REAL, AGAIN)
            raise Stopped

    def _on_drain(self, _number: int, _frame: FrameType | None) -> None:
        self.drain = True
