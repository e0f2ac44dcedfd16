"""What a run teaches the next plan: how fast its GPUs were, how long its machines took to start, and what that is worth.

Pure. The plan is priced once more with what was measured instead of what was believed, nothing else changed: how far
from the run's dollars that would have been is how much closer the next plan of the same kind is.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from launcher.costs.metering import MachineTime, Spend
from launcher.costs.waterfall import lot_of, planned_lots, tokens_by_lot
from launcher.money import amount_text, decimal_of_float
from launcher.planning.plan_reader import at, rows
from launcher.throughput.spread import quantile
from tasks.protocol.receipt import Receipt


@dataclass(frozen=True, slots=True)
class Lesson:
    """Of one lot: a machine's tokens per second and seconds from being asked for to its first token. None: not seen."""

    gpu: str
    cloud: str
    planned_speed: float
    measured_speed: float | None
    measured_start: float | None  # the median
    starts: int


def taught(
    plan: Mapping[str, Any], spend: Spend, machines: Sequence[MachineTime], receipts: Sequence[Receipt]
) -> list[Lesson]:
    lots = planned_lots(plan)
    said: list[Mapping[str, Any]] = rows(plan, "lots")
    tokens = tokens_by_lot(machines, receipts, len(lots))
    useful: dict[int, float] = defaultdict(float)
    waits: dict[int, list[float]] = defaultdict(list)
    for machine, metered in zip(machines, spend.lives, strict=True):
        lot = lot_of(machine, len(lots))
        useful[lot] += metered.time["useful"].total_seconds()
        if machine.ready and machine.asked:
            waits[lot].append(max(0.0, (machine.ready - machine.asked).total_seconds()))
    return [
        Lesson(
            gpu=str(said[i].get("gpu")),
            cloud=str(said[i].get("cloud")),
            planned_speed=float(lot.tokens_per_second),
            measured_speed=float(tokens[i] * lot.metered) / useful[i] if useful[i] and tokens[i] else None,
            measured_start=quantile(waits[i], 0.5),
            starts=len(waits[i]),
        )
        for i, lot in enumerate(lots)
    ]


def closer(
    plan: Mapping[str, Any], learned: Sequence[Lesson], actual: Decimal | None
) -> dict[str, str | float] | None:
    """How far off the plan was, and how far off it would have been with what is known now. None: nothing to compare."""
    lots = planned_lots(plan)
    total = at(plan, "totals", "usd", "p50")
    if not lots or not actual or total is None or len(lots) != len(learned):
        return None
    planned = Decimal(total)
    again = planned
    for lot, lesson in zip(lots, learned, strict=True):
        if lesson.measured_speed:
            again += lot.usd * (lot.tokens_per_second / decimal_of_float(lesson.measured_speed) - 1)
    return {
        "planned_usd": amount_text(planned),
        "again_usd": amount_text(again.quantize(Decimal("1e-8"))),
        "off": float(planned / actual - 1),
        "off_again": float(again / actual - 1),
    }


def as_json(learned: Sequence[Lesson], nearer: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "lots": [
            {
                "gpu": one.gpu,
                "cloud": one.cloud,
                "planned_tokens_per_second": one.planned_speed,
                "measured_tokens_per_second": one.measured_speed,
                "measured_start_seconds": one.measured_start,
                "starts": one.starts,
            }
            for one in learned
        ],
        "plan": dict(nearer) if nearer else None,
    }
