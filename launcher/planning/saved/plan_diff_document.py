"""The document of `diff --json` (schema embedfleet/diff/1): its types, and how it is written.

Money is exact; unknown is None, and never zero. Every difference is the other plan less the one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, cast

from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_alternatives import CheaperOption
from launcher.planning.saved.saved_plan import MachinePlace

SCHEMA = "embedfleet/diff/1"

Change = Literal["same", "changed", "added", "dropped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanHead:
    """Which plan it is, and what is cheaper than its fleet."""

    run: str
    created: datetime
    digest: str
    prices_as_of: date | None
    cheaper: CheaperOption | None


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A value of the job or of the corpus that differs, by its dotted name."""

    name: str
    one: Any
    other: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSide:
    """A machine group in one of the plans, without what names it."""

    regions: tuple[str, ...]
    machines: int
    workers: int
    threads: int | None
    tokens: int
    tokens_per_second: float
    speed_source: str
    usd_per_hour: Decimal | None
    usd_per_million_tokens: Decimal | None
    places: tuple[MachinePlace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChange:
    """A machine group in both plans; None: that plan has no such group."""

    cloud: str
    gpu: str
    gpus_per_machine: float
    spot: bool
    change: Change
    one: GroupSide | None
    other: GroupSide | None


@dataclass(frozen=True, slots=True)
class UsdChange:
    """An amount in USD in both plans. `percent` is how much more the other is."""

    one: Decimal | None
    other: Decimal | None
    difference: Decimal | None
    percent: float | None


@dataclass(frozen=True, slots=True)
class NumberChange:
    """A number in both plans. `percent` is how much more the other is; None: the one is 0."""

    one: int | float
    other: int | float
    difference: int | float
    percent: float | None


@dataclass(frozen=True, slots=True)
class UsdQuantileChanges:
    """P10, P50 and P90 of the dollars."""

    p10: UsdChange
    p50: UsdChange
    p90: UsdChange


@dataclass(frozen=True, slots=True)
class HoursQuantileChanges:
    """P10, P50 and P90 of the hours."""

    p10: NumberChange
    p50: NumberChange
    p90: NumberChange


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalsChange:
    """The totals of both plans."""

    usd: UsdQuantileChanges
    hours: HoursQuantileChanges
    usd_per_million_tokens: UsdChange
    machines: NumberChange


@dataclass(frozen=True, slots=True)
class Reasons:
    """The difference in dollars at P50 in two parts that add up. None: not known."""

    from_tokens: Decimal | None  # more or fewer tokens, at the one's price for each
    from_usd_per_token: Decimal | None  # the other's tokens at another price


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChange:
    """The price of a machine-hour that moved in one place. `zone` None: the cheapest of the region."""

    cloud: str
    region: str
    zone: str | None
    instance_type: str
    gpu: str
    gpus_per_machine: float
    spot: bool
    one: Decimal | None
    other: Decimal | None
    difference: Decimal | None
    percent: float | None


@dataclass(frozen=True, slots=True)
class CheapestPlace:
    """Where a machine type is cheapest."""

    region: str
    instance_type: str
    usd_per_hour: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheapestChange:
    """A machine type whose cheapest place is another now."""

    cloud: str
    gpu: str
    gpus_per_machine: float
    spot: bool
    one: CheapestPlace
    other: CheapestPlace


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedChange:
    """Tokens per second of one GPU, or of `share` of it where a machine has less."""

    gpu: str
    share: float
    one: float
    other: float
    percent: float | None
    one_source: str
    other_source: str


@dataclass(frozen=True, slots=True)
class Sentences:
    """Sentences of one plan alone, of the other alone, and of both."""

    one: tuple[str, ...]
    other: tuple[str, ...]
    both: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffDocument:
    """The differences between two plans."""

    schema: str = SCHEMA
    one: PlanHead
    other: PlanHead
    equal: bool  # but for when they were made
    work: tuple[ValueChange, ...]  # what the jobs ask and the corpora hold; only what differs
    limits: tuple[ValueChange, ...]
    lots: tuple[GroupChange, ...]
    totals: TotalsChange
    because: Reasons
    items: Mapping[str, UsdChange]
    prices: tuple[PriceChange, ...]
    cheapest: tuple[CheapestChange, ...]
    speeds: tuple[SpeedChange, ...]
    binding: Sentences
    not_priced: Sentences
    also: tuple[str, ...]  # names of the plan's other parts that differ


def dump(document: DiffDocument) -> dict[str, Any]:
    """The JSON object of `diff --json`: money and dates as text."""
    return cast("dict[str, Any]", plan_file.json_values(document))
