"""Where a worker's time goes: seconds by stage, tokens, the first minute, and the recent rate.

Stages overlap, because reading and writing run beside the engine: only `engine`, `wait` (nothing was ready for the
engine) and `idle` (no shard was free) add up to the worker's own time. The clock is given.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import perf_counter

from tasks.worker.monitoring.start_timer import StartTimer

STAGES = ("read", "tokenise", "engine", "write", "store", "wait", "idle")
MINUTE_SECONDS = 60.0  # of the first measurement, and of the recent rate


class StageTimer:
    """Seconds by stage, added here and in `whole`, the timer that this one is a part of."""

    def __init__(self, whole: "StageTimer | None" = None, clock: Callable[[], float] = perf_counter) -> None:
        self.seconds: dict[str, float] = {}
        self.clock = clock
        self._whole = whole
        self._lock = threading.Lock()

    def add(self, stage: str, seconds: float) -> None:
        with self._lock:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
        if self._whole:
            self._whole.add(stage, seconds)

    @contextmanager
    def time(self, stage: str) -> Generator[None, None, None]:
        """Add the time of the block to a stage."""
        start = self.clock()
        try:
            yield
        finally:
            self.add(stage, self.clock() - start)


class WorkerProgress:
    """A worker's figures since it was ready. `first_rate`: tokens per second of the engine's check; None: unknown.

    `start` times the stages of its start, the last of which ends with the first call of the engine.
    """

    def __init__(
        self,
        clock: Callable[[], float] = perf_counter,
        first_rate: float | None = None,
        start: StartTimer | None = None,
    ) -> None:
        self.clock = clock
        self.start = start or StartTimer()
        self.first_rate = first_rate
        self.stages = StageTimer(clock=clock)
        self.tokens = 0  # through the engine, committed or not
        self.rate: float | None = None  # recent tokens per second of engine time
        self.first_minute: dict[str, float] | None = None
        self._start = clock()
        self._first: float | None = None  # when the engine began
        self._engine = 0.0
        self._marks: deque[tuple[float, int]] = deque(maxlen=64)

    @property
    def seconds(self) -> float:
        return self.clock() - self._start

    def embedded(self, tokens: int, seconds: float) -> None:
        """Record that the engine took `seconds` for so many tokens."""
        now = self.clock()
        self.start.end()
        if self._first is None:
            self._first = now - seconds
        self.tokens += tokens
        self._engine += seconds
        if seconds > 0:
            fresh = tokens / seconds
            self.rate = fresh if self.rate is None else 0.7 * self.rate + 0.3 * fresh
        lasted = now - self._first
        if self.first_minute is None and lasted >= MINUTE_SECONDS:
            self.first_minute = {"seconds": lasted, "tokens": self.tokens, "engine_seconds": self._engine}

    def recent(self) -> float | None:
        """Tokens per second over about the last minute, from the times of calls; None before there are two of them."""
        now = self.clock()
        self._marks.append((now, self.tokens))
        while len(self._marks) > 2 and self._marks[1][0] <= now - MINUTE_SECONDS:
            self._marks.popleft()
        (then, before), span = self._marks[0], now - self._marks[0][0]
        return (self.tokens - before) / span if span > 0 and then < now else None
