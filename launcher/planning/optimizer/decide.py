"""Decide on a fleet: the cheapest that keeps every limit at P90, its alternatives, and which limits bind.

Pure: knows candidates and limits, not where they came from. The solver prices machines; what costs by the hour of the
whole run (SkyPilot's controller) makes a slow fleet dear, so deadlines shorter than the required one are tried too.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from math import ceil, inf

from launcher.errors import Infeasible
from launcher.format import hours_text, money
from launcher.planning.estimates.estimate import Allocation, Candidate, Estimate
from launcher.planning.estimates.launching import LAUNCHES_AT_ONCE
from launcher.planning.estimates.unpriced import is_fully_priced, with_bounds
from launcher.planning.optimizer.infeasible import duration_text, explain, quota_leaves_nothing
from launcher.planning.optimizer.market import (
    MOST_MACHINES,
    FleetLimits,
    Group,
    SlowTimes,
    TokenDemand,
    market_of,
    middle_usd,
    slow_times,
    vcpu_group,
)
from launcher.planning.optimizer.search import (
    NEGLIGIBLE,
    SAME_PRICE,
    Requirements,
    Search,
    estimate_fleet,
    gpus_beyond_known,
    gpus_by_group,
    rank_usd,
)
from launcher.planning.optimizer.solver import QUEUE_ROUNDS, QUEUE_STEP
from launcher.planning.optimizer.thresholds import least_hours

BINDING_SHARE = 0.8  # of a limit: a fleet that uses less of it is not bound by it
# Of a deadline: with one machine fewer a fleet may be late, and with it done long before, because all share the work.
BINDING_SHARE_OF_DEADLINE = 0.5


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
    market = market_of(with_bounds(candidates), demand, by_vcpus=bool(requirements.vcpus))
    search = Search(market, requirements)
    if not search.market.candidates:
        raise Infeasible(
            "no machine fits the limits of the job and has a known price and speed",
            hint="loosen limits.gpus, clouds, regions or spot in the job file",
        )
    if requirements.budget is not None:
        # What is chosen without a budget is chosen with it, too, when it keeps it: a larger budget is never dearer.
        free = Search(market, replace(requirements, budget=None), search.gaps, search.aims)
        with suppress(Infeasible):
            found = _decide(free)
            if search.keeps_limits(found.chosen):
                kept = tuple(one for one in found.alternatives if search.keeps_limits(one.estimate))
                return replace(found, alternatives=kept)
    return _decide(search)


def _decide(search: Search) -> Decision:
    """Choose the fleet in a market that has candidates."""
    requirements = search.requirements
    limits = requirements.limits
    firm = replace(limits, firm=True)
    frontier = _frontier(search, limits, firm)
    keeping = _fleets_that_keep_limits(search, limits, frontier)
    if not keeping:
        raise explain(search, limits, frontier)
    chosen = search.refine(limits, min(keeping, key=rank_usd))
    beyond = gpus_beyond_known(chosen, requirements)
    others = [
        (name, estimate)
        for name, estimate in search.alternatives(limits if beyond else firm, chosen)
        if gpus_beyond_known(estimate, requirements) <= beyond
    ]
    # An alternative may be cheaper than what the search found.
    cheapest = min([chosen, *(estimate for _, estimate in others)], key=rank_usd)
    chosen = search.with_fewer_machines(
        firm if not beyond else limits, cheapest, [*frontier, *keeping, *(estimate for _, estimate in others)]
    )
    alternatives = [Alternative(name, estimate, usd_above(estimate, chosen)) for name, estimate in others]
    return Decision(
        chosen=chosen,
        gap=_gap(search, chosen, cheapest),
        frontier=tuple(frontier),
        alternatives=tuple(sorted(alternatives, key=lambda a: rank_usd(a.estimate))),
        binding=(*_binding(search, limits, chosen), *_fewer_machines(chosen, cheapest)),
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


def single_type_fleet(quotes: Sequence[Candidate], requirements: Requirements) -> Estimate | None:
    """One machine type doing all the work: as many machines as the deadline needs at the slow end.

    `quotes` are its candidates, of which those come first that so many machines cost the least on. Each region is asked
    for what it is counted on to give, and then the next quote is taken; what no quote is left for is taken of the
    dearest. Where the job's limits and quotas allow fewer, it has as many as they allow, and takes longer. None: it would
    not have started in time, or there are none of it.
    """
    hours, machines = requirements.deadline_hours, 1
    costs = [_middle_usd(quote, requirements.tokens.mid) for quote in quotes]
    quotes = _cheapest_first(costs, machines)
    if hours is not None and quotes[0].usd_per_hour is not None:
        found = _machines_for(slow_times(quotes[0], requirements.tokens.high), hours)
        if found is None:
            return None
        machines = found
        quotes = _cheapest_first(costs, machines)
    taken = _spread(quotes, machines, requirements)
    machines = sum(n for _, n in taken)
    if not machines:
        return None
    tokens = requirements.tokens.mid / machines  # of each machine
    return estimate_fleet([Allocation(quote, n, tokens * n) for quote, n in taken if n], requirements)


def _cheapest_first(costs: Sequence[tuple[Candidate, float, float]], machines: int) -> list[Candidate]:
    """The quotes by what so many machines cost that share the work: a start weighs little beside much egress.

    `costs`: each with the USD of the work and of a start.
    """
    return [quote for quote, _, _ in sorted(costs, key=lambda cost: cost[1] + machines * cost[2])]


def _middle_usd(quote: Candidate, tokens: float) -> tuple[Candidate, float, float]:
    return (quote, inf, 0.0) if quote.usd_per_hour is None else (quote, *middle_usd(quote, tokens))


def _machines_for(times: SlowTimes, hours: float) -> int | None:
    """How many machines of one type a deadline needs; None: none of them would have started in time."""
    machines = 1
    for _ in range(QUEUE_ROUNDS):
        capacity = times.capacity(hours, machines)
        if capacity <= 0:
            break
        needed = ceil(1 / capacity) or 1
        if needed <= machines:
            break
        waits = needed > LAUNCHES_AT_ONCE and times.wave > 0
        machines = ceil(needed * QUEUE_STEP) if waits else needed
    if not times.capacity(hours):
        return None
    return min(machines, max(1, times.most_in_time(hours)))


def _spread(
    quotes: Sequence[Candidate], machines: int, requirements: Requirements
) -> list[tuple[Candidate, int]]:
    """The machines over the quotes: each group gives what it is counted on to give, and the last quotes the rest.

    Fewer than `machines` where limits and quotas allow no more.
    """
    limits = requirements.limits
    left = min(machines, limits.machines or machines)
    counts = [0] * len(quotes)
    for number in range(len(quotes)):
        added = min(left, _room(quotes, counts, number, limits)) if left else 0
        counts[number], left = counts[number] + added, left - added
    beyond = replace(limits, obtainable={})
    for number in reversed(range(len(quotes))):
        added = min(left, _room(quotes, counts, number, beyond)) if left else 0
        counts[number], left = counts[number] + added, left - added
    return list(zip(quotes, counts, strict=True))


def _room(quotes: Sequence[Candidate], counts: Sequence[int], number: int, limits: FleetLimits) -> int:
    """How many more machines of a quote there may be, beside so many of each."""
    quote, most = quotes[number], inf
    own, vcpus = quote.group, vcpu_group(quote) if limits.vcpus else None
    taken = list(zip(quotes, counts, strict=True))
    gpus = sum(n * one.gpus for one, n in taken if one.group == own)
    for known in (limits.obtainable.get(own), limits.quota.get(own)):
        if known is not None:
            most = min(most, (known - gpus) // quote.gpus)
    if limits.per_region is not None and quote.cloud != "local":
        most = min(most, limits.per_region - sum(n for one, n in taken if one.group[:2] == own[:2]))
    if vcpus is not None and vcpus in limits.vcpus:
        used = sum(n * (one.vcpus or 0) for one, n in taken if vcpu_group(one) == vcpus)
        most = min(most, (limits.vcpus[vcpus] - used) // quote.vcpus) if quote.vcpus else 0
    if quote.at_most is not None:
        most = min(most, quote.at_most - counts[number])
    return MOST_MACHINES if most == inf else max(0, int(most))


def usd_above(made: Estimate, chosen: Estimate) -> Decimal | None:
    """USD at P50 above the chosen fleet; None: unknown, because a price is missing from one of the two.

    What the job does not say, such as where its texts are, is missing from every fleet and changes no difference.
    """
    if made.usd is None or chosen.usd is None:
        return None
    bounded = [usd for one in (made, chosen) for usd in one.unpriced.values() if usd is not None]
    if made == chosen or (made.unpriced.keys() == chosen.unpriced.keys() and not bounded):
        return made.usd.p50 - chosen.usd.p50
    return None


def _gap(search: Search, chosen: Estimate, cheapest: Estimate) -> float:
    """How far above the optimum the chosen fleet may be, as a share of its cost."""
    gap = search.gaps.get(cheapest.allocations, 0.0)
    if chosen is cheapest or not rank_usd(chosen).is_finite():
        return gap
    return max(0.0, 1 - float(rank_usd(cheapest) / rank_usd(chosen)) * (1 - gap))


def _fewer_machines(chosen: Estimate, cheapest: Estimate) -> tuple[str, ...]:
    """A sentence where fewer machines were chosen than the cheapest fleet has."""
    if chosen.machines >= cheapest.machines or not (chosen.usd and cheapest.usd):
        return ()
    more = max(Decimal(0), rank_usd(chosen) - rank_usd(cheapest))
    sentence = (
        f"fewer machines: {chosen.machines} instead of {cheapest.machines} in {hours_text(cheapest.hours.mid)}, "
        f"for {money(more)} more (within {SAME_PRICE * 100:g} % fewer are taken)"
    )
    return (sentence,)


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
            n >= obtainable[group] * BINDING_SHARE
            for group, n in gpus_by_group(made).items()
            if group in obtainable
        ),
    }
    return {name for name, is_used in used.items() if is_used}


def _binding(search: Search, limits: FleetLimits, chosen: Estimate) -> tuple[str, ...]:
    """Which limits keep something cheaper out, in words, and whether the plan counts on luck."""
    requirements, out = search.requirements, list[str]()

    def cheaper(looser: FleetLimits, hours: float | None) -> str | None:
        """Dollars and hours of the best fleet under looser limits, when it is clearly cheaper."""
        made = search.cheapest(search.market, looser, hours)
        if made and made.usd and chosen.usd and rank_usd(made) < rank_usd(chosen) * (1 - NEGLIGIBLE):
            least = "" if is_fully_priced(made) else "at least "
            return f"{least}{money(made.usd.p50)} in {hours_text(made.hours.mid)}"
        return None

    deadline, hours = requirements.deadline_hours, chosen.hours.high
    if deadline is not None and hours > deadline * BINDING_SHARE_OF_DEADLINE:
        gain = cheaper(limits, deadline * 4)
        if gain:
            out.append(f"limits.deadline {duration_text(deadline)}: four times as long, {gain}")
    used = _used_up(chosen, limits)
    if "machines" in used and (gain := cheaper(replace(limits, machines=None), deadline)):
        out.append(f"limits.machines {requirements.machines}: without it {gain}")
    if "region" in used and (gain := cheaper(replace(limits, per_region=None), deadline)):
        out.append(f"limits.machines_per_region {requirements.machines_per_region}: without it {gain}")
    has_quota = requirements.quota or requirements.vcpus
    if has_quota and (gain := cheaper(replace(limits, quota={}, vcpus={}), deadline)):
        out.append(f"quota: without it {gain}")
    beyond = gpus_beyond_known(chosen, requirements)
    if beyond:
        out.append(
            f"the deadline: {beyond:g} GPUs more than are known to be obtainable in their regions are taken"
        )
    elif "obtainable" in used and (gain := cheaper(replace(limits, obtainable={}), deadline)):
        out.append(f"GPUs known to be obtainable in a region: without it {gain}")
    return tuple(out)
