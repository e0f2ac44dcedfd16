"""A saved plan: what plan.json holds, as frozen values (schema embedfleet/plan/2, docs/architecture.md#saved-documents).

Pure: types alone; `saved_alternatives` has those of what was not chosen. `plan` makes a SavedPlan, `plan_file` reads and
writes it. Field names and their order are those of the JSON. Money is USD in Decimal. None is unknown, or does not
apply, and is never zero.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any, cast

from launcher.corpus.files.left_out import LeftOut
from launcher.corpus.repeat_shares import CorpusRepeats
from launcher.documents.truncation import Truncation
from launcher.planning.estimates.past_runs import PastRuns
from launcher.planning.estimates.quantiles import HoursQuantiles, SpeedQuantiles, UsdQuantiles
from launcher.planning.estimates.store_costs import SinkCost, StoreCost
from launcher.planning.saved.saved_alternatives import (
    AlternativeFleet,
    CheaperOption,
    ComparedWay,
    FrontierPoint,
    HostedOption,
    SingleTypeFleet,
)
from launcher.planning.saved.steering_plan import SteeringPlan
from pricing.capacity import Basis, basis_of

SCHEMA = "embedfleet/plan/2"
LATER_PLACE_KEYS = ("quoted_usd_per_hour", "price_as_of", "discount", "tokens")  # of a machine group's places
LATER_FIGURES = frozenset(
    {"chance_late", "chance_late_range", "chance_least"}
)  # of the keys below, those of which 0 says something
# Keys that came later than the schema, by section and class: left out while they hold nothing, so that the plans of
# the version before are written as they were read.
LATER_KEYS = (  # "": the plan itself
    ("compared", "ComparedWay", "parameters"),
    ("compared", "ComparedWay", "chance_least"),
    ("", "SavedPlan", "compared"),
    ("", "SavedPlan", "upload"),
    ("", "SavedPlan", "stores"),
    ("", "SavedPlan", "sink"),
    ("", "SavedPlan", "steering"),
    ("steering", "SteeringPlan", "priors"),
    ("steering", "SteeringPlan", "items"),
    ("steering", "SteeringPlan", "unpriced"),
    ("hosted", "HostedOption", "relation"),
    ("hosted", "HostedOption", "parameters"),
    ("hosted", "HostedOption", "batch_as_of"),
    ("hosted", "HostedOption", "batch_source"),
    ("hosted", "HostedOption", "notes"),
    ("work", "PlannedWork", "model_fingerprint"),
    ("profile", "CorpusFigures", "left_out"),
    ("profile", "CorpusFigures", "document_lengths"),
    ("profile", "CorpusFigures", "longest"),
    ("profile", "CorpusFigures", "truncation"),
    ("profile", "CorpusFigures", "repeats"),
    ("totals", "PlanTotals", "tokens_per_second"),
    ("totals", "PlanTotals", "past_runs"),
    ("totals", "PlanTotals", "unpriced"),
    ("totals", "PlanTotals", "reduced"),
    ("totals", "PlanTotals", "chance_late"),
    ("totals", "PlanTotals", "chance_late_range"),
    ("lots", "MachineGroup", "capacity"),
    ("frontier", "FrontierPoint", "unpriced"),
    ("alternatives", "AlternativeFleet", "unpriced"),
    ("kinds", "SingleTypeFleet", "unpriced"),
    ("kinds", "SingleTypeFleet", "zone"),
)


@dataclass(frozen=True, slots=True)
class PlannedWork:
    """What has to be done: the job, and the corpus as it was seen. Equal work is the same run."""

    job: Mapping[str, Any]  # as `launcher.jobs.job.dump` wrote it; `load` reads it
    base: str  # folder that relative paths of the job are relative to
    corpus: str | None  # root of the files; None: the corpus is only declared, and there is nothing to embed
    listing: str | None  # digest of the list of files
    model: str  # as an engine loads it
    engine: str
    shards: int | None
    shard_tokens: int | None
    model_fingerprint: str | None = None  # which model exactly; None: `hash`, or it was not known


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusFigures:
    """What the corpus holds. `interval` has the 95 % interval of each count, by its name."""

    documents: int
    chunks: int
    tokens: int
    bytes: int  # of text, as UTF-8
    tokens_cut: int  # lost to truncation
    documents_cut: int
    bad_rows: int
    beside: int | None = None  # bytes of ids and kept columns in the output; None: an older plan
    interval: Mapping[str, tuple[int, int]]
    lengths: tuple[tuple[float, float], ...]  # (share of the chunks, mean tokens)
    files: int
    stored_bytes: int
    sampled: int  # documents that were read for this
    tokens_repeated: int | None = None  # of texts that come again close by; None: not counted
    left_out: tuple[LeftOut, ...] = ()  # what corpus.path names and is not read, the likely mistakes first
    document_lengths: tuple[
        tuple[float, float], ...
    ] = ()  # (share of the documents, mean tokens) before they are cut
    longest: int | None = (
        None  # tokens of a chunk at most, special tokens included; None: not known, or an older plan
    )
    repeats: CorpusRepeats | None = None  # of the whole corpus; None: not counted
    truncation: Truncation | None = None  # more than 5 % of the tokens are cut; None: fewer, or an older plan


@dataclass(frozen=True, slots=True)
class MachinePlace:
    """Machines of a group in one place. `usd_per_hour` is of one machine: what it is likely to cost now.

    `quoted_usd_per_hour` is the price of the price book, `price_as_of` its date, `discount` the account's discount in
    words. All None: this machine, or a plan from before they were written down. `tokens` are those that its machines take
    of the work while all share one queue; None: an older plan.
    """

    region: str
    zone: str | None
    instance_type: str
    machines: int
    usd_per_hour: Decimal | None
    quoted_usd_per_hour: Decimal | None = None
    price_as_of: date | None = None
    discount: str | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class RegionCapacity:
    """GPUs that a region of a group is known to give at once, or assumed to; the least of its regions."""

    gpus: int
    assumed: bool  # nothing was seen of it
    source: str

    @property
    def basis(self) -> Basis:
        """Whether it was seen, inferred from other evidence, or assumed."""
        return basis_of(self.source, assumed=self.assumed)


@dataclass(frozen=True, slots=True)
class MachineGroup:
    """Machines of one GPU type, size, cloud and purchase kind ("lots" in JSON).

    `usd_per_hour` and `tokens_per_second` are of one machine, on average.
    """

    gpu: str
    gpus_per_machine: float
    cloud: str
    regions: tuple[str, ...]  # the cheapest first
    spot: bool
    machines: int
    workers: int  # per machine
    threads: int | None  # CPU threads of a worker, where it computes on the CPU
    tokens: int  # that the group takes of the work
    tokens_per_second: float
    speed_source: str
    usd_per_hour: Decimal | None
    usd_per_million_tokens: Decimal | None  # without what the whole run costs
    places: tuple[MachinePlace, ...]
    capacity: RegionCapacity | None = None  # None: this machine, or an older plan


@dataclass(frozen=True, slots=True)
class PrecisionLoss:
    """What a reduced precision loses on texts of the corpus: cosines of the same text's vectors, and of neighbours."""

    texts: int
    cosine_mean: float
    cosine_worst: float
    recall_at_10: float | None  # of the ten nearest of these texts, the share that stays; None: too few texts
    how: str  # in words: emulated or computed, and against what


@dataclass(frozen=True, slots=True)
class ReducedPrecision:
    """The price of a reduced precision: dollars without it, and what it loses."""

    precision: str
    usd_without: (
        Decimal | None
    )  # P50 of the cheapest fleet in the usual precision; None: unknown, or none keeps the limits
    loss: PrecisionLoss | None  # None: not measured
    why_not_measured: str | None = None


@dataclass(frozen=True, slots=True)
class PlanTotals:
    """Hours and dollars of the chosen fleet. `items` are USD at P50 by name; None: unknown.

    `unpriced` names the items that lack a price in whole or in part, each with the most in USD that the missing part
    costs (None: no bound). Where it is not empty, the dollars are the least that the fleet costs. `chance_late`: from 0
    to 1, of these machines where they are not steered (None: no deadline, or not known); its P10 and P90 over markets are
    `chance_late_range`. Hours are those of machines that come when they are asked for; the chance holds that places may
    have none.
    """

    usd: UsdQuantiles
    hours: HoursQuantiles
    usd_per_million_tokens: Decimal | None
    machines: int
    items: Mapping[str, Decimal | None]
    tokens_per_second: SpeedQuantiles | None = None  # of all machines while they work; None: an older plan
    past_runs: PastRuns | None = None  # how plans of this sort came true here; None: no run of it is finished
    unpriced: Mapping[str, Decimal | None] = field(default_factory=dict[str, Decimal | None])
    reduced: ReducedPrecision | None = None  # None: the usual precision
    chance_late: float | None = None
    chance_late_range: tuple[float, float] | None = None

    @property
    def bound(self) -> Decimal:
        """The most in USD that the parts without a price cost, as far as there are bounds."""
        return sum((usd for usd in self.unpriced.values() if usd is not None), Decimal(0))

    @property
    def most_usd(self) -> Decimal | None:
        """The P90 with the bound: what a budget must hold. None: the price of a machine is unknown."""
        return None if self.usd.p90 is None else self.usd.p90 + self.bound


@dataclass(frozen=True, slots=True)
class QuotaNeed:
    """What the account must be allowed in one region. `vcpus` because AWS counts by them."""

    cloud: str
    region: str
    gpu: str
    spot: bool
    gpus: float
    vcpus: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededUpload:
    """What must be done before rented machines can see the corpus, the output and the model of the job."""

    paths: tuple[str, ...]  # keys of the job file whose folders they cannot see
    bytes: int  # to upload
    usd_per_month: Decimal | None  # to store the upload; None: unknown
    command: str | None  # that uploads the corpus; None: it is in a bucket
    settings: tuple[str, ...]  # keys of the job file to set, with their values


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """A plan as it was saved: what will be done, what it will cost, and what else was considered."""

    schema: str = SCHEMA
    run: str
    created: datetime
    work: PlannedWork
    profile: CorpusFigures
    cheaper: CheaperOption | None = None  # None: nothing is expected to be cheaper than the fleet
    compared: tuple[ComparedWay, ...] = ()  # the same weights hosted first
    lots: tuple[MachineGroup, ...]
    totals: PlanTotals
    frontier: tuple[FrontierPoint, ...] = ()
    alternatives: tuple[AlternativeFleet, ...] = ()
    kinds: tuple[SingleTypeFleet, ...] = ()
    hosted: tuple[HostedOption, ...] = ()
    quota_needed: tuple[QuotaNeed, ...] = ()
    binding: tuple[str, ...] = ()  # limits that keep a cheaper fleet out, in words
    not_priced: tuple[str, ...] = ()  # what the dollars leave out, in words
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])  # number of offers, by the reason
    prices_as_of: date | None = None  # the oldest price that has a date; None: no such price was used
    upload: NeededUpload | None = (
        None  # that rented machines need first; None: they see all that the job names
    )
    stores: tuple[StoreCost, ...] = ()  # the usual vector stores with these vectors; not in the dollars
    sink: SinkCost | None = None  # the vector store that the job names, and what all costs with it
    steering: SteeringPlan | None = None  # None: the machines of the plan, whatever happens
    solver_gap: float | None = None  # how far above the optimum the choice may be, as a share of it
    digest: str = ""  # of everything above, as JSON

    @property
    def expected_usd(self) -> UsdQuantiles:
        """USD to expect: those of the steered run where they are known, else those of the planned machines."""
        return self.steering.usd if self.steering is not None and self.steering.expects else self.totals.usd

    @property
    def expected_unpriced(self) -> Mapping[str, Decimal | None]:
        """What `expected_usd` leaves out, each with the most that it costs."""
        steering = self.steering
        return (
            steering.unpriced
            if steering is not None and steering.expects and steering.items
            else self.totals.unpriced
        )

    @property
    def bound(self) -> Decimal:
        """The most in USD that what `expected_usd` leaves out costs, as far as there are bounds."""
        return sum((usd for usd in self.expected_unpriced.values() if usd is not None), Decimal(0))

    @property
    def expected_hours(self) -> HoursQuantiles:
        """Hours to expect, of the same run as `expected_usd`."""
        steered = self.steering.hours if self.steering is not None and self.steering.expects else None
        return self.totals.hours if steered is None else steered

    @property
    def expected_usd_per_million_tokens(self) -> Decimal | None:
        """USD of a million tokens at the P50 of `expected_usd`; None: unknown."""
        usd, tokens = self.expected_usd.p50, self.profile.tokens
        if usd is None or usd == self.totals.usd.p50:
            return self.totals.usd_per_million_tokens
        return round(usd / tokens * 1_000_000, 8) if tokens else None

    @property
    def usd_p90(self) -> Decimal | None:
        """The P90 in USD; where the fleet is steered, with the safety net. None: the price of a machine is unknown."""
        steered = None if self.steering is None else self.steering.usd.p90
        return self.totals.usd.p90 if steered is None else steered

    @property
    def most_usd(self) -> Decimal | None:
        """The P90 with the bound of what has no price: what a budget must hold. None: unknown."""
        return None if self.usd_p90 is None else self.usd_p90 + self.bound


def digest_of(value: Any) -> str:
    """The digest of a JSON value: 32 hexadecimal digits, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=_plain)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else str(value)
