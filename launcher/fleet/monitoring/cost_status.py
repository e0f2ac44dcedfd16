"""The money of a run that goes on, and where its machines are, for `status`."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from launcher.costs.forecast import forecast
from launcher.costs.run_costs import budget_of, budget_status_of, machine_times
from launcher.costs.run_rates import RunRates
from launcher.costs.usage.machine_time import MachineTime
from launcher.documents.course import CourseStatus
from launcher.documents.status import CostStatus, PlaceCount, ProjectedUsd
from launcher.ledger.ledger import Ledger
from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_plan import SavedPlan

PREEMPTED_ENDS = ("PREEMPTED", "LOST")
MICRODOLLAR = Decimal("1e-6")


def cost_status(ledger: Ledger, run: str, now: datetime, rates: RunRates) -> CostStatus:
    """Dollars spent, committed and an hour, the projected total, and machines by place and state."""
    row = ledger.runs.find(run)
    plan = plan_file.read_recorded(row.plan)
    times = machine_times(ledger, run)
    money = budget_status_of(ledger, run, now)
    going = any(m.ended is None for m in times)
    projected = None
    if times and (money.complete or money.spent):
        hourly, speed = money.usd_per_hour, rates.pace if going else None
        found = forecast(
            money.spent,
            rates.tokens_embedded,
            rates.tokens_expected,
            planned=_planned_usd(plan),
            hourly=hourly,
            tokens_per_second=speed,
        )
        projected = found and ProjectedUsd(
            *(p.quantize(MICRODOLLAR) for p in (found.p10, found.p50, found.p90))
        )
    preempted = [m for m in times if (m.how or m.state) in PREEMPTED_ENDS]
    return CostStatus(
        usd_known=money.spent,
        usd_committed=money.committed,
        usd_per_hour=money.usd_per_hour if going and money.usd_per_hour else None,
        usd_projected=projected,
        budget=budget_of(ledger, run, plan),
        preemptions=sum(1 for m in preempted if m.ended and m.ended > m.started),
        places=_places(times),
    )


def projected_usd(cost: CostStatus, course: CourseStatus | None) -> ProjectedUsd | None:
    """The dollars of the whole run: as steering expects where it does, else by the plan and the present pace."""
    if cost.usd_projected is None or course is None:
        return cost.usd_projected
    left, spent = course.usd_to_finish, cost.usd_known
    if left.p10 is None or left.p50 is None or left.p90 is None:
        return cost.usd_projected
    return ProjectedUsd(p10=spent + left.p10, p50=spent + left.p50, p90=spent + left.p90)


def longest_chunk(ledger: Ledger, run: str) -> int | None:
    """The most tokens of a chunk, as planned; None where the plan does not say."""
    return plan_file.read_recorded(ledger.runs.find(run).plan).profile.longest


def _planned_usd(plan: SavedPlan) -> tuple[Decimal, Decimal, Decimal] | None:
    usd = plan.expected_usd
    if usd.p10 is None or usd.p50 is None or usd.p90 is None:
        return None
    return usd.p10, usd.p50, usd.p90


def _places(times: Sequence[MachineTime]) -> tuple[PlaceCount, ...]:
    """Machines by place, by each machine's last life; the place with most machines up comes first."""
    last: dict[str, MachineTime] = {}
    for m in times:
        if m.name not in last or m.number >= last[m.name].number:
            last[m.name] = m
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for m in last.values():
        counts[m.place][_state(m)] += 1
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1]["UP"], pair[0]))
    return tuple(PlaceCount(place, dict(sorted(states.items()))) for place, states in ranked)


def _state(m: MachineTime) -> str:
    """State of a machine by its last life: requested, starting, up, recovering from a preemption, or how it ended."""
    if m.ended is None:
        return "UP" if m.ready else "STARTING"
    if m.state not in ("UP", "INTENDED"):
        return m.state
    return "RECOVERING" if m.ended > m.started else "ASKED"
