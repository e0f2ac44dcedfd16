"""Why no fleet keeps the limits: which of them binds, and the nearest value of it that would do.

Pure. A deadline, a budget and a quota that are named were tried, with the other limits but one: where a deadline and a
budget bind at once the deadline is told of first, and the next plan tells of the budget.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from math import ceil

from launcher.errors import Infeasible
from launcher.planning.estimate import Estimate
from launcher.planning.optimizer.market import FleetLimits, Group
from launcher.planning.optimizer.search import TRIES, Search
from launcher.planning.optimizer.solver import (
    least_hours,
    least_machines,
    least_slow_cost,
    quota_factor,
    solve,
)

ROOM = Decimal("1.02")  # of a sum of money that is named, for the next plan's prices are a little older


def quota_leaves_nothing() -> Infeasible:
    """Even an endless deadline would not do."""
    return Infeasible(
        "the quota leaves no machine for this job, however long it may take",
        hint="raise `quota:` in the job file to at least the GPUs of one machine",
    )


def explain(search: Search, caps: FleetLimits, frontier: Sequence[Estimate]) -> Infeasible:
    """Of a deadline or a budget that nothing keeps."""
    deadline = search.asked.deadline_hours
    free = Search(search.market, replace(search.asked, budget=None), search.gaps)
    timely = free.at(search.market, caps, None) if deadline is None else free.fitted(caps, deadline)
    if deadline is not None and timely is None:
        return _late(search, caps, deadline)
    return _dear(search, free, caps, [*frontier, *([timely] if timely else [])])


def _late(search: Search, caps: FleetLimits, deadline: float) -> Infeasible:
    asked = search.asked
    best = _soonest(search, caps)
    limit, more = "", ""
    if asked.machines is not None:
        limit = f" with at most {asked.machines} machines (limits.machines)"
        fewest = least_machines(search.market, deadline, caps)
        if fewest is not None and fewest > asked.machines:
            more = f", or limits.machines to {ceil(fewest * 1.05)}"
    elif asked.quota and (quota := _enough(search, caps, deadline)):
        limit, more = " within the quota", f", or quota: {_quota(quota)}"
    elif asked.machines_per_region is not None:
        limit = f" with at most {asked.machines_per_region} machines a region"
        more = ", or raise limits.machines_per_region"
    return Infeasible(
        f"nothing finishes in {duration_text(deadline)}{limit}; "
        f"soonest: {best.machines} machines, most {best.kind.name}, {duration_text(best.hours.high)} (P90)",
        hint=f"set limits.deadline to {round_duration_up(best.hours.high)}{more}",
    )


def _soonest(search: Search, caps: FleetLimits) -> Estimate:
    hours = least_hours(search.market, caps)
    found = solve(search.market, hours, caps)
    assert found, "a soonest fleet is one"
    return search.made(found)


def _dear(search: Search, free: Search, caps: FleetLimits, frontier: Sequence[Estimate]) -> Infeasible:
    """The least budget of the fleets that are on time: none of them is within the one that was asked."""
    deadline = search.asked.deadline_hours
    found = [
        *frontier,
        free.at(search.market, caps, deadline),
        free.frugal(search.market, caps, deadline, deadline),
    ]
    frugal = least_slow_cost(search.market, deadline, caps)
    found += [search.made(frugal)] if frugal else []
    sums = [e.usd.p90 for e in found if e and e.usd and (deadline is None or e.hours.high <= deadline)]
    nearest = min(sums)
    when = f" in {duration_text(deadline)}" if deadline is not None else ""
    return Infeasible(
        f"nothing costs at most ${search.asked.budget}{when} (P90); the least is ${nearest:,.2f}",
        hint=f"set limits.budget to ${ceil(nearest * ROOM)}" + (", or a later deadline" if deadline else ""),
    )


def _enough(search: Search, caps: FleetLimits, deadline: float) -> dict[Group, int] | None:
    """A quota that makes the deadline: each entry as many times what it is, by as little as will do."""
    times = quota_factor(search.market, deadline, caps)
    for _ in range(TRIES):
        if times is None:
            return None
        quota = {group: ceil(most * times) for group, most in caps.quota.items()}
        if Search(search.market, replace(search.asked, quota=quota, budget=None)).at(
            search.market, replace(caps, quota=quota), deadline
        ):
            return quota
        times *= 1.03
    return None


def _quota(quota: Mapping[Group, int]) -> str:
    entries = [
        f"{cloud} {region} {gpu} {'spot' if spot else 'on_demand'} {most}"
        for (cloud, region, gpu, spot), most in quota.items()
        if most
    ]
    return "; ".join(entries[:3]) + (f"; and {len(entries) - 3} more" if len(entries) > 3 else "")


def duration_text(hours: float) -> str:
    """A duration in words, short."""
    for size, unit in ((24.0, "d"), (1.0, "h"), (1 / 60, "min")):
        if hours >= (100 if unit == "d" else 2 * size):
            return f"{hours / size:.3g} {unit}"
    return f"{hours * 3600:.3g} s"


def round_duration_up(hours: float) -> str:
    """A duration for the job file that is not shorter."""
    if hours < 1 / 30:
        return f"{ceil(hours * 3600)}s"
    return f"{ceil(hours * 60)}m" if hours < 2 else f"{ceil(hours * 10) / 10:g}h"
