"""When a launcher looked: gaps in which it slept, and whether what it read is too old to decide by.

A laptop that is closed stops the process in the middle of anything. What was read before is then hours old, and places,
prices and machines are others by now. A gap is an event of the run, and `status` shows the last one.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from launcher.documents.course import AsleepSpan
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import RunEvent
from launcher.steering.situation import LOOK_SECONDS

ASLEEP_EVENT = "asleep"
ASLEEP_LOOKS = 10  # a gap of so many looks is no slow look
OLDEST = timedelta(seconds=2 * LOOK_SECONDS)  # two looks: what was read earlier is not decided by
TIME = "%Y-%m-%d %H:%M:%S"
BEGINNING = "since "


@dataclass(slots=True)
class Looks:
    """The looks of one launcher at one run. `last`: when it last knew to be awake; None: it has not looked yet."""

    ledger: Ledger
    run: str
    poll_seconds: float
    last: datetime | None = None

    def begin(self, now: datetime) -> None:
        """A look begins. A long gap since the last one is written down."""
        before, self.last = self.last, now
        if before is not None and now - before > self.longest:
            text = f"{BEGINNING}{before.astimezone(UTC):{TIME}} UTC: no launcher looked"
            self.ledger.runs.record_event(self.run, ASLEEP_EVENT, text, now)

    def is_stale(self, read: datetime, now: datetime) -> bool:
        """Whether what was read at `read` is older than two looks."""
        return now - read > OLDEST

    @property
    def longest(self) -> timedelta:
        """The longest time between two looks that is no sleep."""
        return max(OLDEST, timedelta(seconds=ASLEEP_LOOKS * self.poll_seconds))


def last_sleep(events: Iterable[RunEvent]) -> AsleepSpan | None:
    """The last gap in the looks of a run by its events; None: there was none."""
    found: AsleepSpan | None = None
    for event in events:
        if event.kind != ASLEEP_EVENT:
            continue
        with suppress(ValueError):  # a text of another version
            words = event.text.removeprefix(BEGINNING).split(" UTC")[0]
            found = AsleepSpan(datetime.strptime(words, TIME).replace(tzinfo=UTC), event.at)
    return found
