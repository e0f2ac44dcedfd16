"""What a saved plan considered beside its choice: other fleets, the frontier, machine types, hosted APIs.

Pure: types alone, as in `saved_plan`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from launcher.format import compact
from launcher.planning.estimates.quantiles import HoursQuantiles, UsdQuantiles

NO_API = "No hosted API with a known price serves these weights."


@dataclass(frozen=True, slots=True)
class CheaperOption:
    """Something that is expected to do the work for less than the fleet: the best of `compared`, or null."""

    name: str
    usd: Decimal
    fleet_usd_without_storage: Decimal  # the mean of the draws; storage of the vectors is paid either way
    comparable: bool  # the same weights; else other vectors, of another quality
    break_even_tokens_per_month: int | None  # None: the fleet is never cheaper


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedWay:
    """Another way beside what was chosen ("fleet"), both without the storage of the vectors, which is paid either way.

    `relation` is "same weights", "same class" (another model of its size), "this machine", or "rented" where this
    machine was chosen. `chance` is that the fleet is the cheaper: where `unpriced` names items it is at most so high, and
    at least `chance_least` where each of them has a bound.
    """

    name: str
    relation: str
    usd: Decimal  # P50
    usd_p90: Decimal  # the same as P50 where the price is certain
    fleet_p50: Decimal
    fleet_p90: Decimal
    fleet_mean: Decimal
    chance: float
    unpriced: tuple[str, ...]
    better: bool  # it is expected to cost less
    break_even_tokens_per_month: (
        int | None
    )  # from which the fleet is cheaper; None: it never is, or does not apply
    notes: tuple[str, ...]
    parameters: int | None = (
        None  # of the model that a hosted API serves; None: not published, or of an earlier version
    )
    chance_least: float | None = None


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
    unpriced: Mapping[str, Decimal | None] = field(
        default_factory=dict[str, Decimal | None]
    )  # see PlanTotals


@dataclass(frozen=True, slots=True)
class AlternativeFleet:
    """Another fleet for the same work, such as "only on demand". `usd_more` is P50 above the chosen one.

    None: unknown, because one of the two lacks a price.
    """

    name: str
    usd_more: Decimal | None
    machines: int
    hours: HoursQuantiles
    usd: UsdQuantiles
    usd_per_million_tokens: Decimal | None
    lots: tuple[GroupSummary, ...]
    unpriced: Mapping[str, Decimal | None] = field(
        default_factory=dict[str, Decimal | None]
    )  # see PlanTotals


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
    unpriced: Mapping[str, Decimal | None] = field(
        default_factory=dict[str, Decimal | None]
    )  # see PlanTotals
    zone: str | None = None  # of the price; None: the price is that of the region


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
    relation: str = ""  # same weights, same class, smaller, larger, or unknown
    batch_as_of: date | None = None  # None: as the list price
    batch_source: str | None = None
    notes: tuple[str, ...] = ()  # what does not fit the job, or is not known
    parameters: int | None = None  # of its model; None: not published, or of an earlier version


def size_and_quality(parameters: int | None) -> str:
    """What is known of another model: its size, where it is published. No one benchmark has been run on all of them."""
    return (
        "size and quality unknown"
        if parameters is None
        else f"{compact(parameters)} parameters, quality unknown"
    )
