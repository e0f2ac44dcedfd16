"""Time, speed, cost per token and time left of a run: the one definition behind every screen, page, message and JSON.

Pure. `docs/glossary.md` states the definitions for readers:

- The time of a run begins when its first machine is asked for, as the hours of a plan do, and ends with the last receipt,
  or now while shards are open. A pause, in which no machine was asked for or there for longer than PAUSE, is no part.
- Its speed is its tokens divided by its time: start of machines, waiting and idle workers are in it.
- Its cost per token is all that it cost, divided by its tokens.
- The time left is the tokens that are left at its pace: tokens divided by the time with a worker that was ready.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from launcher.costs.usage.machine_time import MachineTime
from launcher.money import USD_GRAIN

PAUSE = timedelta(
    seconds=60
)  # a shorter stretch without machines is the launcher's own: it replaces a dead worker
TOLERANCE = timedelta(seconds=60)  # a receipt this long after the last machine is of a wrong clock
ALIVE = ("INTENDED", "UP")
TOKENS_PER_MILLION = 1_000_000
MOST_SHARE = 0.99  # that is shown of a run with open shards: its expected tokens are an estimate

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRates:
    """How long a run took, or has taken, and what follows for its tokens. None: not known yet.

    `tokens` have a receipt; `tokens_open` are embedded beside them, in shards that are in work.
    """

    seconds: float | None
    ready_seconds: float  # with at least one worker that was ready
    tokens: int
    tokens_open: int = 0
    tokens_expected: int | None = None
    finished: bool = False
    usd: Decimal | None = None  # None: some of it has no price

    @property
    def tokens_embedded(self) -> int:
        """All tokens that are embedded now."""
        return self.tokens + self.tokens_open

    @property
    def tokens_per_second(self) -> float | None:
        """The speed of the run; None before the first token."""
        return self.tokens_embedded / self.seconds if self.seconds and self.tokens_embedded else None

    @property
    def usd_per_million_tokens(self) -> Decimal | None:
        """The cost per token of the run."""
        return usd_per_million(self.usd, self.tokens_embedded)

    @property
    def pace(self) -> float | None:
        """Tokens per second while a worker was ready: what is to be expected from now on."""
        return (
            self.tokens_embedded / self.ready_seconds if self.ready_seconds and self.tokens_embedded else None
        )

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the last token at this pace; None before the first token, or where the total is unknown."""
        if self.finished:
            return 0.0
        if self.pace is None or self.tokens_expected is None:
            return None
        left = self.tokens_expected - self.tokens_embedded
        return left / self.pace if left > 0 else None  # more than was expected: how much more is not known

    @property
    def share(self) -> float | None:
        """The share of the expected tokens that is embedded, below 1 while shards are open."""
        if self.finished:
            return 1.0
        if not self.tokens_expected:
            return None
        return min(MOST_SHARE, self.tokens_embedded / self.tokens_expected)


def usd_per_million(usd: Decimal | None, tokens: int) -> Decimal | None:
    """Dollars per million tokens; None where either is unknown or nothing."""
    return None if usd is None or not tokens else (usd * TOKENS_PER_MILLION / tokens).quantize(USD_GRAIN)


def run_seconds(
    machines: Iterable[MachineTime],
    now: datetime,
    *,
    first: datetime | None,
    last: datetime | None,
    finished: bool,
) -> float | None:
    """The time of a run.

    Args:
        machines: every life of every machine.
        now: the end while shards are open.
        first: when work on the first shard with a receipt began, by its worker's clock.
        last: when the last receipt was made, by its worker's clock.
        finished: every shard has a receipt.

    Returns:
        Seconds. None where no machine was asked for and no shard is done.
    """
    spans = _merged(_machine_spans(machines, now), PAUSE)
    if not spans:  # a ledger that was rebuilt, or a run that never began
        return None if first is None or last is None else max(0.0, (last - first).total_seconds())
    begin, end = spans[0][0], spans[-1][1]
    if finished and last is not None and begin <= last <= end + TOLERANCE:
        end = min(end, last)
    return sum(max(0.0, (min(until, end) - since).total_seconds()) for since, until in spans)


def ready_seconds(machines: Iterable[MachineTime], now: datetime) -> float:
    """Seconds with at least one worker that was ready, without pauses of the whole run such as a night."""
    spans = _merged(((m.ready, m.ended or now) for m in machines if m.ready), timedelta(0))
    return sum((until - since).total_seconds() for since, until in spans)


def _machine_spans(machines: Iterable[MachineTime], now: datetime) -> list[Span]:
    """From when each machine was asked for until its end: one that was taken away and comes back is waited for."""
    lives = defaultdict[str, list[MachineTime]](list)
    for machine in machines:
        lives[machine.name].append(machine)
    spans: list[Span] = []
    for mine in lives.values():
        begin = min(m.asked or m.started for m in mine)
        alive = any(m.ended is None or m.state in ALIVE for m in mine)
        spans.append((begin, now if alive else max(m.ended or now for m in mine)))
    return spans


def _merged(spans: Iterable[Span], gap: timedelta) -> list[Span]:
    """The stretches that the spans cover, in order; those no more than `gap` apart are one."""
    found: list[Span] = []
    for since, until in sorted(spans):
        if found and since <= found[-1][1] + gap:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        elif until >= since:
            found.append((since, until))
    return found
