"""."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from launcher.fleet.policy import MachineView
from launcher.fleet.states import ALIVE, Phase
from launcher.ledger.records import Progress


@dataclass(frozen=True, slots=True)
class ProgressSnapshot:
    """What a person who watches wants to know."""

    progress: Progress
    workers: int
    ready: int
    deaths: int
    spent: Decimal | None
    started: datetime
    tokens_before: int  # done before this launch: their time is not ours
    draining: bool
    rented: bool = False
    coming: int = 0  # machines that were asked for and are not there yet
    recovering: int = 0


def count_pending(workers: Sequence[MachineView], ready: Collection[str]) -> int:
    """Machines that were asked for and are not there yet; that one is there, its workers tell before SkyPilot does."""
    return sum(w.state in ALIVE and w.phase == Phase.WAITING and w.name not in ready for w in workers)
