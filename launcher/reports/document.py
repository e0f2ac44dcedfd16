"""What report.json holds, as frozen values (schema embedfleet/report/1).

Field names and their order are those of the JSON. Money is USD in Decimal and text in JSON, times are UTC. None is
unknown, or does not apply, and is never zero. Pure: types alone. `report_json` makes, reads and writes the document.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from launcher.costs.analysis.plan_accuracy import PlanError
from launcher.costs.usage.time_series import FleetSeries, SpentPoint
from launcher.documents.truncation import Truncation
from launcher.money import SECONDS_PER_HOUR
from launcher.planning.saved.plan_reader import PlannedFigures
from launcher.reports.spend_document import GroupSpend, PlaceSpend, RunSpend, SecondsByPart
from launcher.reports.steering import SteeringFigures

SCHEMA = "embedfleet/report/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatsFigures:
    """Texts that the corpus has more than once, embedded before the shards of the run."""

    vectors: int
    tokens: int  # that the model read for them
    shards: int
    shards_done: int


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
    truncation: Truncation | None = None  # more than 5 % of the tokens were cut
    tokens_embedded: int | None = None  # that the engine computed, those of `repeats` included
    # what the tokens that were not embedded would have cost, at this run's useful dollars a token
    usd_saved: Decimal | None = None
    repeats: RepeatsFigures | None = None  # None: the run has no repeats run (`deduplicate: corpus`)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActualFigures:
    """The figures of the run that a plan has too, by the definitions of `launcher.costs.run_rates`."""

    hours: float
    usd: Decimal | None
    tokens: int
    tokens_per_second: float | None
    usd_per_million_tokens: Decimal | None
    share_of_ceiling: float | None  # of the tokens that the GPUs can compute at most in the machine time
    span_hours: float | None = None  # from creation to the last receipt with pauses, the axis of the charts

    @property
    def span_seconds(self) -> float:
        """The length of the charts' axis; an older document does not say it apart from the run's time."""
        return (self.hours if self.span_hours is None else self.span_hours) * SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterfallStep:
    """One cause of the difference between plan and run."""

    cause: str
    words: str
    usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterfallFigures:
    """The waterfall from the plan's dollars to the run's; `planned` and the steps add up to `actual`."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class StartStageTime:
    """How long a stage of the workers' start took, of the workers that know it."""

    stage: str  # `tasks.protocol.start_stages`
    workers: int  # that know it
    median_seconds: float | None  # None: none of them knows it
    longest_seconds: float | None


@dataclass(frozen=True, slots=True)
class ReportEvent:
    """Something that happened: a machine was requested, a machine was lost, 90 % of the budget are spent."""

    at: datetime
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What was embedded, how, where the vectors are and how to read them. None is unknown."""

    model: str | None  # as the job names it, or its folder
    model_fingerprint: str | None
    prompt: str | None  # put before every text; "" is none
    corpus: str | None
    output: str
    dtype: str | None  # of the stored numbers
    dimensions: int | None  # of a stored vector
    chunking: str | None  # in words
    engine: str | None  # with device and type of its numbers, where a worker said them
    versions: Mapping[
        str, str
    ]  # of embedfleet and of the libraries of a worker, by name; empty: not recorded
    command: str | None  # that created the run
    load: str  # a line of Python that reads the vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class MapPoint:
    """A vector on the map. `text`: the beginning of its document, where it was read."""

    id: str
    chunk: int
    x: float
    y: float
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorHealth:
    """Figures of a bounded sample of the stored vectors."""

    sampled: int
    total: int  # vectors that were written
    dimensions: int
    length_least: float  # of finite vectors; 0 if there is none
    length_median: float
    length_most: float
    not_finite: int  # vectors with NaN or infinity
    zero: int
    constant_dimensions: int  # whose spread is below 1 % of the median dimension's
    duplicates: int  # vectors that are equal to an earlier one of the sample
    mean_cosine: float | None  # of two different vectors; near 1: they hardly differ
    explained: float | None  # share of the variance that the map shows
    map: tuple[MapPoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthFigures:
    """How long the texts are, as the plan sampled them: pairs of a share and its mean tokens, the shortest first."""

    documents: tuple[tuple[float, float], ...]  # before they were cut; empty: an older plan
    chunks: tuple[tuple[float, float], ...]
    longest: int | None  # tokens of a chunk at most; null: not known
    chunked: bool  # long documents become several chunks; else what is beyond `longest` is lost


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDocument:
    """A run at one moment, next to its plan."""

    schema: str = SCHEMA
    run: str
    name: str
    state: str
    created: datetime
    updated: datetime
    facts: RunFacts | None = None  # None: a report of an earlier version
    lengths: LengthFigures | None = None  # None: the plan cannot be read
    vectors: VectorHealth | None = None  # None: no vectors could be looked at
    spend: RunSpend
    work: WorkDone
    plan: PlannedFigures
    actual: ActualFigures
    output_bytes: int
    stages: Mapping[str, float]  # seconds by stage, of all workers together
    starts: tuple[
        StartStageTime, ...
    ] = ()  # of the workers, stage by stage; empty: none told, as in older runs
    budget: Decimal | None
    waterfall: WaterfallFigures | None  # None: the plan has no dollars to compare with
    instead: tuple[CounterfactualRow, ...]
    lessons: Lessons
    places: tuple[PlaceSpend, ...]
    lots: tuple[GroupSpend, ...]
    machines: tuple[MachineLife, ...]
    shards: Sequence[ShardDone]
    series: tuple[SpeedPoint, ...]
    spent: tuple[SpentPoint, ...]
    fleet: FleetSeries
    preemptions: tuple[Preemption, ...]
    lost: tuple[FruitlessLease, ...]
    open: tuple[FruitlessLease, ...]
    failures: tuple[RowFailure, ...]  # the first of them
    events: tuple[ReportEvent, ...]
    unknown: tuple[str, ...]  # every figure that is unknown, and why
    steering: SteeringFigures | None = None  # None: it was not steered, or a report of an earlier version
