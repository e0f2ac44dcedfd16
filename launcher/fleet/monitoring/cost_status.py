"""The money of a run that goes on, and where its machines are: what `status` adds to how far it is."""

import json
from collections import Counter, defaultdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from launcher.costs.forecast import forecast
from launcher.costs.metering import MachineTime
from launcher.costs.run_costs import budget_of, machine_times, standing_of
from launcher.ledger.ledger import Ledger
from launcher.money import written
from launcher.planning.plan_reader import at

PREEMPTED_ENDS = ("PREEMPTED", "LOST")


def money_of(
    ledger: Ledger, run: str, now: datetime, tokens: int, expected: int | None, rate: float | None
) -> dict[str, Any]:
    """As JSON: dollars so far, bound to be and an hour, the projected total, machines by place and state."""
    row = ledger.runs.find(run)
    plan: dict[str, Any] = json.loads(row.plan)
    times = machine_times(ledger, run)
    money = standing_of(ledger, run, now)
    spread = [at(plan, "totals", "usd", p) for p in ("p10", "p50", "p90")]
    planned = None if None in spread else (Decimal(spread[0]), Decimal(spread[1]), Decimal(spread[2]))
    going = any(m.ended is None for m in times)
    found = None
    if times and (money.whole or money.spent):
        total = expected if expected is not None else at(plan, "profile", "tokens")
        found = forecast(money.spent, tokens, total, planned, money.usd_per_hour, rate if going else None)
    budget = ledger.costs.budget(run) or budget_of(plan)
    return {
        "usd_known": written(money.spent),
        "usd_committed": written(money.committed),
        "usd_per_hour": written(money.usd_per_hour) if going and money.usd_per_hour else None,
        "usd_projected": None
        if found is None
        else {p: written(getattr(found, p).quantize(Decimal("1e-6"))) for p in ("p10", "p50", "p90")},
        "budget": None if budget is None else written(budget),
        "preemptions": sum(
            1 for m in times if (m.how or m.state) in PREEMPTED_ENDS and m.ended and m.ended > m.started
        ),
        "places": _places(times),
    }


def _places(times: list[MachineTime]) -> list[dict[str, Any]]:
    """Machines by place, as each machine's last life stands; the place with most that run comes first."""
    last: dict[str, MachineTime] = {}
    for m in times:
        if m.name not in last or m.number >= last[m.name].number:
            last[m.name] = m
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for m in last.values():
        counts[m.place][_state(m)] += 1
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1]["UP"], pair[0]))
    return [{"place": place, "states": dict(sorted(states.items()))} for place, states in ranked]


def _state(m: MachineTime) -> str:
    """Of a machine's last life: asked for, starting, up, on its way back after it was taken, or how it ended."""
    if m.ended is None:
        return "UP" if m.ready else "STARTING"
    if m.state not in ("UP", "INTENDED"):
        return m.state
    return "RECOVERING" if m.ended > m.started else "ASKED"
