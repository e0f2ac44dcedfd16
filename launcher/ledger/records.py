"""The records of the ledger as frozen values, and the state machines of runs and machines.

Pure, so the core can use runs, machines and leases without a database. The fields of a record are the columns of its
table (`tables`). "Observed" is what the laptop saw of a thing whose truth is elsewhere: in the store or with a provider.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any


class RunState(StrEnum):
    """Where a run is in its course."""

    PLANNED = "PLANNED"
    RUNNING = "RUNNING"
    DRAINING = "DRAINING"  # no new leases; workers finish what they hold
    STOPPED = "STOPPED"  # can be resumed
    DONE = "DONE"


RUN_MOVES: frozenset[tuple[RunState, RunState]] = frozenset(
    {
        (RunState.PLANNED, RunState.RUNNING),
        (RunState.PLANNED, RunState.STOPPED),
        # A ledger rebuilt from the output path may find that the run is over.
        (RunState.PLANNED, RunState.DONE),
        (RunState.RUNNING, RunState.DRAINING),
        (RunState.RUNNING, RunState.STOPPED),
        (RunState.RUNNING, RunState.DONE),
        (RunState.DRAINING, RunState.RUNNING),
        (RunState.DRAINING, RunState.STOPPED),
        (RunState.DRAINING, RunState.DONE),
        (RunState.STOPPED, RunState.RUNNING),
        # Workers need only the store: the last shard may be done while no launcher runs.
        (RunState.STOPPED, RunState.DONE),
        # Shards of a finished run are open again: their output is gone, or they are to be tried again.
        (RunState.DONE, RunState.STOPPED),
    }
)


class MachineState(StrEnum):
    """Where a machine is in its course; the last three are its ends."""

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
        # Taken for lost, found again and stopped: it cost money until then.
        (MachineState.LOST, MachineState.STOPPED),
    }
)


class ShardState(StrEnum):
    """Whether a shard has a receipt."""

    WAITING = "WAITING"
    DONE = "DONE"


class LeaseOutcome(StrEnum):
    """How a lease ended; HELD has not ended."""

    HELD = "HELD"
    DONE = "DONE"
    LOST = "LOST"
    RETURNED = "RETURNED"


@dataclass(frozen=True, slots=True)
class Run:
    """A plan that is being carried out, or was."""

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
    """A shard of a run; its slices are in the manifest."""

    id: str
    position: int
    bytes: int
    tokens_expected: int | None
    state: ShardState


@dataclass(frozen=True, slots=True)
class ObservedLease:
    """A lease of a worker on a shard, as it was observed last."""

    shard: str  # id
    generation: int
    worker: str
    claimed: datetime
    last_seen: datetime
    ended: datetime | None = None
    outcome: LeaseOutcome = LeaseOutcome.HELD


@dataclass(frozen=True, slots=True)
class Site:
    """Where a machine runs or was asked for, and as what. None: not known, or a local machine has no such thing."""

    cloud: str = "local"
    region: str | None = None
    zone: str | None = None
    purchase: str | None = None  # "spot" or "on-demand"; None: not rented
    instance_type: str | None = None
    gpus: float | None = None
    disk_gb: float | None = None

    @property
    def place(self) -> str:
        """The short name of the site, as it is shown."""
        return self.cloud if self.region is None else f"{self.cloud}/{self.region}"

    @property
    def zoned(self) -> str:
        """The same with the zone, where it is known: what takes machines away, and has some again, is a zone."""
        return self.place if self.zone is None else f"{self.place}/{self.zone}"


LOCAL_SITE = Site()  # the computer that the launcher runs on


def _site_of(record: "Machine | Life") -> Site:
    return Site(
        cloud=record.cloud,
        region=record.region,
        zone=record.zone,
        purchase=record.purchase,
        instance_type=record.instance_type,
        gpus=record.gpus,
        disk_gb=record.disk_gb,
    )


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that was asked for under one name. When and where it ran, once or several times, is in its lives."""

    name: str  # chosen by us, so that asking twice starts one
    run: str
    slot: int
    place: str
    gpu: str
    usd_per_hour: Decimal | None  # as planned; what was paid since is in the observed prices
    state: MachineState
    handle: str | None  # the provider's name for it, or "pid:create_time"
    intended: datetime
    confirmed: datetime | None
    ready: datetime | None  # when its worker could embed: the time before is cold start
    stopping: datetime | None  # when it was asked to stop: the time after is teardown
    ended: datetime | None
    reason: str | None
    exit_code: int | None
    lot: int | None = None  # the number of its machine group in the plan, from 0
    cloud: str = "local"
    region: str | None = None
    zone: str | None = None
    purchase: str | None = None  # "spot" or "on-demand"; None: not rented
    instance_type: str | None = None
    gpus: float | None = None
    disk_gb: float | None = None

    @property
    def site(self) -> Site:
        """Where the machine was asked for. A life may have begun elsewhere."""
        return _site_of(self)


class LifeEnd(StrEnum):
    """Why a life of a machine ended."""

    PREEMPTED = "PREEMPTED"  # the cloud took it back
    STOPPED = "STOPPED"  # we stopped it
    FAILED = "FAILED"  # it ran and could not do its work
    LOST = "LOST"  # not known


@dataclass(frozen=True, slots=True)
class Life:
    """One stretch in which a machine ran and cost money: a spot machine may come back, elsewhere and at another price."""

    machine: str
    number: int  # from 0; how often it had been recovered before
    cloud: str
    region: str | None
    zone: str | None
    purchase: str | None
    instance_type: str | None
    gpus: float | None
    disk_gb: float | None
    usd_per_hour: Decimal | None  # when it began; later prices are in the observed prices
    asked: datetime | None
    up: datetime  # the provider reported it as running: billing begins
    ready: datetime | None
    stopping: datetime | None
    ended: datetime | None  # as far as is known; None: it runs, or its end was not reported
    gone: datetime | None  # the provider confirmed that it is not there any more
    how: LifeEnd | None

    @property
    def site(self) -> Site:
        """Where it ran."""
        return _site_of(self)


@dataclass(frozen=True, slots=True)
class ColdStart:
    """How long a machine took from when it was there, and paid, until its worker could embed with this model."""

    model: str
    cloud: str
    gpu: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ObservedPrice:
    """The price of an hour of a whole machine from a moment on.

    `source` is "plan", "launch", "spot history" or "provider". `life` is the number of the life it is of; None: of the
    life that ran then.
    """

    machine: str
    at: datetime
    source: str
    usd_per_hour: Decimal
    life: int | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """Money for something else than a machine's hours. `usd` is None where it is not known, for this `reason`."""

    name: str  # chosen by us, so that recording it again corrects it
    kind: str  # "egress", "requests", "controller", "pilot", "storage" or "disk"
    at: datetime
    quantity: float | None
    unit: str
    usd: Decimal | None
    reason: str | None = None
    machine: str | None = None  # the machine it is for, where it is for one


@dataclass(frozen=True, slots=True)
class BudgetLimit:
    """A budget that the user set during a run; the newest counts."""

    at: datetime
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Notification:
    """A message that was sent or is to be sent, one of each kind for a run. It never holds the address."""

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
class PlanOutcome:
    """A finished run: what its plan promised as P10, P50 and P90, and what came. None is unknown, or does not compare.

    `hours` is wall time from launch to the last shard, `speed` tokens per second of all machines together while they
    work. `hours_off` and `usd_off` say how far off P50 the run came, in standard deviations of the planner's own
    interval before earlier runs widened it (`planning.past_runs`).
    """

    run: str
    finished: datetime
    place: str  # "local" or "rented"
    basis: str  # where the plan's speeds came from: "measured" or "predicted"
    model: str
    engine: str
    gpu: str  # of the plan's first machine group
    hours_p10: float | None = None
    hours_p50: float | None = None
    hours_p90: float | None = None
    hours: float | None = None
    hours_off: float | None = None
    usd_p10: Decimal | None = None
    usd_p50: Decimal | None = None
    usd_p90: Decimal | None = None
    usd: Decimal | None = None
    usd_off: float | None = None
    speed_p10: float | None = None
    speed_p50: float | None = None
    speed_p90: float | None = None
    speed: float | None = None


COMMAND_EVENT = "command"  # the kind of an event that tells the command that created or resumed the run
VERSION_EVENT = "version"  # of embedfleet, where that command ran
CORPUS_EVENT = (
    "corpus"  # the kind of an event that tells what is odd about the corpus, such as ids that repeat
)


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One line of the history of a run."""

    id: int  # only grows
    at: datetime
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class RunNote:
    """What the user wrote down about a run."""

    id: int  # only grows
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class RunTag:
    """A word to find runs by, and its value."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class RunProgress:
    """The sums of a run. Those after `shards_done` are over finished shards only."""

    shards: int
    bytes: int
    tokens_known: int  # expected tokens of the shards that have an estimate
    shards_unsized: int  # shards without an estimate
    shards_done: int  # the failed ones included
    shards_failed: int  # shards of which nothing could be embedded
    documents: int
    chunks: int
    tokens: int
    tokens_cut: int
    tokens_repeated: int  # of `tokens`, those of texts that were embedded before and not again
    failed_rows: int
    input_bytes: int
    output_bytes: int
    first_started: datetime | None
    last_finished: datetime | None
    cut_short: int = 0  # places behind which further rows were lost, whose number is unknown

    @property
    def tokens_expected(self) -> int | None:
        """The expected tokens of the whole run; None while any shard has no estimate."""
        return None if self.shards_unsized else self.tokens_known
