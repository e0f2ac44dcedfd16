"""What report.json holds, as frozen values (schema embedfleet/report/1).

Field names and their order are those of the JSON. Money is USD in Decimal and text in JSON, times are UTC. None is
unknown, or does not apply, and is never zero. Pure: types alone. `report_json` makes, reads and writes the document.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from launcher.costs.plan_accuracy import PlanError
from launcher.costs.spend import Part
from launcher.costs.time_series import FleetSeries, SpentPoint
from launcher.planning.plan_reader import PlannedFigures

SCHEMA = "embedfleet/report/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondsByPart:
    """Machine time by part; `total` is their sum."""

    total: float
    useful: float
    lost: float
    cold_start: float
    waiting: float
    idle: float
    teardown: float

    def of(self, part: Part) -> float:
        """The seconds of one part."""
        seconds: float = getattr(self, part)
        return seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownUsd:
    """The known dollars of the machines by part; `total` is their sum."""

    total: Decimal
    useful: Decimal
    lost: Decimal
    cold_start: Decimal
    waiting: Decimal
    idle: Decimal
    teardown: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRunUsd:
    """The known dollars of the run: the parts are of its machines, `other` is of all else, `total` is the sum."""

    total: Decimal
    useful: Decimal
    lost: Decimal
    cold_start: Decimal
    waiting: Decimal
    idle: Decimal
    teardown: Decimal
    other: Decimal

    def of(self, part: Part | Literal["other"]) -> Decimal:
        """The dollars of one part, or of all that is not a machine."""
        usd: Decimal = getattr(self, part)
        return usd


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRow:
    """A charge that is not for a machine's hours."""

    kind: str
    place: str | None
    quantity: float | None
    unit: str
    usd: Decimal | None
    reason: str | None  # why the dollars are unknown
    estimated: bool  # counted at list prices, not metered


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpend:
    """What the run cost. The parts are of its machines; `total` is the parts and `other`."""

    total: Decimal | None
    useful: Decimal | None
    lost: Decimal | None
    cold_start: Decimal | None
    waiting: Decimal | None
    idle: Decimal | None
    teardown: Decimal | None
    known: KnownRunUsd
    seconds: SecondsByPart
    other: Decimal | None
    waived: Decimal  # of machines that were preempted so early that the cloud did not charge them; in no part
    others: tuple[ChargeRow, ...]

    def of(self, part: Part) -> Decimal | None:
        """The dollars of one part."""
        usd: Decimal | None = getattr(self, part)
        return usd


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceSpend:
    """What the machines in one place cost."""

    place: str
    total: Decimal | None
    useful: Decimal | None
    lost: Decimal | None
    cold_start: Decimal | None
    waiting: Decimal | None
    idle: Decimal | None
    teardown: Decimal | None
    known: KnownUsd
    seconds: SecondsByPart


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSpend:
    """What one machine group of the plan cost ("lots" in JSON). `lot` None: machines of no group."""

    lot: int | None
    total: Decimal | None
    useful: Decimal | None
    lost: Decimal | None
    cold_start: Decimal | None
    waiting: Decimal | None
    idle: Decimal | None
    teardown: Decimal | None
    known: KnownUsd
    seconds: SecondsByPart


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkDone:
    """What was embedded."""

    documents: int
    chunks: int
    tokens: int
    tokens_cut: int  # lost to truncation
    tokens_repeated: int  # of texts that had been embedded already
    failed_rows: int  # the least number, where `cut_short` is not 0
    cut_short: int  # damaged places behind which further rows are lost, whose number is unknown
    shards: int
    shards_done: int
    failed_shards: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActualFigures:
    """The figures of the run that a plan has too."""

    hours: float
    usd: Decimal | None
    tokens: int
    tokens_per_second: float | None
    usd_per_million_tokens: Decimal | None
    share_of_ceiling: float | None  # of the tokens that the GPUs can compute at most in the machine time


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterfallStep:
    """One cause of the difference between plan and run."""

    cause: str
    words: str
    usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterfallFigures:
    """From the plan's dollars to the run's; `planned` and the steps add up to `actual`."""

    planned: Decimal
    actual: Decimal
    steps: tuple[WaterfallStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterfactualRow:
    """Another way to do the same work ("instead" in JSON).

    `usd_saved` is how much less the run cost; it is negative if the other way would have been cheaper.
    """

    group: str
    name: str
    usd: Decimal
    usd_saved: Decimal | None
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLesson:
    """What was measured of one machine group."""

    gpu: str
    cloud: str
    planned_tokens_per_second: float
    measured_tokens_per_second: float | None
    measured_start_seconds: float | None  # the median
    starts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What the run measured for the next plan, and how wrong its own plan was."""

    lots: tuple[GroupLesson, ...]
    plan: PlanError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlyPrice:
    """The price of a machine-hour from a moment on."""

    at: datetime
    usd_per_hour: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineLife:
    """One life of a machine. A machine that came back under its name has several."""

    name: str
    life: int
    lot: int | None
    place: str
    zone: str | None
    gpu: str
    instance_type: str | None
    purchase: str | None
    state: str
    how: str | None  # the life ended
    started: datetime
    ready: datetime | None
    stopping: datetime | None
    ended: datetime | None
    gone: datetime | None  # when the provider confirmed that it does not exist any more
    seconds: float
    parts: SecondsByPart
    usd_per_hour: Decimal | None  # at the start of the life
    prices: tuple[HourlyPrice, ...]
    usd: Decimal | None
    waived: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardDone:
    """A shard that has its receipt."""

    position: int
    id: str
    worker: str
    generation: int
    started: datetime
    seconds: float
    tokens: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedPoint:
    """Tokens per second from this moment on, in seconds since the run was created, until the next point."""

    seconds: float
    tokens_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Preemption:
    """A machine that was taken away."""

    at: datetime
    machine: str
    life: int
    place: str
    lived_seconds: float
    waived: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class FruitlessLease:
    """A lease that has given no receipt."""

    shard: str
    generation: int
    worker: str
    claimed: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class RowFailure:
    """A row that could not be embedded."""

    file: str
    position: int
    reason: str
    document: str | None
    rows: int = 1  # of the input, that it stands for: behind a damaged place they are many


@dataclass(frozen=True, slots=True)
class ReportEvent:
    """Something that happened: a machine was requested, a machine was lost, 90 % of the budget are spent."""

    at: datetime
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDocument:
    """A run at one moment, next to its plan."""

    schema: str = SCHEMA
    run: str
    name: str
    state: str
    created: datetime
    updated: datetime
    spend: RunSpend
    work: WorkDone
    plan: PlannedFigures
    actual: ActualFigures
    output_bytes: int
    stages: Mapping[str, float]  # seconds by stage, of all workers together
    budget: Decimal | None
    waterfall: WaterfallFigures | None  # None: the plan has no dollars to compare with
    instead: tuple[CounterfactualRow, ...]
    lessons: Lessons
    places: tuple[PlaceSpend, ...]
    lots: tuple[GroupSpend, ...]
    machines: tuple[MachineLife, ...]
    shards: tuple[ShardDone, ...]
    series: tuple[SpeedPoint, ...]
    spent: tuple[SpentPoint, ...]
    fleet: FleetSeries
    preemptions: tuple[Preemption, ...]
    lost: tuple[FruitlessLease, ...]
    open: tuple[FruitlessLease, ...]
    failures: tuple[RowFailure, ...]  # the first of them
    events: tuple[ReportEvent, ...]
    unknown: tuple[str, ...]  # every figure that is unknown, and why
