"""What the ledger remembers, as values, and the moves they may make.

Pure, so the core can speak of runs, machines and leases without a database. "Seen" is what the laptop saw of a
thing whose truth lies elsewhere, in the store or with a provider.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any


class RunState(StrEnum):
    PLANNED = "PLANNED"
    RUNNING = "RUNNING"
    DRAINING = "DRAINING"  # no new leases; workers finish what they hold
    STOPPED = "STOPPED"  # can be resumed
    DONE = "DONE"


RUN_MOVES: frozenset[tuple[RunState, RunState]] = frozenset(
    {
        (RunState.PLANNED, RunState.RUNNING),
        (RunState.PLANNED, RunState.STOPPED),
        # A ledger made anew from the output path finds a run that is over.
        (RunState.PLANNED, RunState.DONE),
        (RunState.RUNNING, RunState.DRAINING),
        (RunState.RUNNING, RunState.STOPPED),
        (RunState.RUNNING, RunState.DONE),
        (RunState.DRAINING, RunState.RUNNING),
        (RunState.DRAINING, RunState.STOPPED),
        (RunState.DRAINING, RunState.DONE),
        (RunState.STOPPED, RunState.RUNNING),
        # Workers need only the store: the last shard may come in while nobody watches.
        (RunState.STOPPED, RunState.DONE),
    }
)


class MachineState(StrEnum):
    INTENDED = "INTENDED"  # written before the act: after a crash it says what to look for
    UP = "UP"
    LOST = "LOST"
    STOPPED = "STOPPED"
    FAILED = "FAILED"


MACHINE_MOVES: frozenset[tuple[MachineState, MachineState]] = frozenset(
    {
        (MachineState.INTENDED, MachineState.UP),
        (MachineState.INTENDED, MachineState.LOST),
        (MachineState.INTENDED, MachineState.STOPPED),
        (MachineState.INTENDED, MachineState.FAILED),
        (MachineState.UP, MachineState.LOST),
        (MachineState.UP, MachineState.STOPPED),
        (MachineState.UP, MachineState.FAILED),
        # Believed lost, found again and stopped: it cost money until then.
        (MachineState.LOST, MachineState.STOPPED),
    }
)


class ShardState(StrEnum):
    WAITING = "WAITING"
    DONE = "DONE"


class LeaseOutcome(StrEnum):
    """How a lease ended; HELD has not."""

    HELD = "HELD"
    DONE = "DONE"
    LOST = "LOST"
    RETURNED = "RETURNED"


@dataclass(frozen=True, slots=True)
class Run:
    id: str
    name: str
    plan: str  # JSON, as it was approved
    plan_digest: str
    output: str
    place: str
    state: RunState
    created: datetime
    changed: datetime  # when it came into this state


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """The slices are in the manifest."""

    id: str
    position: int
    bytes: int
    tokens_expected: int | None
    state: ShardState


@dataclass(frozen=True, slots=True)
class ObservedLease:
    shard: str  # id
    generation: int
    worker: str
    claimed: datetime
    last_seen: datetime
    ended: datetime | None = None
    outcome: LeaseOutcome = LeaseOutcome.HELD


@dataclass(frozen=True, slots=True)
class Site:
    """Where a machine is, or was asked for, and as what. None: not known, or this machine has no such thing."""

    cloud: str = "local"
    region: str | None = None
    zone: str | None = None
    purchase: str | None = None  # "spot" or "on-demand"; None: nobody rented it
    instance_type: str | None = None
    gpus: float | None = None
    disk_gb: float | None = None

    @property
    def place(self) -> str:
        """In one word, as it is shown."""
        return self.cloud if self.region is None else f"{self.cloud}/{self.region}"


LOCAL_SITE = Site()  # this machine


@dataclass(frozen=True, slots=True)
class Machine:
    """What was asked for, under one name. What became of it, once or again and again, is in its lives."""

    name: str  # chosen by us, so that asking twice starts one
    run: str
    slot: int
    place: str
    gpu: str
    usd_per_hour: Decimal | None  # as planned; what was paid since is in the prices seen
    state: MachineState
    handle: str | None  # the provider's name for it, or "pid:create_time"
    intended: datetime
    confirmed: datetime | None
    ready: datetime | None  # when its worker could embed: what came before is cold start
    stopping: datetime | None  # when it was told to stop: what came after is teardown
    ended: datetime | None
    reason: str | None
    exit_code: int | None
    lot: int | None = None  # of the plan, counted from 0
    cloud: str = "local"
    region: str | None = None
    zone: str | None = None
    purchase: str | None = None  # "spot" or "on-demand"; None: nobody rented it
    instance_type: str | None = None
    gpus: float | None = None
    disk_gb: float | None = None

    @property
    def site(self) -> Site:
        """Where it was asked for. A life may have come up elsewhere."""
        return Site(
            self.cloud, self.region, self.zone, self.purchase, self.instance_type, self.gpus, self.disk_gb
        )


class LifeEnd(StrEnum):
    """How a life ended."""

    PREEMPTED = "PREEMPTED"  # the cloud took it back
    STOPPED = "STOPPED"  # we did
    FAILED = "FAILED"  # it ran, and could not do its work
    LOST = "LOST"  # nobody knows


@dataclass(frozen=True, slots=True)
class Life:
    """One stretch in which a machine ran and cost money: a spot machine may come back, elsewhere and dearer."""

    machine: str
    number: int  # from 0; how often it had been recovered before
    cloud: str
    region: str | None
    zone: str | None
    purchase: str | None
    instance_type: str | None
    gpus: float | None
    disk_gb: float | None
    usd_per_hour: Decimal | None  # as it began; what it was later is in the prices seen
    asked: datetime | None
    up: datetime  # the provider said that it runs: billing begins
    ready: datetime | None
    stopping: datetime | None
    ended: datetime | None  # as far as we know; None: it runs, or nobody reported its end
    gone: datetime | None  # the provider confirmed that it is not there any more
    how: LifeEnd | None

    @property
    def site(self) -> Site:
        return Site(
            self.cloud, self.region, self.zone, self.purchase, self.instance_type, self.gpus, self.disk_gb
        )


@dataclass(frozen=True, slots=True)
class ColdStart:
    """How long a machine took from being asked for until it could embed, with this model."""

    model: str
    cloud: str
    gpu: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ObservedPrice:
    """`source`: "plan", "launch", "spot history" or "provider". `life`: the only one it is of; None: whichever ran."""

    machine: str
    at: datetime
    source: str
    usd_per_hour: Decimal
    life: int | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """Money for something else than a machine's hours. `usd` None: not known, for this `reason`."""

    name: str  # chosen by us, so that the same again is one
    kind: str  # "egress", "requests", "controller", "storage" or "disk"
    at: datetime
    quantity: float | None
    unit: str
    usd: Decimal | None
    reason: str | None = None
    machine: str | None = None  # of which it is, where it is of one


@dataclass(frozen=True, slots=True)
class BudgetLimit:
    """A budget as the user set it; the newest holds."""

    at: datetime
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Notification:
    """A message that was sent, or is still to be: one of a kind for a run. Never holds where it is sent to."""

    kind: str
    at: datetime
    text: str
    tries: int
    sent: datetime | None


@dataclass(frozen=True, slots=True)
class MeasuredSpeed:
    """Tokens per second of one GPU; `low` and `high` are P10 and P90."""

    model: str
    gpu: str
    engine: str
    low: float
    mid: float
    high: float
    source: str
    at: datetime
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunEvent:
    id: int  # only grows
    at: datetime
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class RunProgress:
    """The sums of a run. Those after `shards_done` are over finished shards only."""

    shards: int
    bytes: int
    tokens_known: int  # expected of the shards somebody could estimate
    shards_unsized: int  # the others
    shards_done: int  # the failed ones are among them
    shards_failed: int  # nothing of them could be embedded
    documents: int
    chunks: int
    tokens: int
    tokens_cut: int
    tokens_repeated: int  # of `tokens`, those of texts that were embedded once already
    failed_rows: int
    input_bytes: int
    output_bytes: int
    first_started: datetime | None
    last_finished: datetime | None

    @property
    def tokens_expected(self) -> int | None:
        """Of the whole run; None while any shard's are unknown."""
        return None if self.shards_unsized else self.tokens_known
