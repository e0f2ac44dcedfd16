"""Accuracy of a plan: planned and measured speed and start time of each machine group, and the error of its cost.

Pure. The plan's cost is also computed again with the measured speeds and nothing else changed. Its remaining error shows
how much more accurate the next plan of the same kind will be.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from launcher.costs.machine_time import MachineTime
from launcher.costs.spend import Spend
from launcher.costs.waterfall import group_of, planned_groups, tokens_by_group
from launcher.money import decimal_of_float
from launcher.planning.saved_plan import SavedPlan
from launcher.throughput.spread import quantile
from tasks.protocol.receipt import Receipt


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


def group_accuracies(
    plan: SavedPlan, spend: Spend, machines: Sequence[MachineTime], receipts: Sequence[Receipt]
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
