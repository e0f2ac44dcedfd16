"""How many tokens go through the engine at once, and when it will have nothing left to do.

Knows the engine's recent rate. Knows no shards and no store.
"""

from dataclasses import dataclass
from time import monotonic

from tasks.worker.monitoring.stage_timer import WorkerProgress
from tasks.worker.reading.windows import WINDOW_TOKENS

# Seconds of work in one engine call. Half of it is lost with a worker that is told to end: of ten shards of a few
# minutes each, 0.5 %. One call still holds many batches, so that sorting texts by length keeps saving padding.
ENGINE_SECONDS = 20.0
FIRST_ENGINE_TOKENS = (
    2**16
)  # tokens of the first call at most: the engine's rate is that of its check, or unknown
LEAST_ENGINE_TOKENS = 2**10  # tokens of a call, however slow the engine is
# Of the time until the machine goes, plan to use this share: the engine's rate is an estimate.
USABLE_SHARE = 0.8


@dataclass(slots=True)
class EngineSchedule:
    """What the engine is doing now, written by the engine loop and read by the reader.

    Attributes:
        busy_until: when the present call will end, by the monotonic clock; 0 between calls.
    """

    progress: WorkerProgress
    busy_until: float = 0.0

    @property
    def rate(self) -> float | None:
        """Tokens per second of engine time, as they were recently; None before the first call."""
        return self.progress.rate

    def call_tokens(self) -> int:
        """Tokens that go through the engine in one call."""
        rate = self.rate or self.progress.first_rate
        by_rate = (
            FIRST_ENGINE_TOKENS if rate is None else max(LEAST_ENGINE_TOKENS, int(rate * ENGINE_SECONDS))
        )
        return min(WINDOW_TOKENS, by_rate if self.rate else min(FIRST_ENGINE_TOKENS, by_rate))

    def started(self, tokens: int) -> None:
        """A call with so many tokens begins now."""
        if self.rate:
            self.busy_until = monotonic() + tokens / self.rate

    def ended(self) -> None:
        """The call is over."""
        self.busy_until = 0.0

    def seconds_left(self, queued_tokens: int) -> float:
        """Seconds until the engine is through with its present call and the tokens that wait for it."""
        queued = queued_tokens / self.rate if self.rate else 0.0
        return max(0.0, self.busy_until - monotonic()) + queued

    def tokens_within(self, seconds: float) -> int:
        """Tokens that can be embedded in so many seconds, with a margin. May be negative."""
        return int(seconds * USABLE_SHARE * (self.rate or 0.0))
