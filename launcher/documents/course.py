"""The section `course` of `status --json` and of reports: where a steered run stands, and what was decided.

Money is USD in Decimal. None is unknown. Pure: types alone.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One decision of steering. `usd_expected`: what it adds to the expected dollars until the end."""

    at: datetime
    what: str
    place: str | None
    count: int
    reason: str
    usd_expected: Decimal | None


@dataclass(frozen=True, slots=True)
class LateMinutes:
    """Minutes after the deadline at which the run is expected to be done; below 0: before it."""

    p50: float | None
    p90: float | None


@dataclass(frozen=True, slots=True)
class UsdToFinish:
    """Dollars from now until the run is done."""

    p50: Decimal | None
    p90: Decimal | None
    p10: Decimal | None = None  # also unknown where the launcher is of an earlier version


@dataclass(frozen=True, slots=True)
class AsleepSpan:
    """A time in which the launcher was there and did not look, as on a laptop that sleeps."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindsight:
    """The least that the machines could have cost, and what was paid for them. USD; None: not known, for this `reason`.

    `waived` is what the cloud did not charge for machines that it took soon after their start; None: nothing. It is in
    the least, so what was paid and waived above the least is the sum of `starts` (more cold starts), `dear_places` (spot
    that cost more a token than the least fleet's), `net` (more tokens on demand than the least fleet's, at what they cost
    above its spot) and `rest` (waiting, lost work, teardown); below 0: less than the least fleet's.
    """

    usd: Decimal | None
    paid: Decimal | None
    starts: Decimal | None = None
    dear_places: Decimal | None = None
    net: Decimal | None = None
    rest: Decimal | None = None
    places: int = 0  # kinds of machines in places that gave any
    reason: str | None = None
    waived: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseStatus:
    """Where a run with a deadline, or one that is steered, stands.

    `at`: when this was reckoned; a launcher reckons it at every look. `steered` is false where the fleet is that of the
    plan. `steering`: a launcher is at work. `prior_places`: spot places of which the plan knew from earlier runs on the
    same laptop how often they have machines; steering began from that. `margin_minutes`: until machines on demand must
    be started.
    """

    at: datetime
    budget_pressure: str | None
    late_minutes: LateMinutes
    chance_late: float | None
    usd_to_finish: UsdToFinish
    usd_per_million_tokens: Decimal | None  # the price that a machine may have and be worth it
    margin_minutes: float | None
    decisions: tuple[DecisionRow, ...]  # the last
    deadline: datetime | None
    steered: bool
    steering: bool
    since: datetime | None  # not steered since then; None: a launcher does, or the run is over
    prior_places: int = 0
    asleep: AsleepSpan | None = None  # the last gap in which the launcher did not look; None: there was none
