"""What every cloud can do, and what it says of a machine. The rented and the local ones have the same verbs.

A machine has a name that we chose, and a handle that the cloud gave it: asking for a name twice starts one machine,
whoever asks.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from launcher.fleet.states import Phase
from launcher.ledger.records import MachineState, Site
from tasks.skypilot_task import Place


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """A machine to start. `places` and `lot` are for machines that are rented, `device` for a worker here."""

    name: str
    offset: int  # position of the shard that it begins at
    device: str | None = None
    lot: int = 0
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """A machine as its cloud sees it now. `phase` None: it has ended, and `state` is what became of it."""

    phase: Phase | None
    state: MachineState | None = None
    exit_code: int | None = None  # exit status of what ran on it
    reason: str | None = None
    life: int = 0  # how often it came back
    site: Site | None = None  # where it is; None: not known, or nowhere yet
    up: datetime | None = None  # since when this life runs
    ended: datetime | None = None
    launching_since: datetime | None = None  # since when a machine was seen to be on its way to `site`

    @property
    def alive(self) -> bool:
        return self.phase is not None


class Backend(Protocol):
    """Where machines come from."""

    poll_seconds: float  # seconds between looks

    def refresh(self) -> None:
        """See all machines at once. What the other verbs answer is as of the last look, or newer."""
        ...

    def start(self, asks: Sequence[LaunchRequest]) -> Mapping[str, str | Exception]:
        """By name: the handle, or the Problem why there is none."""
        ...

    def find(self, name: str) -> str | None:
        """The handle of the living machine of this name, None when there is none."""
        ...

    def list_alive(self) -> Mapping[str, str]:
        """Handles by name of the run's living machines, as far as the cloud knows whose they are."""
        ...

    def status(self, handle: str) -> MachineStatus | None:
        """None: nothing is known of it any more."""
        ...

    def drain(self, handles: Sequence[str]) -> None:
        """Finish the shards in hand, then end."""
        ...

    def terminate(self, handles: Sequence[str]) -> None:
        """Give the leases back and end at once."""
        ...

    def kill(self, handles: Sequence[str]) -> None:
        """For those that do not hear."""
        ...

    def price(self, site: Site, instance_type: str | None) -> Decimal | None:
        """Dollars an hour of such a machine there, by the cloud's own list; None: it has none, or cannot say."""
        ...

    def blamed_leases(self, name: str, handle: str, code: int | None) -> Collection[str]:
        """Keys of the leases whose shards it died of; none where nobody can know, or its own supervisor tells."""
        ...

    def log_tail(self, name: str) -> str:
        """The end of its log."""
        ...

    def log_path(self, name: str) -> Path:
        """Where its words are on this laptop."""
        ...

    def clean_up(self, name: str) -> None:
        """It has ended and is written down: what was kept for it can go."""
        ...
