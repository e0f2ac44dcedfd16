"""Solve for the fleet: how many machines of which candidates, so that the work costs least and every limit holds. Pure.

The relaxation gives a lower bound on the cost of any fleet, and reduced costs that say which candidates can matter.
Whole machines are chosen among those. The distance between the two is the gap.
"""
# numpy's tolist is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from launcher.planning.estimates.estimate import Allocation
from launcher.planning.estimates.launching import LAUNCHES_AT_ONCE
from launcher.planning.optimizer.market import FleetLimits, Market
from launcher.planning.optimizer.relaxation import FleetProblem, problem_of, relax
from launcher.planning.optimizer.whole_machines import (
    COARSE_NODE_LIMIT,
    NODE_LIMIT,
    WholeMachines,
    mixed_integer,
    one_candidate,
    rounded,
    useful_candidates,
)

GAP = 0.005  # of the cost: how far from the optimum a solution may be
FIRST_CANDIDATES = 48  # that the mixed-integer program sees at first
MOST_CANDIDATES = 384  # that it sees in the end, where the gap is to be small
QUEUE_ROUNDS = 6  # tries to find how long a fleet waits for its launches
FEWER_STEP = 1.5  # by which fewer machines are tried where so many would wait too long
QUEUE_STEP = 1.04  # by which the number of machines is taken larger than the last try had


@dataclass(frozen=True, slots=True)
class Solution:
    """A fleet, its cost in USD as the solver counts it, and a lower bound on the cost of any fleet."""

    allocations: tuple[Allocation, ...]
    usd: float
    bound: float
    slow_usd: float  # the same fleet at the slow end

    @property
    def machines(self) -> int:
        return sum(allocation.machines for allocation in self.allocations)

    @property
    def gap(self) -> float:
        return max(0.0, 1 - self.bound / self.usd) if self.usd else 0.0


def solve(
    market: Market, hours: float | None, limits: FleetLimits, gap: float = GAP, *, thorough: bool = False
) -> Solution | None:
    """The cheapest fleet that does the work within `hours`, to `gap` of its cost; None when there is none.

    Looks at the most promising candidates; with `thorough` at all, which takes a while where there are thousands. Of a
    fleet of more machines than start at once, the later ones wait: the more machines, the longer. So it is solved again
    with the wait of its number, until that is enough.
    """
    if hours is None or not market.wave.any():
        return _solve(market, hours, limits, gap, thorough=thorough)
    number = LAUNCHES_AT_ONCE
    for _ in range(QUEUE_ROUNDS):
        needed = _machines_needed(market.queued(number), hours, limits)  # quicker than whole machines
        if needed is None or needed <= number:
            break
        number = ceil(needed * QUEUE_STEP)
    else:
        needed = None
    if needed is None:
        return None if number <= LAUNCHES_AT_ONCE else _solve_smaller(market, hours, limits, gap, number)
    for _ in range(QUEUE_ROUNDS):
        found = _solve(market.queued(number), hours, limits, gap, thorough=thorough)
        if found is None:
            break
        if found.machines <= number:
            return found
        number = ceil(found.machines * QUEUE_STEP)
    return _solve_smaller(market, hours, limits, gap, number)


def _machines_needed(market: Market, hours: float, limits: FleetLimits) -> float | None:
    """Machines, in fractions, of the cheapest fleet; None when there is none."""
    problem = problem_of(market, hours, limits)
    relaxed = relax(problem) if problem else None
    return None if relaxed is None else relaxed.machines


def _solve_smaller(
    market: Market, hours: float, limits: FleetLimits, gap: float, number: int
) -> Solution | None:
    """The cheapest fleet of fewer machines than `number`, which would wait too long for their launches."""
    best: Solution | None = None
    number = min(number, market.most_in_time(hours), limits.machines or number)
    while number >= LAUNCHES_AT_ONCE:
        found = _solve(market.queued(number), hours, replace(limits, machines=number), gap)
        if found and (best is None or found.usd < best.usd):
            best = found
        elif best is not None:
            break
        number = int(number / FEWER_STEP)
    return best


def _solve(
    market: Market, hours: float | None, limits: FleetLimits, gap: float = GAP, *, thorough: bool = False
) -> Solution | None:
    """The cheapest fleet, whatever the number of its machines."""
    problem = problem_of(market, hours, limits)
    relaxed = relax(problem) if problem else None
    if problem is None or relaxed is None:
        return None
    bound = relaxed.usd
    tried = [one for one in (one_candidate(problem), rounded(problem, relaxed)) if one]
    best = min(tried, key=lambda one: one.value, default=None)
    if best is not None and best.value - bound <= gap / 4 * best.value:
        return _solution(problem, best, bound)
    fine = gap <= GAP
    most = len(market.candidates) if thorough else MOST_CANDIDATES if fine else FIRST_CANDIDATES
    for size in (FIRST_CANDIDATES, MOST_CANDIDATES, len(market.candidates)):
        if best is not None and size > most:
            break
        useful = useful_candidates(problem, relaxed, best)
        seen = np.sort(useful[: max(size, 0 if best is None else len(best.index))])
        nodes = NODE_LIMIT if fine or best is None else COARSE_NODE_LIMIT
        found = mixed_integer(problem, seen, 0.8 * gap, best, nodes)
        if found is not None and (best is None or found.value < best.value):
            best = found
        if len(seen) == len(useful):
            if found is not None and best is not None:
                bound = max(bound, min(found.bound, best.value))
            break
        if best is not None and best.value - bound <= gap * best.value:
            break
    return None if best is None else _solution(problem, best, bound)


def _solution(problem: FleetProblem, found: WholeMachines, bound: float) -> Solution:
    market = problem.market
    allocations = [
        Allocation(market.candidates[i], machines, share * market.demand.tokens)
        for i, machines, share in zip(
            found.index.tolist(), found.machines.tolist(), found.work.tolist(), strict=True
        )
    ]
    starts = float(market.start_usd[found.index] @ found.machines)
    usd = float(market.work_usd[found.index] @ found.work) + starts
    slow_usd = float(market.slow_usd[found.index] @ found.work) + starts
    near = min(1.0, bound / found.value) if found.value else 1.0  # penalties are in both
    # The largest allocation first; ties by name, so that equal inputs give equal plans.
    allocations.sort(key=lambda a: (-a.tokens, a.candidate.name, a.candidate.instance_type))
    return Solution(tuple(allocations), usd, usd * near, slow_usd)
