"""What the laptop learns of a run that its pilot drives: from what the pilot wrote into the store last. Asks no cloud."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from launcher.documents.status import PilotStatus
from launcher.errors import Problem
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import RunState
from launcher.pilot.ledger_copy import SILENT, copy_age, take_over_copy
from launcher.planning.pilot_machine import PILOT_EVENT
from tasks.stores.base import Store

OVER = (RunState.DONE, RunState.STOPPED)


@dataclass(frozen=True, slots=True)
class PilotNews:
    """How old the pilot's last word is, and whether it is at work."""

    age: timedelta
    drives: bool

    @property
    def status(self) -> PilotStatus:
        """The same for `status`."""
        return PilotStatus(self.age.total_seconds(), self.drives)


def is_handed_over(ledger: Ledger, run: str) -> bool:
    """Whether this ledger's user ever sent a pilot for the run."""
    return any(event.kind == PILOT_EVENT for event in ledger.runs.events(run))


def news_of_pilot(ledger: Ledger, store: Store, run: str, say: Callable[[str], None]) -> PilotNews | None:
    """Take over what the run's pilot wrote last; None: the run never had one.

    A copy that cannot be read is said, and left.
    """
    age = copy_age(store, run)
    if age is None:
        return None
    try:
        take_over_copy(ledger, store, run)
    except Problem as problem:
        say(f"{problem}; {problem.hint}")
    return PilotNews(age, age < SILENT and ledger.runs.find(run).state not in OVER)
