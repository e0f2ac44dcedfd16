"""A saved plan: what plan.json holds, as frozen values (schema embedfleet/plan/2, docs/architecture.md#saved-documents).

Pure: types alone. `plan` makes a SavedPlan, `plan_file` reads and writes it. Field names and their order are those of
the JSON. Money is USD in Decimal. None is unknown, or does not apply, and is never zero.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any, cast

from launcher.corpus.left_out import LeftOut

SCHEMA = "embedfleet/plan/2"


@dataclass(frozen=True, slots=True)
class UsdQuantiles:
    """P10, P50 and P90 of an amount in USD; all three None when a price is unknown."""

    p10: Decimal | None
    p50: Decimal | None
    p90: Decimal | None


@dataclass(frozen=True, slots=True)
class HoursQuantiles:
    """P10, P50 and P90 of wall hours."""

    p10: float
    p50: float
    p90: float


# Keys that came later than the schema, by section and class: left out while they hold nothing, so that the plans of
# the version before are written as they were read.
LATER_KEYS = (("work", "PlannedWork", "model_fingerprint"), ("profile", "CorpusFigures", "left_out"))


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


@dataclass(frozen=True, slots=True)
class CheaperOption:
    """Something that does the work for less than the fleet: a hosted API, or this machine."""

    name: str
    usd: Decimal
    fleet_usd_without_storage: Decimal  # P50; storage of the vectors is paid either way
    comparable: bool  # the same weights; else other vectors, of another quality
    break_even_tokens_per_month: int | None  # None: the fleet is never cheaper


@dataclass(frozen=True, slots=True)
class MachinePlace:
    """Machines of a group in one place. `usd_per_hour` is of one machine."""

    region: str
    zone: str | None
    instance_type: str
    machines: int
    usd_per_hour: Decimal | None


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


@dataclass(frozen=True, slots=True)
class PlanTotals:
    """Hours and dollars of the chosen fleet. `items` are USD at P50 by name; None: unknown."""

    usd: UsdQuantiles
    hours: HoursQuantiles
    usd_per_million_tokens: Decimal | None
    machines: int
    items: Mapping[str, Decimal | None]


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """A machine group of a fleet that was not chosen."""

    gpu: str
    gpus_per_machine: float
    cloud: str
    regions: tuple[str, ...]
    spot: bool
    machines: int


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """A fleet of the frontier: no other is both sooner and cheaper."""

    machines: int
    hours: HoursQuantiles
    usd: UsdQuantiles
    usd_per_million_tokens: Decimal | None
    lots: tuple[GroupSummary, ...]


@dataclass(frozen=True, slots=True)
class AlternativeFleet:
    """Another fleet for the same work, such as "only on demand". `usd_more` is P50 above the chosen one."""

    name: str
    usd_more: Decimal | None
    machines: int
    hours: HoursQuantiles
    usd: UsdQuantiles
    usd_per_million_tokens: Decimal | None
    lots: tuple[GroupSummary, ...]


@dataclass(frozen=True, slots=True)
class SingleTypeFleet:
    """One machine type doing all the work, in its cheapest place ("kinds" in JSON)."""

    gpu: str
    gpus_per_machine: float
    cloud: str
    region: str
    instance_type: str
    spot: bool
    machines: int
    tokens_per_second: float  # of one machine
    speed_source: str
    usd_per_hour: Decimal | None  # of one machine
    hours: HoursQuantiles
    usd: UsdQuantiles
    usd_per_million_tokens: Decimal | None


@dataclass(frozen=True, slots=True)
class HostedOption:
    """A hosted embedding API doing this job. Batch prices are None where the provider sells no batches."""

    provider: str
    model: str
    comparable: bool  # serves the same weights
    usd_per_million_tokens: Decimal
    usd: Decimal
    batch_usd_per_million_tokens: Decimal | None
    batch_usd: Decimal | None
    dimensions: int | None
    as_of: date
    source: str
    flags: tuple[str, ...]


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
class SavedPlan:
    """A plan as it was saved: what will be done, what it will cost, and what else was considered."""

    schema: str = SCHEMA
    run: str
    created: datetime
    work: PlannedWork
    profile: CorpusFigures
    cheaper: CheaperOption | None = None  # None: nothing is cheaper than the fleet
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
    prices_as_of: date | None = None  # the oldest price; None: no price was used
    solver_gap: float | None = None  # how far above the optimum the choice may be, as a share of it
    digest: str = ""  # of everything above, as JSON


def digest_of(value: Any) -> str:
    """The digest of a JSON value: 32 hexadecimal digits, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=_plain)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else str(value)
