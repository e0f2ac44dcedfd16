"""The steering of one run: what it is decided by, read from the ledger, and what was decided, written there.

A course and its decisions are in the ledger before their orders are carried out, so a launcher that is killed in between
has said what it was about to do. Nothing here decides: that is `launcher.fleet.scheduling.policy`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from launcher.fleet.backends.base import MachineStatus
from launcher.fleet.monitoring.quotes import QuoteRecorder
from launcher.fleet.provisioning.ask_history import AskHistory
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.fleet.steering.pace import measured_pace
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Machine
from launcher.ledger.steering_records import CourseBody, CourseRecord, DecisionRecord
from launcher.steering.course import SAY, BudgetPressure, Course, Decision, after_deadline
from launcher.steering.market.refusals import ASSUMED_SHARE
from launcher.steering.orders import Order
from launcher.steering.situation import Belief, Limits, PlaceKey, Steering, WhenShort
from launcher.steering.situation_text import situation_text
from launcher.throughput.calibration import FirstMinute

RECORD_INTERVAL = timedelta(minutes=1)  # between two courses without a decision


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeringOptions:
    """What job and plan say of steering. `tokens_p90`: of the whole run, as sampled; None: as expected."""

    policy: str
    limits: Limits = field(default_factory=Limits)
    when_short: WhenShort = WhenShort.LATE
    planned_seconds: float | None = None
    tokens_expected: float | None = None
    tokens_p90: float | None = None
    shard_seconds: float = 60.0
    agreed_usd: float | None = None  # the P90 that the launch named
    beliefs: Mapping[PlaceKey, Belief] = field(default_factory=dict[PlaceKey, Belief])  # before the run


@dataclass(slots=True, kw_only=True)
class RunSteering:
    """`deadline` is asked at every look: `resume --deadline` of another process counts at once."""

    ledger: Ledger
    run: str
    groups: Sequence[FleetGroup]
    options: SteeringOptions
    deadline: Callable[[], datetime | None]
    started: datetime
    quotes: QuoteRecorder | None = None
    history: AskHistory = field(init=False)
    recorded: CourseRecord | None = None  # the last that was written

    def __post_init__(self) -> None:
        self.history = AskHistory(self.ledger, self.run, {group.number: group for group in self.groups})

    @property
    def late_seconds(self) -> float | None:
        """How long after the deadline the run is expected to be done, by the last course; below 0: before it."""
        return None if self.recorded is None else self.recorded.late_p50

    @property
    def budget_pressure(self) -> BudgetPressure:
        """How hard the budget pressed at the last course, of an earlier launcher if this one has none yet."""
        before = self.recorded or self.ledger.steering.latest_course(self.run)
        return BudgetPressure.FREE if before is None else BudgetPressure(before.budget_pressure)

    def steering(
        self,
        machines: Sequence[Machine],
        minutes: Sequence[FirstMinute],
        tokens_left: float | None,
        now: datetime,
    ) -> Steering:
        """What the policy steers by at this look."""
        if self.quotes is not None:
            self.quotes.record(now)
        groups = self.history.groups
        return Steering(
            started=self.started,
            deadline=self.deadline(),
            tokens_left_p90=self._tokens_left_p90(tokens_left),
            beliefs=self.options.beliefs,
            answers=self.history.answers(machines),
            quotes={} if self.quotes is None else self.quotes.quotes(now),
            pace=measured_pace(minutes, machines, groups),
            limits=self.options.limits,
            policy=self.options.policy,
            when_short=self.options.when_short,
            planned_seconds=self.options.planned_seconds,
            shard_seconds=self.options.shard_seconds,
            agreed_usd=self.options.agreed_usd,
            obtainable=ASSUMED_SHARE,
        )

    def observe(
        self, machines: Sequence[Machine], statuses: Mapping[str, MachineStatus], now: datetime
    ) -> None:
        """Write down what places answered since the last look."""
        self.history.observe(machines, statuses, now)

    def record(self, course: Course, orders: Sequence[Order], tokens_left: float | None) -> None:
        """Write a course, its decisions and its requests down, before the orders are carried out.

        Once in RECORD_INTERVAL, and whenever something is decided, the pressure of the budget changes, or the deadline
        has passed. The last two are said as a decision.
        """
        before, changed = self.recorded, course.budget_pressure != self.budget_pressure
        passed = self._has_just_passed(course.at)
        if (
            course.decisions
            or before is None
            or changed
            or passed
            or course.at - before.at >= RECORD_INTERVAL
        ):
            said = [Decision(SAY, course.says)] if changed and course.says else []
            said += [Decision(SAY, after_deadline(self.options.when_short))] if passed else []
            found = course_record(course, tokens_left)
            decisions = [
                decision_record(course.at, n, one) for n, one in enumerate([*course.decisions, *said])
            ]
            self.ledger.steering.record_course(self.run, found, decisions)
            self.recorded = found
        self.history.record_starts(orders, course.at)
        self.history.record_orders(orders, course.at)

    def _has_just_passed(self, now: datetime) -> bool:
        """Whether the deadline has passed since the course that was written last."""
        deadline, before = self.deadline(), self.recorded or self.ledger.steering.latest_course(self.run)
        return deadline is not None and before is not None and before.at < deadline <= now

    def _tokens_left_p90(self, tokens_left: float | None) -> float | None:
        """The corpus was only sampled: what is left is as far off as the whole was, in tokens."""
        known, high = self.options.tokens_expected, self.options.tokens_p90
        if tokens_left is None or not known or high is None:
            return tokens_left
        return tokens_left + max(0.0, high - known) * min(1.0, tokens_left / known)


def course_record(course: Course, tokens_left: float | None) -> CourseRecord:
    """A course as the ledger keeps it."""
    forecast = course.forecast
    body = CourseBody(
        missing=course.missing,
        targets=course.targets,
        situation=situation_text(course.situation) if course.decisions and course.situation else None,
        hours_p50=None if forecast is None else forecast.hours_p50,
        hours_p90=None if forecast is None else forecast.hours_p90,
        chance_over_budget=None if forecast is None else forecast.chance_over_budget,
        on_demand_share=None if forecast is None else forecast.on_demand_share,
        usd_to_finish_p10=None if forecast is None else _usd(forecast.usd_to_finish_p10),
    )
    return CourseRecord(
        at=course.at,
        budget_pressure=course.budget_pressure.value,
        usd_per_token=course.usd_per_token,
        margin_seconds=course.margin_seconds,
        late_p50=None if forecast is None else forecast.late_seconds_p50,
        late_p90=None if forecast is None else forecast.late_seconds_p90,
        chance_late=None if forecast is None else forecast.chance_late,
        usd_to_finish_p50=None if forecast is None else _usd(forecast.usd_to_finish_p50),
        usd_to_finish_p90=None if forecast is None else _usd(forecast.usd_to_finish_p90),
        tokens_left=tokens_left,
        body=body,
    )


def decision_record(at: datetime, number: int, decision: Decision) -> DecisionRecord:
    """A decision as the ledger keeps it."""
    return DecisionRecord(
        at=at,
        number=number,
        what=decision.what,
        place=decision.place,
        count=decision.count,
        reason=decision.reason,
        usd_expected=None if decision.usd_expected is None else _usd(decision.usd_expected),
    )


def _usd(amount: Decimal) -> Decimal:
    return round(amount, 6)
