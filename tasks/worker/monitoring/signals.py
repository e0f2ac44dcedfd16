"""Signals and preemption notices that a worker received, and how long it may continue.

SIGTERM interrupts the main thread at once, except inside a shield, or where the work in hand is nearly done. A
preemption notice leaves more time: the worker continues until shortly before the end. Only the main thread receives
signals; other threads read the flags here.
"""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from types import FrameType

REPEAT_SECONDS = 0.5  # until `Stopped` is raised again, in case library code swallowed it
# That SIGTERM waits for work that is nearly done; the shortest notice of any cloud is 30 seconds.
NEARLY_DONE_SECONDS = 10.0


class Stopped(BaseException):
    """The worker was told to end now. Not an Exception, so that no `except Exception` swallows it."""


def _never(_seconds: float) -> bool:
    return False


@dataclass(slots=True)
class Signals:
    """The state of a worker's signals.

    Attributes:
        stop: SIGTERM or SIGINT came.
        drain: SIGUSR1 came: finish the shard in hand and end.
        notice: why the machine is taken away, in the cloud's words.
        deadline: when it is taken away, by the monotonic clock.
        can_finish: whether the work in hand can be finished in so many seconds.
    """

    stop: bool = False
    drain: bool = False
    notice: str | None = None
    deadline: float | None = None
    can_finish: Callable[[float], bool] = _never
    _stopped_at: float = 0.0  # when SIGTERM came first
    _ignoring: bool = False
    _shields: int = 0

    def listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGUSR1, self._on_drain)

    def ignore_further(self) -> None:
        """The worker is ending: no signal may interrupt what is left to do."""
        self._ignoring = True
        signal.setitimer(signal.ITIMER_REAL, 0)

    def warn(self, why: str, seconds: float) -> None:
        """Record that the machine is taken away in so many seconds. May be called from any thread."""
        until = monotonic() + seconds
        if self.deadline is None or until < self.deadline:
            self.notice, self.deadline = why, until

    def notice_withdrawn(self) -> None:
        """The machine was not taken away after all."""
        self.notice = self.deadline = None

    def reset(self) -> None:
        """Forget every signal."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.stop, self._stopped_at = False, 0.0

    @property
    def leaving(self) -> bool:
        """Whether no further shard is to be claimed."""
        return self.stop or self.drain or self.deadline is not None

    def check(self) -> None:
        if self.stop and not self._nearly_done():
            raise Stopped

    @contextmanager
    def shielded(self) -> Generator[None, None, None]:
        """Do not interrupt the block; raise `Stopped` after it if SIGTERM came meanwhile."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        if not self._shields and self.stop:
            raise Stopped

    @contextmanager
    def exposed(self) -> Generator[None, None, None]:
        """Let SIGTERM interrupt the block although it is inside a shield."""
        shields, self._shields = self._shields, 0
        try:
            self.check()
            yield
        finally:
            self._shields = shields

    def _nearly_done(self) -> bool:
        left = self._stopped_at + NEARLY_DONE_SECONDS - monotonic()
        return left > 0 and self.can_finish(left)

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        again, self.stop = self.stop, True
        self._stopped_at = self._stopped_at or monotonic()
        if self._ignoring or self._shields:
            return
        if (not again or number == signal.SIGALRM) and self._nearly_done():
            signal.setitimer(signal.ITIMER_REAL, REPEAT_SECONDS)
            return
        # C code may clear any exception (the import of numpy.random does): raise it again until it gets through.
        signal.setitimer(signal.ITIMER_REAL, REPEAT_SECONDS)
        if again and number != signal.SIGALRM:
            self._stopped_at = -NEARLY_DONE_SECONDS  # sent twice: end now
        raise Stopped

    def _on_drain(self, _number: int, _frame: FrameType | None) -> None:
        self.drain = True
