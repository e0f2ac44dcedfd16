"""Decide on a fleet: the cheapest that keeps every limit at P90, what else there is, what binds, and what is possible.

Pure; knows kinds of machines and limits, not where they came from. The solver prices machines; what costs by the hour
of the whole run (SkyPilot's controller) makes a slow fleet dear, so deadlines shorter than the asked one are tried too.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import ceil, inf

from launcher.errors import Infeasible
from launcher.planning.estimate import Allocation, Candidate, Estimate
from launcher.planning.optimizer.infeasible import duration_text, explain, quota_leaves_nothing
from launcher.planning.optimizer.market import FleetLimits, TokenDemand, market_of
from launcher.planning.optimizer.search import (
    CLEAR,
    Requirements,
    Search,
    estimate_fleet,
    machines_beyond_known,
    median_usd,
)
from launcher.planning.optimizer.solver import least_hours

TIGHT = 0.8  # of a limit: what a fleet leaves more of does not bind it


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another way to do the same work. `more` is USD above the chosen one at P50; None: unknown."""

    name: str
    estimate: Estimate
    more: Decimal | None


@dataclass(frozen=True, slots=True)
class Decision:
    chosen: Estimate
    gap: float  # of the solver, of the cost
    frontier: tuple[Estimate, ...]  # soonest first
    alternatives: tuple[Alternative, ...]  # cheapest first
    binding: tuple[str, ...]


def decide(kinds: Sequence[Candidate], asked: Requirements) -> Decision:
    """The decision.

    Raises:
        Infeasible: no fleet keeps the limits; the message names the one that binds and the nearest that would do.
    """
    search = Search(market_of(kinds, TokenDemand(asked.tokens.mid, asked.tokens.high)), asked)
    if not search.market.kinds:
        raise Infeasible(
            "no machine fits the limits of the job and has a known price and speed",
            hint="loosen limits.gpus, clouds, regions or spot in the job file",
        )
    caps = asked.caps
    firm = replace(caps, firm=True)
    least = least_hours(search.market, firm)
    sure = firm if least is not None else caps  # what is known to be obtainable does the work, given time
    least = least_hours(search.market, caps) if least is None else least
    if least is None:
        raise quota_leaves_nothing()
    frontier = search.frontier(sure, least)
    inside = [e for e in frontier if search.keeps(e)]
    if asked.deadline_hours is not None:
        on_the_dot = search.fitted(caps, asked.deadline_hours)
        inside += [on_the_dot] if on_the_dot else []
    elif asked.budget is not None and not inside:
        cheap = search.at(search.market, caps, None)
        inside += [cheap] if cheap else []
    if not inside:
        raise explain(search, caps, frontier)
    chosen = search.polish(caps, min(inside, key=median_usd))
    luck = machines_beyond_known(chosen, asked)
    others = [
        (n, e)
        for n, e in search.others(caps if luck else firm, chosen)
        if machines_beyond_known(e, asked) <= luck
    ]
    chosen = min(
        [chosen, *(e for _, e in others)], key=median_usd
    )  # one may find what the search passed over
    alternatives = sorted(
        (Alternative(n, e, usd_above(e, chosen)) for n, e in others), key=lambda a: median_usd(a.estimate)
    )
    gap = search.gaps.get(chosen.shares, 0.0)
    return Decision(chosen, gap, tuple(frontier), tuple(alternatives), _binding(search, caps, chosen))


def single_candidate_fleet(kind: Candidate, asked: Requirements) -> Estimate | None:
    """One kind doing all the work, as many machines as the deadline needs at the slow end; no limit on their number.

    None: they would not have started by then.
    """
    one = market_of([kind], TokenDemand(asked.tokens.mid, asked.tokens.high))
    capacity = float(one.capacity(asked.deadline_hours)[0]) if one.kinds else inf
    machines = ceil(1 / capacity) if capacity > 0 else None
    return (
        None
        if machines is None
        else estimate_fleet([Allocation(kind, machines or 1, asked.tokens.mid)], asked)
    )


def usd_above(made: Estimate, chosen: Estimate) -> Decimal | None:
    """USD above the chosen one; None: unknown."""
    return made.usd.p50 - chosen.usd.p50 if made.usd and chosen.usd else None


def _full(made: Estimate, caps: FleetLimits) -> set[str]:
    """The limits on machines that a fleet uses to the full, or nearly: no other can keep a cheaper one out."""
    groups: Counter[tuple[str, str, str, bool]] = Counter()
    for share in made.shares:
        groups[share.kind.group] += share.machines
    regions: Counter[tuple[str, str]] = Counter()
    for group, machines in groups.items():
        regions[group[:2]] += machines
    return {
        name
        for name, is_full in (
            ("machines", caps.machines is not None and made.machines >= caps.machines * TIGHT),
            ("region", caps.per_region is not None and max(regions.values()) >= caps.per_region * TIGHT),
            (
                "known",
                any(n >= caps.obtainable[g] * TIGHT for g, n in groups.items() if g in caps.obtainable),
            ),
        )
        if is_full
    }


def _binding(search: Search, caps: FleetLimits, chosen: Estimate) -> tuple[str, ...]:
    """Which limits keep something cheaper out, in words; and where the plan leans on luck."""
    asked, out = search.asked, list[str]()

    def gain(looser: FleetLimits, hours: float | None) -> str | None:
        made = search.at(search.market, looser, hours)
        if made and made.usd and chosen.usd and made.usd.p50 < chosen.usd.p50 * (1 - CLEAR):
            return f"${made.usd.p50:,.2f} in {duration_text(made.hours.mid)}"
        return None

    deadline, used = asked.deadline_hours, chosen.hours.high
    if deadline is not None and used > deadline * TIGHT and (saved := gain(caps, deadline * 4)):
        out.append(f"limits.deadline {duration_text(deadline)}: four times as long, {saved}")
    full = _full(chosen, caps)
    if "machines" in full and (saved := gain(replace(caps, machines=None), deadline)):
        out.append(f"limits.machines {asked.machines}: without it {saved}")
    if "region" in full and (saved := gain(replace(caps, per_region=None), deadline)):
        out.append(f"limits.machines_per_region {asked.machines_per_region}: without it {saved}")
    if asked.quota and (saved := gain(replace(caps, quota={}), deadline)):
        out.append(f"quota: without it {saved}")
    beyond = machines_beyond_known(chosen, asked)
    if beyond:
        out.append(
            f"the deadline: {beyond:,} machines more than are known to be obtainable in their regions are taken"
        )
    elif "known" in full and (saved := gain(replace(caps, obtainable={}), deadline)):
        out.append(f"machines known to be obtainable in a region: without it {saved}")
    return tuple(out)
