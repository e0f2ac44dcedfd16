"""What a run teaches the next plan: how fast its GPUs were, how long its machines took to start, and what that is worth.

Pure. The plan is priced once more with what was measured instead of what was believed, nothing else changed: how far
from the run's dollars that would have been is how much closer the next plan of the same kind is.
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
    """Of one lot: a machine's tokens per second and seconds from being asked for to its first token. None: not seen."""

    gpu: str
    cloud: str
    planned_speed: float
    measured_speed: float | None
    measured_start: float | None  # the median
    starts: int


@dataclass(frozen=True, slots=True)
class PlanError:
    """How far the plan's dollars were from the run's, as a share of these, and how far they would be today."""

    planned_usd: Decimal
    again_usd: Decimal  # planned once more, with the speeds that the run measured
    off: float
    off_again: float


def group_accuracies(
    plan: SavedPlan, spend: Spend, machines: Sequence[MachineTime], receipts: Sequence[Receipt]
) -> list[GroupAccuracy]:
    lots = planned_groups(plan)
    tokens = tokens_by_group(machines, receipts, len(lots))
    useful: dict[int, float] = defaultdict(float)
    waits: dict[int, list[float]] = defaultdict(list)
    for machine, metered in zip(machines, spend.lives, strict=True):
        lot = group_of(machine, len(lots))
        useful[lot] += metered.time["useful"].total_seconds()
        if machine.ready and machine.asked:
            waits[lot].append(max(0.0, (machine.ready - machine.asked).total_seconds()))
    return [
        GroupAccuracy(
            gpu=plan.lots[i].gpu,
            cloud=plan.lots[i].cloud,
            planned_speed=float(lot.tokens_per_second),
            measured_speed=float(tokens[i] * lot.metered) / useful[i] if useful[i] and tokens[i] else None,
            measured_start=quantile(waits[i], 0.5),
            starts=len(waits[i]),
        )
        for i, lot in enumerate(lots)
    ]


def plan_error(plan: SavedPlan, learned: Sequence[GroupAccuracy], actual: Decimal | None) -> PlanError | None:
    """The error of the plan, and that of a plan which knows what was measured. None: nothing to compare."""
    lots = planned_groups(plan)
    planned = plan.totals.usd.p50
    if not lots or not actual or planned is None or len(lots) != len(learned):
        return None
    again = planned
    for lot, lesson in zip(lots, learned, strict=True):
        if lesson.measured_speed:
            again += lot.usd * (lot.tokens_per_second / decimal_of_float(lesson.measured_speed) - 1)
    return PlanError(
        planned_usd=planned,
        again_usd=again.quantize(Decimal("1e-8")),
        off=float(planned / actual - 1),
        off_again=float(again / actual - 1),
    )
