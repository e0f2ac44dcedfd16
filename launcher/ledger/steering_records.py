"""The records of steering as frozen values: questions to places, what was decided and why, deadlines, and quotes.

Pure, like `records`, and stored by `tables` in the same way. Times are aware UTC, money is USD.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from launcher.documents.course import DecisionRow


class AskAnswer(StrEnum):
    """What became of a request for a machine."""

    CAME = "CAME"
    NONE = "NONE"  # the place had none
    CANCELLED = "CANCELLED"  # we took the request back before there was an answer


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for machines in one place, and the answer.

    `place` is an infra as SkyPilot names it, such as aws/us-east-1/us-east-1a. A machine that is recovered after a
    preemption is asked for again, at another moment.
    """

    machine: str
    at: datetime
    place: str
    purchase: str  # "spot" or "on-demand"
    gpu: str
    instance_type: str | None
    count: int  # machines of this request
    answered: datetime | None = None
    answer: AskAnswer | None = None  # None: not known yet
    source: str | None = None  # how the answer was learnt, such as "job status"


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseBody:
    """What the ledger keeps of a course as JSON. None: not known, or written by an earlier version.

    `missing`: machines on demand that the safety net asked for. `targets`: machines to hold, by number of the group.
    `situation`: what the decisions of this look were made from, as text; None: there were none.
    """

    missing: int = 0
    targets: tuple[tuple[int, int], ...] = ()
    situation: str | None = None
    hours_p50: float | None = None
    hours_p90: float | None = None
    chance_over_budget: float | None = None
    on_demand_share: float | None = None
    usd_to_finish_p10: Decimal | None = None


@dataclass(frozen=True, slots=True)
class CourseRecord:
    """Where a steered run stood at one look, before the orders of that look were carried out. None is unknown.

    Seconds: `margin_seconds` until machines on demand must be started to keep the deadline; `late_p50` and `late_p90`
    after the deadline, below 0 before it. `usd_to_finish_p50` and `usd_to_finish_p90` are USD from then until the run is
    done. `usd_per_token` is the shadow price: a machine that embeds a token for less is worth having.
    """

    at: datetime
    budget_pressure: str
    usd_per_token: Decimal | None
    margin_seconds: float | None
    late_p50: float | None
    late_p90: float | None
    chance_late: float | None
    usd_to_finish_p50: Decimal | None
    usd_to_finish_p90: Decimal | None
    tokens_left: float | None
    body: CourseBody


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One decision of a look, written before its order is carried out. `number` counts those of the look from 0."""

    at: datetime
    number: int
    what: str
    place: str | None
    count: int  # machines
    reason: str
    usd_expected: Decimal | None  # what it adds to the expected cost of the run; None: not known


@dataclass(frozen=True, slots=True)
class DeadlineRecord:
    """A deadline that was set at `at`; the newest counts."""

    at: datetime
    moment: datetime


@dataclass(frozen=True, slots=True)
class QuoteRecord:
    """The price of an hour of a machine in a place, whether or not one of ours is there."""

    place: str
    instance_type: str
    purchase: str
    at: datetime
    usd_per_hour: Decimal
    source: str


def decision_rows(decisions: Sequence[DecisionRecord]) -> tuple[DecisionRow, ...]:
    """Decisions as documents show them."""
    return tuple(DecisionRow(d.at, d.what, d.place, d.count, d.reason, d.usd_expected) for d in decisions)
