"""Decide on a fleet: the cheapest that keeps every limit at P90, its alternatives, and which limits bind.

Pure: knows candidates and limits, not where they came from. The solver prices machines; what costs by the hour of the
whole run (SkyPilot's controller) makes a slow fleet dear, so deadlines shorter than the required one are tried too.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import ceil, inf

from launcher.errors import Infeasible
from launcher.planning.estimate import Allocation, Candidate, Estimate
from launcher.planning.optimizer.infeasible import duration_text, explain, quota_leaves_nothing
from launcher.planning.optimizer.market import FleetLimits, Group, TokenDemand, market_of
from launcher.planning.optimizer.search import (
    NEGLIGIBLE,
    Requirements,
    Search,
    estimate_fleet,
    machines_beyond_known,
    median_usd,
)
from launcher.planning.optimizer.solver import least_hours

BINDING_SHARE = 0.8  # of a limit: a fleet that uses less of it is not bound by it


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another fleet for the same work. `more` is USD above the chosen one at P50; None: unknown."""

    name: str
    estimate: Estimate
    more: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The chosen fleet, and what else was found."""

    chosen: Estimate
    gap: float  # of the solver, as a share of the cost
    frontier: tuple[Estimate, ...] = ()  # soonest first
    alternatives: tuple[Alternative, ...] = ()  # cheapest first
    binding: tuple[str, ...] = ()  # limits that keep something cheaper out, in words


def decide(candidates: Sequence[Candidate], requirements: Requirements) -> Decision:
    """Choose the fleet.

    Raises:
        Infeasible: no fleet keeps the limits; the message names the one that binds and the nearest value that would do.
    """
    demand = TokenDemand(requirements.tokens.mid, requirements.tokens.high)
    search = Search(market_of(candidates, demand), requirements)
    if not search.market.candidates:
        raise Infeasible(
            "no machine fits the limits of the job and has a known price and speed",
            hint="loosen limits.gpus, clouds, regions or spot in the job file",
        )
    limits = requirements.limits
    firm = replace(limits, firm=True)
    frontier = _frontier(search, limits, firm)
    keeping = _fleets_that_keep_limits(search, limits, frontier)
    if not keeping:
        raise explain(search, limits, frontier)
    chosen = search.refine(limits, min(keeping, key=median_usd))
    beyond = machines_beyond_known(chosen, requirements)
    others = [
        (name, estimate)
        for name, estimate in search.alternatives(limits if beyond else firm, chosen)
        if machines_beyond_known(estimate, requirements) <= beyond
    ]
    # An alternative may be cheaper than what the search found.
    chosen = min([chosen, *(estimate for _, estimate in others)], key=median_usd)
    alternatives = [Alternative(name, estimate, usd_above(estimate, chosen)) for name, estimate in others]
    return Decision(
        chosen=chosen,
        gap=search.gaps.get(chosen.allocations, 0.0),
        frontier=tuple(frontier),
        alternatives=tuple(sorted(alternatives, key=lambda a: median_usd(a.estimate))),
        binding=_binding(search, limits, chosen),
    )


def _frontier(search: Search, limits: FleetLimits, firm: FleetLimits) -> list[Estimate]:
    """The frontier within what is known to be obtainable, or beyond it when that never does the work."""
    least = least_hours(search.market, firm)
    if least is not None:
        return search.frontier(firm, least)
    least = least_hours(search.market, limits)
    if least is None:
        raise quota_leaves_nothing()
    return search.frontier(limits, least)


def _fleets_that_keep_limits(
    search: Search, limits: FleetLimits, frontier: Sequence[Estimate]
) -> list[Estimate]:
    """Points of the frontier that keep deadline and budget, and the cheapest fleet for exactly these."""
    requirements = search.requirements
    found = [estimate for estimate in frontier if search.keeps_limits(estimate)]
    extra: Estimate | None = None
    if requirements.deadline_hours is not None:
        extra = search.fit_deadline(limits, requirements.deadline_hours)
    elif requirements.budget is not None and not found:
        extra = search.cheapest(search.market, limits, None)
    return [*found, extra] if extra else found


def single_candidate_fleet(candidate: Candidate, requirements: Requirements) -> Estimate | None:
    """One candidate doing all the work: as many machines as the deadline needs at the slow end, without other limits.

    None: it would not have started by the deadline.
    """
    market = market_of([candidate], TokenDemand(requirements.tokens.mid, requirements.tokens.high))
    capacity = float(market.capacity(requirements.deadline_hours)[0]) if market.candidates else inf
    if capacity <= 0:
        return None
    machines = ceil(1 / capacity) or 1
    return estimate_fleet([Allocation(candidate, machines, requirements.tokens.mid)], requirements)


def usd_above(made: Estimate, chosen: Estimate) -> Decimal | None:
    """USD at P50 above the chosen fleet; None: unknown."""
    return made.usd.p50 - chosen.usd.p50 if made.usd and chosen.usd else None


def _used_up(made: Estimate, limits: FleetLimits) -> set[str]:
    """The limits on machines that a fleet uses nearly to the full: no other can keep a cheaper fleet out."""
    groups: Counter[Group] = Counter()
    for allocation in made.allocations:
        groups[allocation.candidate.group] += allocation.machines
    regions: Counter[tuple[str, str]] = Counter()
    for group, machines in groups.items():
        regions[group[:2]] += machines
    per_region, obtainable = limits.per_region, limits.obtainable
    used = {
        "machines": limits.machines is not None and made.machines >= limits.machines * BINDING_SHARE,
        "region": per_region is not None and max(regions.values()) >= per_region * BINDING_SHARE,
        "obtainable": any(
            n >= obtainable[group] * BINDING_SHARE for group, n in groups.items() if group in obtainable
        ),
    }
    return {name for name, is_used in used.items() if is_used}


def _binding(search: Search, limits: FleetLimits, chosen: Estimate) -> tuple[str, ...]:
    """Which limits keep something cheaper out, in words, and whether the plan counts on luck."""
    requirements, out = search.requirements, list[str]()

    def cheaper(looser: FleetLimits, hours: float | None) -> str | None:
        """Dollars and hours of the best fleet under looser limits, when it is clearly cheaper."""
        made = search.cheapest(search.market, looser, hours)
        if made and made.usd and chosen.usd and made.usd.p50 < chosen.usd.p50 * (1 - NEGLIGIBLE):
            return f"${made.usd.p50:,.2f} in {duration_text(made.hours.mid)}"
        return None

    deadline, hours = requirements.deadline_hours, chosen.hours.high
    if deadline is not None and hours > deadline * BINDING_SHARE:
        gain = cheaper(limits, deadline * 4)
        if gain:
            out.append(f"limits.deadline {duration_text(deadline)}: four times as long, {gain}")
    used = _used_up(chosen, limits)
    if "machines" in used and (gain := cheaper(replace(limits, machines=None), deadline)):
        out.append(f"limits.machines {requirements.machines}: without it {gain}")
    if "region" in used and (gain := cheaper(replace(limits, per_region=None), deadline)):
        out.append(f"limits.machines_per_region {requirements.machines_per_region}: without it {gain}")
    if requirements.quota and (gain := cheaper(replace(limits, quota={}), deadline)):
        out.append(f"quota: without it {gain}")
    beyond = machines_beyond_known(chosen, requirements)
    if beyond:
        out.append(
            f"the deadline: {beyond:,} machines more than are known to be obtainable in their regions are taken"
        )
    elif "obtainable" in used and (gain := cheaper(replace(limits, obtainable={}), deadline)):
        out.append(f"machines known to be obtainable in a region: without it {gain}")
    return tuple(out)
