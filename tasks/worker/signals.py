"""What a worker was told by the machine it runs on, and how long it may go on.

SIGTERM interrupts the main thread at once, except where shielded, or where what it does is nearly done. A cloud's
notice leaves more time: then the worker goes on until shortly before. Only the main thread hears signals; the others
are told by it.
"""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from types import FrameType

REPEAT_SECONDS = 0.5  # seconds until SIGTERM is said again, should somebody's code have swallowed `Stopped`
NEARLY_DONE_SECONDS = (
    10.0  # seconds that SIGTERM waits for what is nearly done: the shortest notice that any cloud gives is 30
)


class Stopped(BaseException):
    """We were told to end now. Not an Exception: no handler of errors may swallow it."""


def _never(_seconds: float) -> bool:
    return False


@dataclass(slots=True)
class Signals:
    """What we were told. `patient(seconds)`: whether what we have begun can be finished in so many."""

    stop: bool = False
    drain: bool = False
    notice: str | None = None  # why the machine goes, in the cloud's words
    deadline: float | None = None  # when it goes, by the monotonic clock
    patient: Callable[[float], bool] = _never
    _told: float = 0.0  # when SIGTERM came first
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

    def warn(self, why: str, seconds: float) -> None:
        """The machine goes in so many seconds. From any thread."""
        until = monotonic() + seconds
        if self.deadline is None or until < self.deadline:
            self.notice, self.deadline = why, until

    def calm(self) -> None:
        """It did not go."""
        self.notice = self.deadline = None

    def forget(self) -> None:
        """Begin anew, as if we had been told nothing."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.stop, self._told = False, 0.0

    @property
    def leaving(self) -> bool:
        """Whether no further shard is to be begun."""
        return self.stop or self.drain or self.deadline is not None

    def check(self) -> None:
        if self.stop and not self._worth_it():
            raise Stopped

    @contextmanager
    def shielded(self) -> Generator[None, None, None]:
        """The block is not interrupted; what came meanwhile is raised after it."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        if not self._shields and self.stop:
            raise Stopped

    @contextmanager
    def exposed(self) -> Generator[None, None, None]:
        """Inside a shield, the block is interrupted all the same."""
        shields, self._shields = self._shields, 0
        try:
            self.check()
            yield
        finally:
            self._shields = shields

    def _worth_it(self) -> bool:
        left = self._told + NEARLY_DONE_SECONDS - monotonic()
        return left > 0 and self.patient(left)

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        again, self.stop = self.stop, True
        self._told = self._told or monotonic()
        if self._deaf or self._shields:
            return
        if (not again or number == signal.SIGALRM) and self._worth_it():
            signal.setitimer(signal.ITIMER_REAL, REPEAT_SECONDS)
            return
        # C code may clear any exception (the import of numpy.random does): ask again until we are heard.
        signal.setitimer(signal.ITIMER_REAL, REPEAT_SECONDS)
        if again and number != signal.SIGALRM:
            self._told = -NEARLY_DONE_SECONDS  # said twice: now
        raise Stopped

    def _on_drain(self, _number: int, _frame: FrameType | None) -> None:
        self.drain = True
