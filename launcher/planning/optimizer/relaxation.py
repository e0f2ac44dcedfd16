"""The linear relaxation of the choice of a fleet: fractions of machines. A lower bound on the cost of any fleet. Pure.

GPUs beyond what is known to be obtainable are penalized: they cost more than any other way to get the work done.
"""

from dataclasses import dataclass, replace

import numpy as np

from launcher.planning.optimizer.highs import Floats, Ints, Program, Rows, Solved, run
from launcher.planning.optimizer.market import FleetLimits, LimitRows, Market, limit_rows

COLUMNS = 96  # candidates that the program has at first, and that are added to it at a time
PRICE_TOLERANCE = 1e-9  # of the cost: a reduced cost as near to 0 is none
UNDONE = 1e-7  # of the work: less than this is none
UNDONE_FACTOR = 10.0  # times what a share of the work may cost at most: what it costs to leave it undone
Row = tuple[Floats, Ints, float, float]  # values, columns, least and most


@dataclass(frozen=True, slots=True)
class FleetProblem:
    """Candidates that can work before the deadline, what one machine of each does of the work, and the limits."""

    market: Market
    capacity: Floats  # share of all the work, at the slow end
    limits: FleetLimits
    rows: LimitRows
    penalty: float  # USD for a GPU beyond what is known to be obtainable
    hours: float  # of the deadline; inf without one

    def is_affordable(self, slow_usd: float) -> bool:
        """Whether the budget holds so much."""
        return self.limits.usd is None or slow_usd <= self.limits.usd * (1 + PRICE_TOLERANCE)

    def take(self, indices: Ints) -> "FleetProblem":
        """The same problem with some of the candidates; `indices` are in order."""
        market = self.market.take(indices)
        if market is self.market:
            return self
        rows = self.rows.take(indices, len(self.capacity))
        return replace(self, market=market, capacity=self.capacity[indices], rows=rows)


@dataclass(frozen=True, slots=True)
class Relaxed:
    """The least cost with fractions of machines: each candidate's share of the work and reduced cost."""

    usd: float
    shares: Floats
    reduced_costs: Floats
    machines: float
    excess: float  # beyond what is known to be obtainable


def problem_of(
    market: Market, hours: float | None, limits: FleetLimits, penalty: float | None = None
) -> FleetProblem | None:
    """The candidates that can work before the deadline; None when there are none.

    The penalty is by default what the dearest machine costs that works until the deadline.
    """
    able = market.take(np.flatnonzero(market.capacity(hours) > 0))
    if not able.candidates:
        return None
    capacity = able.capacity(hours)
    if penalty is None:
        penalty = float((able.work_usd * np.minimum(capacity, 1.0) + able.start_usd).max())
    return FleetProblem(
        able, capacity, limits, limit_rows(able, limits), penalty, np.inf if hours is None else hours
    )


def relax(problem: FleetProblem) -> Relaxed | None:
    """Solve the linear program; None when there is no solution.

    One variable for each candidate: its share of the work. A candidate needs share / capacity machines, and never less
    than `share` of one: the whole machine of a candidate that does all the work is counted whole. One more variable
    for each soft limit: by how much it is exceeded. By column generation: the program has the candidates of the least
    cost, and those that its prices show to be worth their cost are added until there are none.
    """
    n, pieces = len(problem.capacity), 1.0 / problem.capacity
    cost = problem.market.work_usd + problem.market.start_usd * np.maximum(1.0, pieces)
    inside = np.zeros(n, bool)
    inside[np.argsort(cost, kind="stable")[:COLUMNS]] = True
    while True:
        index = np.flatnonzero(inside)
        found, undone, reduced = _priced_columns(problem, cost, index)
        worth = (reduced < -PRICE_TOLERANCE * (1.0 + abs(found.value))) & ~inside
        if not worth.any():
            break
        inside[np.argsort(np.where(worth, reduced, np.inf), kind="stable")[: min(COLUMNS, worth.sum())]] = (
            True
        )
    if undone > UNDONE:
        return None
    shares = np.zeros(n)
    shares[index] = found.x[: len(index)]
    excess = float(found.x[len(index) + 1 :].sum())
    return Relaxed(found.value, shares, reduced, float(shares @ pieces), excess)


def _priced_columns(problem: FleetProblem, cost: Floats, index: Ints) -> tuple[Solved, float, Floats]:
    """Solve the program of the candidates at `index`.

    Returns the solution, the share of the work that is left undone, and the reduced costs of all candidates.
    """
    part, limits, n = problem.take(index), problem.limits, len(index)
    rows, pieces = part.rows, 1.0 / part.capacity
    extra = int(rows.soft.sum())
    dear = UNDONE_FACTOR * float(
        cost.max() + problem.penalty * (problem.market.gpus / problem.capacity).max()
    )
    single: list[Row] = [(np.ones(n + 1), np.arange(n + 1), 1.0, 1.0)]
    slow_usd = problem.market.slow_usd + problem.market.start_usd * np.maximum(1.0, 1.0 / problem.capacity)
    if limits.usd is not None:
        single.append((slow_usd[index], np.arange(n), -np.inf, limits.usd))
    found = run(
        Program(
            cost=np.concatenate([cost[index], [dear], np.full(extra, problem.penalty)]),
            most=np.concatenate([np.ones(n + 1), np.full(extra, np.inf)]),
            rows=stacked(
                single, rows, rows.value * pieces[rows.column], first=0, most=rows.most, slack=n + 1
            ),
        )
    )
    assert found, "all the work may be left undone"
    prices = np.zeros(len(problem.rows.most))
    prices[np.searchsorted(problem.rows.names, rows.names)] = found.duals[len(single) :]
    reduced = cost - found.duals[0]
    if limits.usd is not None:
        reduced = reduced - slow_usd * found.duals[1]
    full = problem.rows
    reduced = reduced - np.bincount(
        full.column, full.value * prices[full.row] / problem.capacity[full.column], minlength=len(cost)
    )
    return found, float(found.x[n]), reduced


def stacked(
    first_rows: list[Row], limits: LimitRows, value: Floats, *, first: int, most: Floats, slack: int
) -> Rows:
    """Single rows, then the limits on machines.

    The machines stand in the columns from `first` on; from `slack` on there is one for each soft row, which lets it be
    exceeded.
    """
    soft = np.flatnonzero(limits.soft)
    above = len(first_rows)
    row = [np.full(len(columns), number) for number, (_, columns, _, _) in enumerate(first_rows)]
    return Rows(
        row=np.concatenate([*row, limits.row + above, soft + above]).astype(np.int64),
        column=np.concatenate(
            [
                *(columns for _, columns, _, _ in first_rows),
                limits.column + first,
                np.arange(len(soft)) + slack,
            ]
        ).astype(np.int64),
        value=np.concatenate([*(values for values, _, _, _ in first_rows), value, np.full(len(soft), -1.0)]),
        least=np.concatenate([[least for _, _, least, _ in first_rows], np.full(len(most), -np.inf)]),
        most=np.concatenate([[end for _, _, _, end in first_rows], most]),
    )
