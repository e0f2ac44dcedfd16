"""Explain why no fleet keeps the limits: which limit binds, and the nearest value of it that would do.

Pure. A deadline, a budget or a quota that is suggested was tried with the other limits but one: where a deadline and a
budget bind at once, the deadline is explained first, and the next plan explains the budget.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from math import ceil

from launcher.errors import Infeasible
from launcher.format import plural
from launcher.money import SECONDS_PER_HOUR
from launcher.planning.estimates.estimate import Estimate
from launcher.planning.optimizer.market import FleetLimits
from launcher.planning.optimizer.search import TRIES, Search, most_usd
from launcher.planning.optimizer.solver import solve
from launcher.planning.optimizer.thresholds import (
    least_hours,
    least_machines,
    least_slow_cost,
    quota_factor,
)

BUDGET_MARGIN = Decimal("1.02")  # of a suggested budget: prices of the next plan are a little older
MACHINES_MARGIN = 1.05  # of a suggested number of machines
QUOTA_STEP = 1.03  # by which a quota grows until it does
QUOTAS_NAMED = 3


def quota_leaves_nothing() -> Infeasible:
    """The refusal when even an endless deadline would not do."""
    return Infeasible(
        "the quota leaves no machine for this job, however long it may take",
        hint="raise `quota:` in the job file to at least the GPUs of one machine",
    )


def explain(search: Search, limits: FleetLimits, frontier: Sequence[Estimate]) -> Infeasible:
    """The refusal for a deadline or a budget that no fleet keeps."""
    deadline = search.requirements.deadline_hours
    unbounded = Search(search.market, replace(search.requirements, budget=None), search.gaps)
    if deadline is None:
        in_time = unbounded.cheapest(search.market, limits, None)
    else:
        in_time = unbounded.fit_deadline(limits, deadline)
        if in_time is None:
            return _deadline_too_short(search, limits, deadline)
    return _budget_too_small(search, unbounded, limits, [*frontier, *([in_time] if in_time else [])])


def _deadline_too_short(search: Search, limits: FleetLimits, deadline: float) -> Infeasible:
    requirements = search.requirements
    best = _soonest_fleet(search, limits)
    under, more = "", ""
    if requirements.machines is not None:
        under = f" with at most {plural(requirements.machines, 'machine')} (limits.machines)"
        fewest = least_machines(search.market, deadline, limits)
        if fewest is not None and fewest > requirements.machines:
            more = f", or limits.machines to {ceil(fewest * MACHINES_MARGIN)}"
    elif (requirements.quota or requirements.vcpus) and (
        quota := _sufficient_quota(search, limits, deadline)
    ):
        under, more = " within the quota", f", or quota: {_quota_text(quota)}"
    elif requirements.machines_per_region is not None:
        under = f" with at most {plural(requirements.machines_per_region, 'machine')} a region"
        more = ", or raise limits.machines_per_region"
    return Infeasible(
        f"nothing finishes in {duration_text(deadline)}{under}; soonest: {plural(best.machines, 'machine')}, "
        f"most {best.main_candidate.name}, {duration_text(best.hours.high)} (P90)",
        hint=f"set limits.deadline to {round_duration_up(best.hours.high)}{more}",
    )


def _soonest_fleet(search: Search, limits: FleetLimits) -> Estimate:
    hours = least_hours(search.market, limits)
    found = solve(search.market, hours, limits)
    assert found, "the shortest deadline that can be made has a fleet"
    return search.estimate(found)


def _budget_too_small(
    search: Search, unbounded: Search, limits: FleetLimits, frontier: Sequence[Estimate]
) -> Infeasible:
    """Name the least budget of the fleets that are in time: none of them is within the required one."""
    market, deadline = search.market, search.requirements.deadline_hours
    found = [
        *frontier,
        unbounded.cheapest(market, limits, deadline),
        unbounded.cheapest_when_slow(market, limits, deadline, deadline),
    ]
    slow = least_slow_cost(market, deadline, limits)
    found += [search.estimate(slow)] if slow else []
    nearest = min(
        most_usd(e) for e in found if e and e.usd and (deadline is None or e.hours.high <= deadline)
    )
    when = f" in {duration_text(deadline)}" if deadline is not None else ""
    return Infeasible(
        f"nothing costs at most ${search.requirements.budget}{when} (P90); the least is ${nearest:,.2f}",
        hint=f"set limits.budget to ${ceil(nearest * BUDGET_MARGIN)}"
        + (", or a later deadline" if deadline else ""),
    )


def _sufficient_quota(search: Search, limits: FleetLimits, deadline: float) -> FleetLimits | None:
    """A quota that makes the deadline: every entry raised by the same factor, by as little as will do."""
    factor = quota_factor(search.market, deadline, limits)
    for _ in range(TRIES):
        if factor is None:
            return None
        quota = {group: ceil(most * factor) for group, most in limits.quota.items()}
        vcpus = {group: ceil(most * factor) for group, most in limits.vcpus.items()}
        wanted = replace(search.requirements, quota=quota, vcpus=vcpus, budget=None)
        looser = replace(limits, quota=quota, vcpus=vcpus)
        if Search(search.market, wanted).cheapest(search.market, looser, deadline):
            return looser
        factor *= QUOTA_STEP
    return None


def _quota_text(limits: FleetLimits) -> str:
    entries = [
        f"{cloud} {region} {what}{name} {'spot' if spot else 'on_demand'} {most}"
        for quota, what in ((limits.quota, ""), (limits.vcpus, "vcpus "))
        for (cloud, region, name, spot), most in quota.items()
        if most
    ]
    rest = len(entries) - QUOTAS_NAMED
    return "; ".join(entries[:QUOTAS_NAMED]) + (f"; and {rest} more" if rest > 0 else "")


def duration_text(hours: float) -> str:
    """A duration in words, short: 4.17 d, 6 h, 30 min, 45 s."""
    for size, unit in ((24.0, "d"), (1.0, "h"), (1 / 60, "min")):
        if hours >= (100 if unit == "d" else 2 * size):
            return f"{hours / size:.3g} {unit}"
    return f"{hours * SECONDS_PER_HOUR:.3g} s"


def round_duration_up(hours: float) -> str:
    """A duration as a job file has it, rounded up: 6h, 2.1h, 31m, 90s."""
    if hours < 1 / 30:
        return f"{ceil(hours * SECONDS_PER_HOUR)}s"
    return f"{ceil(hours * 60)}m" if hours < 2 else f"{ceil(hours * 10) / 10:g}h"
