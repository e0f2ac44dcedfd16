"""The interface of every backend, and what a backend reports of a machine. One contract suite holds for all of them.

A machine has a name that we chose, and a handle that the backend gave it. Starting is idempotent: two requests with one
name start one machine, whichever launcher makes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from launcher.errors import Problem
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.records import MachineState, Site
from tasks.skypilot_task import Place


class RequestRefused(Problem):
    """This machine cannot be had as it was asked for; another kind may be."""


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """A machine to start. `group` and `places` are for rented machines, `device` for a worker of this machine."""

    name: str
    offset: int  # position of the shard that it begins with
    device: str | None = None
    group: int = 0
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """A machine as its backend sees it. `phase` None: it has ended, and `state` is what became of it."""

    phase: Phase | None
    state: MachineState | None = None
    exit_code: int | None = None  # of its program
    reason: str | None = None
    life: int = 0  # how often it was replaced after a preemption
    site: Site | None = None  # where it is; None: not known, or nowhere yet
    up: datetime | None = None  # when this life began to run
    ended: datetime | None = None
    launching_since: datetime | None = None  # when it was first seen to be launching at `site`
    refused: bool = False  # it is not there yet, and its places have said that they have none

    @property
    def alive(self) -> bool:
        return self.phase is not None

    @property
    def came(self) -> bool:
        """Whether a machine was given, in whichever life."""
        return self.phase == Phase.RUNNING or self.up is not None or self.life > 0


class Backend(Protocol):
    """Where machines come from."""

    poll_seconds: float  # between two refreshes

    def refresh(self) -> None:
        """Read the state of all machines at once. The other methods answer as of the last refresh, or newer."""
        ...

    def start(self, requests: Sequence[LaunchRequest]) -> Mapping[str, str | Exception]:
        """Start machines; return by name the handle, or the Problem that prevented it."""
        ...

    def find(self, name: str) -> str | None:
        """The handle of the living machine of this name; None when there is none."""
        ...

    def list_alive(self) -> Mapping[str, str]:
        """Handles by name of the run's living machines, as far as the backend knows which run they belong to."""
        ...

    def status(self, handle: str) -> MachineStatus | None:
        """The state of a machine; None: the backend knows nothing of it any more."""
        ...

    def last_status(self, name: str) -> MachineStatus | None:
        """The state of the newest machine of this name, ended ones included; None: the backend knows none."""
        ...

    def drain(self, handles: Sequence[str]) -> None:
        """Let these machines finish the shards that they hold, then end; others of the run go on."""
        ...

    def terminate(self, handles: Sequence[str]) -> None:
        """Let machines give their leases back and end at once."""
        ...

    def kill(self, handles: Sequence[str]) -> None:
        """End machines that do not react."""
        ...

    def price(self, site: Site, instance_type: str | None) -> Decimal | None:
        """Dollars an hour of such a machine by the backend's own price list; None: no price, or no list."""
        ...

    def blamed_leases(self, name: str, handle: str, exit_code: int | None) -> Mapping[str, str]:
        """Leases whose shards crashed the machine, with its place; none where that is unknown or known elsewhere."""
        ...

    def log_tail(self, name: str) -> str:
        """The last lines of a machine's log."""
        ...

    def log_path(self, name: str) -> Path:
        """Where a machine's log is on this laptop."""
        ...

    def clean_up(self, name: str) -> None:
        """Remove what was kept for a machine that has ended and whose end is in the ledger."""
        ...
