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
from launcher.planning.optimizer.highs import Ints
from launcher.planning.optimizer.market import FleetLimits, Market
from launcher.planning.optimizer.nearby_fleets import improved
from launcher.planning.optimizer.relaxation import FleetProblem, Relaxed, problem_of, relax
from launcher.planning.optimizer.whole_machines import (
    COARSE_NODE_LIMIT,
    NODE_LIMIT,
    WholeMachines,
    mixed_integer,
    one_candidate,
    rounded,
    useful_candidates,
    whole_machines,
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
    best, bound = _best_fleet(problem, relaxed, gap, thorough=thorough)
    if limits.usd is not None and (best is None or not problem.is_affordable(best.slow_usd)):
        best = _least_when_slow(market, hours, limits, problem)
    return None if best is None else _solution(problem, best, bound)


def _best_fleet(
    problem: FleetProblem, relaxed: Relaxed, gap: float, *, thorough: bool
) -> tuple[WholeMachines | None, float]:
    """The cheapest fleet of whole machines, and a lower bound on the cost of any. It may be beyond the budget."""
    search = _Search(problem, relaxed, gap)
    if search.best is not None and search.best.value - search.bound <= gap / 4 * search.best.value:
        return search.best, search.bound
    everything = len(problem.capacity)
    most = everything if thorough else MOST_CANDIDATES if gap <= GAP else FIRST_CANDIDATES
    for size in (FIRST_CANDIDATES, MOST_CANDIDATES, everything):
        if search.best is not None and size > most:
            break
        search.look_at(size)
        if search.is_done:
            break
    search.share_better()
    return search.best, search.bound


class _Search:
    """The best fleet of whole machines so far, while the program sees more and more candidates."""

    def __init__(self, problem: FleetProblem, relaxed: Relaxed, gap: float) -> None:
        """Begin with the fleets that need no program."""
        self.problem, self.relaxed, self.gap = problem, relaxed, gap
        quick = [one for one in (one_candidate(problem), rounded(problem, relaxed)) if one]
        self.best = min(quick, key=lambda one: one.value, default=None)
        self.bound = relaxed.usd  # no fleet has a lower value
        self.least = (
            np.inf if self.best is None else self.best.least
        )  # the lowest `least` of the fleets so far
        self.is_done = False  # further candidates would not help
        self._last: tuple[Ints, WholeMachines] | None = None  # candidates, and the program's last fleet

    def look_at(self, size: int) -> None:
        """Let the program choose among the `size` most useful candidates and those of the best fleet."""
        problem, best = self.problem, self.best
        start = best if best is not None and problem.is_affordable(best.slow_usd) else None
        useful = useful_candidates(problem, self.relaxed, start)
        seen = np.sort(useful[: max(size, 0 if start is None else len(start.index))])
        nodes = NODE_LIMIT if self.gap <= GAP or best is None else COARSE_NODE_LIMIT
        found = mixed_integer(problem, seen, 0.8 * self.gap, start, nodes)
        if found is not None:
            self.least = min(self.least, found.least)
            self.best = found if best is None else min(found, best, key=lambda one: _rank(problem, one))
            self._last = np.sort(np.union1d(useful[:FIRST_CANDIDATES], found.index)), found
        if len(seen) == len(useful):
            self.is_done = True
            if found is not None and self.best is not None:
                self.bound = max(self.bound, min(found.bound, self.best.value))
        # What is above `least` comes from sharing the work, and no further candidate takes it away.
        elif self.best is not None and self.least - self.bound <= self.gap * self.least:
            self.is_done = True

    def share_better(self) -> None:
        """Try fleets near the program's last one that may share the work better."""
        if self.best is not None and self._last is not None:
            others = _shared_better(self.problem, *self._last, self.gap)
            self.best = min([self.best, *others], key=lambda one: _rank(self.problem, one))


def _rank(problem: FleetProblem, fleet: WholeMachines) -> tuple[bool, float]:
    """To sort fleets by: those that the budget holds first."""
    return not problem.is_affordable(fleet.slow_usd), fleet.value


def _shared_better(
    problem: FleetProblem, seen: Ints, found: WholeMachines, gap: float
) -> list[WholeMachines]:
    """Fleets that may cost less than `found`, where sharing the work makes it dearer than the program believes."""
    if found.value - found.least <= gap * found.value and problem.is_affordable(found.slow_usd):
        return []
    first = improved(problem, seen, found)
    start = first if problem.is_affordable(first.slow_usd) else None
    whole = mixed_integer(problem, seen, gap, start, COARSE_NODE_LIMIT, to_the_end=True)
    return [first, improved(problem, seen, whole)] if whole else [first]


def _least_when_slow(
    market: Market, hours: float | None, limits: FleetLimits, problem: FleetProblem
) -> WholeMachines | None:
    """The fleet that costs least at the slow end, if the budget holds that."""
    slow = problem_of(replace(market, work_usd=market.slow_usd), hours, replace(limits, usd=None))
    relaxed = relax(slow) if slow else None
    if slow is None or relaxed is None:
        return None
    best, _ = _best_fleet(slow, relaxed, GAP, thorough=False)
    if best is None or not problem.is_affordable(best.slow_usd):
        return None
    machines = np.zeros(len(problem.capacity))
    machines[best.index] = best.machines
    return whole_machines(problem, machines)


def _solution(problem: FleetProblem, found: WholeMachines, bound: float) -> Solution:
    market = problem.market
    allocations = [
        Allocation(market.candidates[i], machines, share * market.demand.tokens)
        for i, machines, share in zip(
            found.index.tolist(), found.machines.tolist(), found.work.tolist(), strict=True
        )
    ]
    usd = float(market.work_usd[found.index] @ found.work + market.start_usd[found.index] @ found.machines)
    near = min(1.0, bound / found.value) if found.value else 1.0  # penalties are in both
    # The largest allocation first; ties by name, so that equal inputs give equal plans.
    allocations.sort(key=lambda a: (-a.tokens, a.candidate.name, a.candidate.instance_type))
    return Solution(tuple(allocations), usd, usd * near, found.slow_usd)
