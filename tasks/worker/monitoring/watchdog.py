"""The watchdog: an engine that hangs must not keep its leases for ever.

The threads that renew leases live on while the engine hangs in a driver or a deadlock, so the shard would wait for it as
long as the machine is paid for. A call of the engine has as long as its tokens took recently, times HANG_FACTOR, and at
least FLOOR_SECONDS; a read of the input has READ_SECONDS for the next rows. After that the worker gives its leases back
and ends, with an exit status of its own, and is started again. The shards of the step that hangs are blamed as for a
crash: a row on which a reader or a tokenizer never ends would stop one worker after the other. Time in which the whole
process stood still does not count: a machine that was suspended has no engine that hangs.
"""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from tasks.engines.base import Encoder, Vectors
from tasks.models.tokenizing.tokenizer import PieceTokenizer
from tasks.protocol.messages import crash_marker

HANG_FACTOR = 10.0  # times what the call should take: a GPU that shares its power may be slow, not so slow
FLOOR_SECONDS = 60.0  # of a call, at least: kernels are compiled for new shapes now and then
FIRST_CALL_SECONDS = 600.0  # of a call while the engine's rate is unknown
READ_SECONDS = 600.0  # until the next rows of the input are read and tokenised
TICK_SECONDS = 0.5


@dataclass(slots=True)
class Step:
    """A step that is being done, and the seconds that it has taken and may take.

    Attributes:
        marker: the name of the crash marker that lists the shards of the step (`tasks.protocol.messages.crash_marker`).
    """

    what: str
    allowed: float
    marker: str
    taken: float = 0.0

    def __str__(self) -> str:
        return f"{self.what} has taken {self.taken:,.0f} s, and {self.allowed:,.0f} s are allowed"


@dataclass(slots=True)
class Watchdog:
    """Measures steps of the worker's threads, and calls `on_hang` once, on a thread of its own, when one takes too long.

    Attributes:
        on_hang: called with the step that hangs.
        rate: tokens per second of engine time, as they were recently; None: unknown.
    """

    on_hang: Callable[[Step], None]
    rate: Callable[[], float | None] = lambda: None
    floor: float = FLOOR_SECONDS
    first: float = FIRST_CALL_SECONDS
    tick: float = TICK_SECONDS
    clock: Callable[[], float] = monotonic
    _steps: dict[int, Step] = field(default_factory=dict[int, Step])  # by thread
    _end: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        self._end.set()

    def allowed(self, tokens: int) -> float:
        """Seconds that a call of the engine with so many tokens may take."""
        rate = self.rate()
        return max(self.floor, HANG_FACTOR * tokens / rate) if rate else max(self.floor, self.first)

    @contextmanager
    def watch(self, what: str, seconds: float, marker: str) -> Generator[None, None, None]:
        """The block may take so many seconds."""
        thread = threading.get_ident()
        self._steps[thread] = Step(what, seconds, marker)
        try:
            yield
        finally:
            self._steps.pop(thread, None)

    def look(self, passed: float) -> Step | None:
        """Add the time that passed to every step; the one that hangs."""
        for step in list(self._steps.values()):
            step.taken += passed
            if step.taken > step.allowed:
                return step
        return None

    def _run(self) -> None:
        last = self.clock()
        while not self._end.wait(self.tick):
            now = self.clock()
            hangs = self.look(min(now - last, 2 * self.tick))
            last = now
            if hangs is not None:
                self.on_hang(hangs)
                return


class WatchedEncoder:
    """An encoder whose every call is watched."""

    def __init__(self, encoder: Encoder, watchdog: Watchdog) -> None:
        self._encoder, self._watchdog = encoder, watchdog
        self.name, self.dtype, self.device = encoder.name, encoder.dtype, encoder.device
        self.dimensions = encoder.dimensions
        self.tokenizer: PieceTokenizer = encoder.tokenizer

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        tokens = sum(map(len, ids))
        what = f"the engine's call with {tokens:,} tokens"
        with self._watchdog.watch(what, self._watchdog.allowed(tokens), crash_marker.NAME):
            return self._encoder.encode(ids)
