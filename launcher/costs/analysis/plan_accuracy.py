"""Accuracy of a plan: planned and measured speed and start time of each machine group, and the error of its cost.

Pure. The plan's cost is also computed again with the measured speeds and nothing else changed. Its remaining error shows
how much more accurate the next plan of the same kind will be. `plan_outcome` is the record of a finished run that the
ledger keeps: the plan's P10, P50 and P90 beside what came (`planning.past_runs` uses it).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from launcher.costs.analysis.waterfall import group_of, planned_groups, tokens_by_group
from launcher.costs.usage.machine_time import MachineTime
from launcher.costs.usage.spend import Spend
from launcher.costs.usage.work_done import Work
from launcher.ledger.records import PlanOutcome
from launcher.money import decimal_of_float
from launcher.planning.estimates.past_runs import FigureRecord, basis_of, deviations, place_of
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.throughput.spread import quantile


@dataclass(frozen=True, slots=True)
class GroupAccuracy:
    """A machine group's speed in tokens per second per machine, and seconds from request to ready. None: not observed."""

    gpu: str
    cloud: str
    planned_speed: float
    measured_speed: float | None
    measured_start: float | None  # median over its machines
    starts: int


@dataclass(frozen=True, slots=True)
class PlanError:
    """The error of the plan's cost as a share of the run's, as planned and with the measured speeds."""

    planned_usd: Decimal
    again_usd: Decimal  # the planned cost with the measured speeds
    off: float
    off_again: float

    @property
    def run_over_plan(self) -> float | None:
        """By what share of the plan's cost the run cost more, as its other differences are shown; below 0: less."""
        return self._over(self.planned_usd)

    @property
    def run_over_again(self) -> float | None:
        """The same of the cost that a plan with the measured speeds would have."""
        return self._over(self.again_usd)

    def _over(self, planned: Decimal) -> float | None:
        actual = float(self.planned_usd) / (1 + self.off) if self.off > -1 else None
        return actual / float(planned) - 1 if actual is not None and planned > 0 else None


def group_accuracies(
    plan: SavedPlan, spend: Spend, machines: Sequence[MachineTime], receipts: Work
) -> list[GroupAccuracy]:
    """Compare planned and measured speed and start time of each machine group of the plan."""
    groups = planned_groups(plan)
    tokens = tokens_by_group(machines, receipts, len(groups))
    useful: dict[int, float] = defaultdict(float)
    waits: dict[int, list[float]] = defaultdict(list)
    for machine, metered in zip(machines, spend.lives, strict=True):
        index = group_of(machine, len(groups))
        useful[index] += metered.time["useful"].total_seconds()
        if machine.ready and machine.asked:
            waits[index].append(max(0.0, (machine.ready - machine.asked).total_seconds()))
    return [
        GroupAccuracy(
            gpu=plan.lots[i].gpu,
            cloud=plan.lots[i].cloud,
            planned_speed=float(group.tokens_per_second),
            measured_speed=float(tokens[i] * group.ledger_machines) / useful[i]
            if useful[i] and tokens[i]
            else None,
            measured_start=quantile(waits[i], 0.5),
            starts=len(waits[i]),
        )
        for i, group in enumerate(groups)
    ]


def plan_error(
    plan: SavedPlan, accuracies: Sequence[GroupAccuracy], actual: Decimal | None
) -> PlanError | None:
    """The error of the plan's cost; None if the plan or the run has no cost to compare."""
    groups = planned_groups(plan)
    planned = plan.totals.usd.p50
    if not groups or not actual or planned is None or len(groups) != len(accuracies):
        return None
    again = planned
    for group, accuracy in zip(groups, accuracies, strict=True):
        if accuracy.measured_speed:
            again += group.usd * (group.tokens_per_second / decimal_of_float(accuracy.measured_speed) - 1)
    return PlanError(
        planned_usd=planned,
        again_usd=again.quantize(Decimal("1e-8")),
        off=float(planned / actual - 1),
        off_again=float(again / actual - 1),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """What a finished run took, where it compares with its plan. `speed` is tokens per second of all machines."""

    run: str
    finished: datetime
    hours: float | None
    usd: Decimal | None
    speed: float | None


def fleet_speed(plan: SavedPlan, accuracies: Sequence[GroupAccuracy]) -> float | None:
    """Measured tokens per second of all planned machines while they work; None if a group did not work."""
    speeds = [one.measured_speed for one in accuracies]
    if not speeds or len(speeds) != len(plan.lots):
        return None
    total = 0.0
    for group, speed in zip(plan.lots, speeds, strict=True):
        if speed is None:
            return None
        total += group.machines * speed
    return total


def plan_outcome(plan: SavedPlan, actual: RunFigures) -> PlanOutcome:
    """The record of a finished run beside its plan, for the plans that follow."""
    totals, first = plan.totals, plan.lots[0]
    hours, usd, speed = plan.expected_hours, plan.expected_usd, totals.tokens_per_second
    past = totals.past_runs
    own = FigureRecord()
    # A sum from which an item is missing is not what the whole run costs.
    steered = plan.steering is not None and plan.steering.expects and bool(plan.steering.items)
    lacks = bool(plan.expected_unpriced) or (not steered and None in totals.items.values())
    complete = usd.p50 is not None and not lacks
    usd_off = None
    if complete and actual.usd is not None and usd.p10 is not None and usd.p50 and usd.p90 is not None:
        low, mid, high = float(usd.p10), float(usd.p50), float(usd.p90)
        usd_off = deviations(float(actual.usd), low, mid, high, past.usd if past else own)
    return PlanOutcome(
        run=actual.run,
        finished=actual.finished,
        place=place_of(first.cloud),
        basis=basis_of(group.speed_source for group in plan.lots),
        model=plan.work.model,
        engine=plan.work.engine,
        gpu=first.gpu,
        hours_p10=hours.p10,
        hours_p50=hours.p50,
        hours_p90=hours.p90,
        hours=actual.hours,
        hours_off=None
        if actual.hours is None
        else deviations(actual.hours, hours.p10, hours.p50, hours.p90, past.hours if past else own),
        usd_p10=usd.p10 if complete else None,
        usd_p50=usd.p50 if complete else None,
        usd_p90=usd.p90 if complete else None,
        usd=actual.usd,
        usd_off=usd_off,
        speed_p10=speed and speed.p10,
        speed_p50=speed and speed.p50,
        speed_p90=speed and speed.p90,
        speed=actual.speed,
    )
