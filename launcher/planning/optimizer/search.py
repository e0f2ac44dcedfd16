"""Search a market for fleets that keep the limits at P90: for a deadline, over all deadlines, in parts of the market.

Pure. The solver prices machines at the median and times them at the slow end. The true P90 comes from the draws of
`monte_carlo`, so the solver is given a tighter deadline or budget until the draws keep the real one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise
from math import sqrt

from launcher.money import SECONDS_PER_HOUR, decimal_of_float
from launcher.planning.estimates.estimate import (
    Allocation,
    Candidate,
    Estimate,
    RunCharges,
    as_launched,
    per_million,
)
from launcher.planning.estimates.monte_carlo import simulate
from launcher.planning.estimates.past_runs import (
    Basis,
    PastRuns,
    Place,
    Sorts,
    basis_of,
    place_of,
    widened,
    widened_usd,
)
from launcher.planning.estimates.unpriced import bound_usd, unpriced_items
from launcher.planning.optimizer.market import FleetLimits, Group, Market, VcpuGroup, region_lower_bounds
from launcher.planning.optimizer.solver import GAP, Solution, solve
from launcher.planning.optimizer.thresholds import least_hours, least_slow_cost
from launcher.throughput.spread import Spread
from pricing.account import access

FIRST_POINTS = 9  # of the frontier, tried at first
ENOUGH_POINTS = 8  # that a frontier should have where the market gives them
MORE_POINTS = 12  # tried between those that are far apart
CLOSABLE_GAP = 3 * GAP  # a gap that all candidates may close; of a few machines, rounding leaves a wider one
FRONTIER_GAP = 0.02  # of the cost: the gap of a point of the frontier
LEAST_GPU_TYPES = 6  # GPU types tried alone, at least, where the market has so many
MOST_REGIONS = 24  # regions tried alone, of those that could be cheapest
TRIES = 6  # to meet a limit at P90 before giving up
SLACK = 0.03  # of a deadline: not worth another search to use it up
SAME_PRICE = Decimal("0.02")  # of the cost: a fleet of fewer machines may cost so much more than the cheapest
FEWER_TRIES = 2  # to meet the limits with fewer machines
# Deadlines between the hours of the cheapest fleet and the job's own, for which fewer machines are sought.
FEWER_DEADLINES = 3
NEGLIGIBLE = Decimal("0.005")  # of the cost: what is within this of the optimum is as cheap

Under = Callable[[Callable[[Candidate], bool]], Estimate | None]


@dataclass(frozen=True, slots=True)
class Requirements:
    """The work and its limits."""

    tokens: Spread  # with the 95 % interval
    charges: RunCharges
    deadline_hours: float | None = None
    budget: Decimal | None = None
    machines: int | None = None
    machines_per_region: int | None = None  # a hard limit, set by the user
    obtainable: Mapping[Group, int] = field(default_factory=dict[Group, int])  # a soft limit, in GPUs
    quota: Mapping[Group, int] = field(default_factory=dict[Group, int])  # GPUs
    vcpus: Mapping[VcpuGroup, int] = field(default_factory=dict[VcpuGroup, int])
    seed: int = 0
    past: Sorts = field(
        default_factory=dict[tuple[Place, Basis], PastRuns]
    )  # how earlier plans came true here

    def past_runs(self, allocations: Sequence[Allocation]) -> PastRuns | None:
        """The finished runs of plans of the sort that this fleet is; None if there are none."""
        place = place_of(allocations[0].candidate.cloud)
        return self.past.get((place, basis_of(a.candidate.speed_source for a in allocations)))

    @property
    def limits(self) -> FleetLimits:
        """The limits on numbers of machines. A user's limit for regions replaces what is known to be obtainable."""
        obtainable = dict[Group, int]() if self.machines_per_region is not None else self.obtainable
        return FleetLimits(
            machines=self.machines,
            per_region=self.machines_per_region,
            obtainable=obtainable,
            quota=self.quota,
            vcpus=self.vcpus,
        )


def estimate_fleet(allocations: Sequence[Allocation], requirements: Requirements) -> Estimate:
    """The estimate of a fleet, with its spread: the model's own, widened by how earlier plans came true here."""
    allocations = as_launched(allocations)
    charges, tokens = requirements.charges, requirements.tokens
    found = simulate(allocations, charges, tokens, requirements.seed)
    hours, usd, past = found.hours, found.usd, requirements.past_runs(allocations)
    if past:
        hours, usd = widened(hours, past.hours), usd and widened_usd(usd, past.usd)
    return Estimate(
        allocations=tuple(allocations),
        hours=hours,
        usd=usd,
        items=found.items,
        usd_per_million_tokens=None if usd is None else per_million(usd.p50, tokens.mid),
        unpriced=unpriced_items(allocations, charges),
    )


def gpus_by_group(made: Estimate) -> dict[Group, float]:
    """The GPUs that a fleet takes of each cloud, region, GPU type and purchase kind."""
    taken: dict[Group, float] = {}
    for allocation in made.allocations:
        group = allocation.candidate.group
        taken[group] = taken.get(group, 0.0) + allocation.machines * allocation.candidate.gpus
    return taken


def gpus_beyond_known(made: Estimate, requirements: Requirements) -> float:
    """GPUs beyond what is known, or assumed, to be obtainable in their regions."""
    known = requirements.limits.obtainable
    return sum(max(0.0, n - known[group]) for group, n in gpus_by_group(made).items() if group in known)


def rank_usd(made: Estimate) -> Decimal:
    """The P50 in USD with the most that its unpriced parts cost, to sort by; an unknown price sorts last."""
    return made.usd.p50 + bound_usd(made.unpriced) if made.usd else Decimal("Infinity")


def most_usd(made: Estimate) -> Decimal:
    """The P90 in USD with the most that its unpriced parts cost: what a budget must hold."""
    return made.usd.p90 + bound_usd(made.unpriced) if made.usd else Decimal("Infinity")


@dataclass(slots=True)
class Search:
    """A market and the requirements of a fleet; remembers the gap and the deadline that each fleet was solved with."""

    market: Market
    requirements: Requirements
    gaps: dict[tuple[Allocation, ...], float] = field(default_factory=dict[tuple[Allocation, ...], float])
    aims: dict[tuple[Allocation, ...], float | None] = field(
        default_factory=dict[tuple[Allocation, ...], float | None]
    )

    def estimate(self, found: Solution) -> Estimate:
        """The estimate of what the solver found."""
        made = estimate_fleet(found.allocations, self.requirements)
        self.gaps[made.allocations] = found.gap
        return made

    def keeps_limits(self, made: Estimate) -> bool:
        """Whether the fleet keeps deadline and budget at P90."""
        budget = self.requirements.budget
        return self._in_time(made, self.requirements.deadline_hours) and (
            budget is None or made.usd is None or most_usd(made) <= budget
        )

    def cheapest(
        self,
        market: Market,
        limits: FleetLimits,
        hours: float | None,
        aim: float | None = None,
        tries: int = TRIES,
    ) -> Estimate | None:
        """The cheapest fleet of `market` that makes this deadline and the budget at P90.

        The solver gets the deadline `aim` at first (None: `hours`), then tighter ones.
        """
        aim, usd, budget = aim or hours, None, self.requirements.budget
        for _ in range(tries):
            found = solve(market, aim, replace(limits, usd=usd))
            if found is None:
                break
            made = self.estimate(found)
            self.aims[made.allocations] = aim
            late = not self._in_time(made, hours)
            dear = budget is not None and made.usd is not None and most_usd(made) > budget
            if not late and not dear:
                return made
            if late and aim and hours:
                aim *= min(0.995, hours / made.hours.high * 0.998)
            if dear and made.usd and budget is not None:
                if not gpus_beyond_known(made, self.requirements):
                    limits = replace(limits, firm=True)  # a small budget is no reason to count on luck
                known = found.slow_usd if usd is None else min(usd, found.slow_usd)
                usd = known * min(0.995, float(budget / most_usd(made)))
        return None if budget is None else self.cheapest_when_slow(market, limits, hours, aim)

    def cheapest_when_slow(
        self, market: Market, limits: FleetLimits, hours: float | None, aim: float | None
    ) -> Estimate | None:
        """The fleet that costs least at the slow end, if it keeps the limits."""
        found = least_slow_cost(market, aim, limits)
        made = None if found is None else self.estimate(found)
        return made if made and self._in_time(made, hours) and self.keeps_limits(made) else None

    def fit_deadline(self, limits: FleetLimits, hours: float) -> Estimate | None:
        """The cheapest fleet for a deadline that uses up the time until it.

        The slow end of a single machine is later than the P90 of a fleet of several, so the solver may be given a later
        deadline than the real one.
        """
        best = self.cheapest(self.market, limits, hours)
        if best is None and self.requirements.budget is not None:
            unbounded = Search(self.market, replace(self.requirements, budget=None), self.gaps)
            made = unbounded.fit_deadline(limits, hours)
            return made if made and self.keeps_limits(made) else None
        if best is None:
            found = solve(self.market, least_hours(self.market, limits), limits)
            made = self.estimate(found) if found else None
            return made if made and self._in_time(made, hours) and self.keeps_limits(made) else None
        if best.hours.high > hours * (1 - SLACK):
            return best
        aim = hours * hours / best.hours.high
        for reach in (aim, sqrt(aim * hours)):
            later = self.cheapest(self.market, limits, hours, reach, tries=1)
            if later and rank_usd(later) < rank_usd(best):
                return later
        return best

    def frontier(self, limits: FleetLimits, least: float) -> list[Estimate]:
        """Fleets from the soonest to the cheapest, each cheaper than all before it. Ignores the budget.

        `least` is the shortest deadline in hours that can be made.
        """
        cheap = solve(self.market, None, limits)
        assert cheap, "a fleet that makes a deadline also works without one"
        made = [self.estimate(cheap)]
        ratio = max(made[0].hours.high, least * 1.05) / least
        for n in range(FIRST_POINTS + 1):
            aim = least * ratio ** (n / (FIRST_POINTS + 1))
            found = solve(self.market, aim, limits, FRONTIER_GAP)
            if found:
                made.append(self.estimate(found))
                self.aims[made[-1].allocations] = aim
        points, tried = _pareto_front(made), set[float]()
        while len(points) < ENOUGH_POINTS and len(tried) < MORE_POINTS:
            gaps = [(b.hours.high / a.hours.high, a.hours.high) for a, b in pairwise(points)]
            wide = max(((r, h) for r, h in gaps if h not in tried and r > 1.01), default=None)
            if wide is None:
                break
            tried.add(wide[1])
            found = solve(self.market, wide[1] * sqrt(wide[0]), limits, GAP)
            points = _pareto_front([*points, self.estimate(found)]) if found else points
        return points

    def refine(self, limits: FleetLimits, best: Estimate) -> Estimate:
        """A cheaper fleet near the best one, if there is one: points of the frontier are far apart.

        Other deadlines are tried only where hours themselves cost something (the controller).
        """
        if GAP < self.gaps.get(best.allocations, 0.0) <= CLOSABLE_GAP:
            found = solve(self.market, self.aims.get(best.allocations), limits, thorough=True)
            better = self.estimate(found) if found else best
            best = min((m for m in (best, better) if self.keeps_limits(m)), key=rank_usd)
        hourly = best.items["controller"]
        if best.usd is None or not hourly or hourly < NEGLIGIBLE * best.usd.p50:
            return best
        deadline = self.requirements.deadline_hours
        for factor in (0.8, 1.25):
            hours = best.hours.high * factor
            if deadline is None or hours <= deadline:
                made = self.cheapest(self.market, limits, hours)
                if made and rank_usd(made) < rank_usd(best):
                    best = made
        return best

    def with_fewer_machines(
        self, limits: FleetLimits, cheapest: Estimate, others: Sequence[Estimate]
    ) -> Estimate:
        """The fleet that is easiest to get, of those that cost nearly the same and keep the limits.

        It has the fewest machines; of equally many, those that take the smallest share of what their regions are counted
        on to give. Only where the job has a deadline: without one, fewer machines only take longer.
        """
        hours, usd = self.requirements.deadline_hours, rank_usd(cheapest)
        if hours is None or cheapest.machines == 1 or not usd.is_finite():
            return cheapest
        beyond = gpus_beyond_known(cheapest, self.requirements)
        # With a fee for each machine, the solver saves one wherever that costs less than the fee.
        fee = float(SAME_PRICE * usd) / cheapest.machines
        dearer = replace(self.market, start_usd=self.market.start_usd + fee)

        def is_near(one: Estimate) -> bool:
            return (
                rank_usd(one) <= usd * (1 + SAME_PRICE)
                and self.keeps_limits(one)
                and gpus_beyond_known(one, self.requirements) <= beyond
            )

        def fewer(deadline: float) -> Estimate | None:
            found = self.cheapest(dearer, limits, deadline, tries=FEWER_TRIES)
            return found if found is not None and is_near(found) else None

        near = [one for one in others if is_near(one)]
        found = fewer(hours)
        # The solver does not see what hours of the whole run cost (the controller). Where that makes the slowest fleet
        # too dear, one that is done sooner is sought.
        early, late = cheapest.hours.high, hours
        for deadline in () if found else (early, *[None] * FEWER_DEADLINES):
            tried = deadline or sqrt(early * late)
            found = fewer(tried)
            if found:
                near.append(found)
                early = tried
            elif deadline is None:
                late = tried
        return min([cheapest, *near, *([found] if found else [])], key=self._scarcity)

    def _scarcity(self, made: Estimate) -> tuple[int, float, Decimal]:
        """Machines, the largest share of a region's known GPUs, and dollars."""
        known = self.requirements.limits.obtainable
        shares = (n / known[group] for group, n in gpus_by_group(made).items() if known.get(group))
        return made.machines, max(shares, default=0.0), rank_usd(made)

    def alternatives(self, limits: FleetLimits, chosen: Estimate) -> Iterator[tuple[str, Estimate]]:
        """Fleets under the same limits of one GPU type, one purchase kind and one region, with their names."""
        deadline, hours = self.requirements.deadline_hours, chosen.hours.high
        deadlines = [deadline] if deadline else [None, hours, 2 * hours]

        def under(wanted: Callable[[Candidate], bool]) -> Estimate | None:
            part = self.market.where(wanted)
            found = [self.cheapest(part, limits, deadline) for deadline in deadlines]
            found += [chosen] if all(wanted(a.candidate) for a in chosen.allocations) else []
            return min((one for one in found if one), key=rank_usd, default=None)

        yield from self._single_gpu_types(under)
        for spot, name in ((False, "only on demand"), (True, "only spot")):
            made = under(lambda candidate, spot=spot: candidate.spot == spot)
            if made:
                yield name, made
        region = self._single_region(limits, under)
        if region:
            yield region

    def _single_gpu_types(self, under: Under) -> Iterator[tuple[str, Estimate]]:
        """One GPU type alone: the best, and a few that come near. Tries them by the lower bound of their cost."""
        bounds: dict[str, float] = {}
        least_usd = self.market.work_usd + self.market.start_usd
        for candidate, usd in zip(self.market.candidates, least_usd, strict=True):
            bounds[candidate.gpu] = min(bounds.get(candidate.gpu, float(usd)), float(usd))
        found: list[Decimal] = []
        for gpu, least in sorted(bounds.items(), key=lambda item: (item[1], item[0])):
            if len(found) >= LEAST_GPU_TYPES and decimal_of_float(least) > min(found):
                return
            made = under(lambda candidate, gpu=gpu: candidate.gpu == gpu)
            if made:
                found.append(rank_usd(made))
                yield f"only {gpu}", made

    def _single_region(self, limits: FleetLimits, under: Under) -> tuple[str, Estimate] | None:
        """The best single region. Tries them by the lower bound of their cost, until no other can be cheaper."""
        best: tuple[str, Estimate] | None = None
        charges = self.requirements.charges
        start = min(candidate.cold_start.mid for candidate in self.market.candidates)
        controller = (charges.controller_usd_per_hour or Decimal(0)) * decimal_of_float(
            start / SECONDS_PER_HOUR
        )
        besides = controller + (charges.storage or 0)
        bounds = region_lower_bounds(self.market, self.requirements.deadline_hours, limits)
        for least, (cloud, region) in sorted(bounds)[:MOST_REGIONS]:
            if best and decimal_of_float(least) + besides >= rank_usd(best[1]):
                break
            made = under(lambda candidate, here=(cloud, region): (candidate.cloud, candidate.region) == here)
            if made and (best is None or rank_usd(made) < rank_usd(best[1])):
                candidates = [one.candidate for one in made.allocations]
                places = {access.place_name(cloud, region, one.zone) for one in candidates}
                best = (f"only {cloud} {places.pop() if len(places) == 1 else region}", made)
        return best

    @staticmethod
    def _in_time(made: Estimate, hours: float | None) -> bool:
        return hours is None or made.hours.high <= hours


def _pareto_front(made: Sequence[Estimate]) -> list[Estimate]:
    """The estimates by time; of two, the later one only when it is cheaper."""
    out: list[Estimate] = []
    for one in sorted(made, key=lambda e: (e.hours.high, rank_usd(e))):
        if not out or rank_usd(one) < rank_usd(out[-1]):
            out.append(one)
    return out
