"""Solve for the fleet: how many machines of which candidates, so that the work costs least and every limit holds.

Two programs for HiGHS. The linear one allows fractions of machines: it gives a lower bound on the cost of any fleet,
and reduced costs that say which candidates can matter. The mixed-integer one chooses whole machines among those. The
distance between the two is the gap; while it is above GAP, more candidates are let in.

Machines beyond what is known to be obtainable are penalized: they cost more than any other way to get the work done.
"""
# scipy is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from launcher.planning.estimate import Allocation
from launcher.planning.optimizer.market import FleetLimits, Floats, LimitRows, Market, limit_rows

GAP = 0.005  # of the cost: how far from the optimum a solution may be
FIRST_CANDIDATES = 48  # that the mixed-integer program sees at first
NODE_LIMIT = (
    2_000  # of one search, then the best solution so far is taken: a time limit would not give equal plans
)
ROUNDING = 1e-9  # of a machine
MAX_QUOTA_FACTOR = 1e6
MAX_HOURS = 1e9  # what takes longer cannot be done


@dataclass(frozen=True, slots=True)
class Solution:
    """A fleet, its cost in USD as the solver counts it, and a lower bound on the cost of any fleet."""

    allocations: tuple[Allocation, ...]
    usd: float
    bound: float
    slow_usd: float  # the same fleet at the slow end

    @property
    def gap(self) -> float:
        return max(0.0, 1 - self.bound / self.usd) if self.usd else 0.0


@dataclass(frozen=True, slots=True)
class _WholeMachines:
    """Whole machines. `value` is the cost with penalties; no fleet of these candidates has a value below `bound`."""

    value: float
    bound: float
    work: Floats  # share of the work, by candidate
    machines: NDArray[np.int64]
    market: Market


@dataclass(frozen=True, slots=True)
class _Problem:
    """Candidates that can work before the deadline, what one machine of each does of the work, and the limits."""

    market: Market
    capacity: Floats  # share of all the work, at the slow end
    limits: FleetLimits
    penalty: float  # USD for a machine beyond what is known to be obtainable

    def take(self, indices: NDArray[np.int64]) -> "_Problem":
        return replace(self, market=self.market.take(indices), capacity=self.capacity[indices])


def solve(
    market: Market, hours: float | None, limits: FleetLimits, gap: float = GAP, *, thorough: bool = False
) -> Solution | None:
    """The cheapest fleet that does the work within `hours`, to `gap` of its cost; None when there is none.

    Looks at the most promising candidates; with `thorough` at all, which takes a while where there are thousands.
    """
    problem = _problem(market, hours, limits)
    relaxed = _relaxation(problem) if problem else None
    if problem is None or relaxed is None:
        return None
    bound, reduced_costs = relaxed
    best = _one_candidate(problem)
    if best is not None and best.value - bound <= gap / 4 * best.value:
        return _solution(best, bound)
    order = np.argsort(reduced_costs, kind="stable")
    total = len(order)
    for size in (FIRST_CANDIDATES, 8 * FIRST_CANDIDATES, total):
        if size == total and size > 8 * FIRST_CANDIDATES and best is not None and not thorough:
            break
        found = _mixed_integer(problem.take(np.sort(order[:size])))
        if found is not None and (best is None or found.value < best.value):
            best = found
        if size >= total and found is not None:
            bound = max(bound, min(found.bound, found.value))
        if (best is not None and best.value - bound <= gap * best.value) or size >= total:
            break
    return None if best is None else _solution(best, bound)


def least_hours(market: Market, limits: FleetLimits) -> float | None:
    """The shortest deadline in hours that any fleet makes; None when none can do the work at all.

    By bisection on the relaxation, to 1 %, and from there up to where whole machines make it, to 6 %.
    """

    def possible(hours: float) -> bool:
        problem = _problem(market, hours, limits, penalty=1.0)
        return problem is not None and _relaxation(problem) is not None

    low, high = 0.0, 1.0
    while not possible(high):
        low, high = high, high * 4
        if high > MAX_HOURS:
            return None
    while high - low > 0.01 * high:
        middle = (low + high) / 2 if low else high / 4
        low, high = (low, middle) if possible(middle) else (middle, high)
    while solve(market, high, limits) is None:
        high *= 1.06
        if high > MAX_HOURS:
            return None
    return high


def least_slow_cost(market: Market, hours: float | None, limits: FleetLimits) -> Solution | None:
    """The fleet that costs least at the slow end: a budget below its slow cost affords no fleet."""
    found = solve(replace(market, work_usd=market.slow_usd), hours, replace(limits, usd=None))
    if found is None:
        return None
    indices = {id(candidate): index for index, candidate in enumerate(market.candidates)}
    usd = sum(
        float(market.work_usd[indices[id(a.candidate)]]) * a.tokens / market.demand.tokens
        + float(market.start_usd[indices[id(a.candidate)]]) * a.machines
        for a in found.allocations
    )
    return replace(found, usd=usd, bound=min(usd, found.bound))


def least_machines(market: Market, hours: float, limits: FleetLimits) -> int | None:
    """The fewest machines that make the deadline, without the limit on their number; None when no number does."""

    def enough(machines: int | None) -> bool:
        return solve(market, hours, replace(limits, machines=machines)) is not None

    if not enough(None):
        return None
    low, high = 1, 1
    while not enough(high):
        low, high = high + 1, high * 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def quota_factor(market: Market, hours: float, limits: FleetLimits) -> float | None:
    """By what factor to raise the quota to make the deadline, to 2 %; None when no factor does."""

    def enough(factor: float) -> bool:
        quota = {group: int(most * factor) for group, most in limits.quota.items()}
        return solve(market, hours, replace(limits, quota=quota)) is not None

    low, high = 1.0, 2.0
    while not enough(high):
        low, high = high, high * 2
        if high > MAX_QUOTA_FACTOR:
            return None
    while high - low > 0.02 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _problem(
    market: Market, hours: float | None, limits: FleetLimits, penalty: float | None = None
) -> _Problem | None:
    """The candidates that can work before the deadline; None when there are none.

    The penalty is by default what the dearest machine costs that works until the deadline.
    """
    able = market.take(np.flatnonzero(market.capacity(hours) > 0))
    if not able.candidates:
        return None
    capacity = able.capacity(hours)
    if penalty is None:
        penalty = float((able.work_usd * np.minimum(capacity, 1.0) + able.start_usd).max())
    return _Problem(able, capacity, limits, penalty)


def _solution(found: _WholeMachines, bound: float) -> Solution:
    market = found.market
    allocations = [
        Allocation(candidate, int(machines), float(share) * market.demand.tokens)
        for candidate, machines, share in zip(market.candidates, found.machines, found.work, strict=True)
        if machines > 0 and share > 0
    ]
    used = np.where(found.work > 0, found.machines, 0)
    usd = float(market.work_usd @ found.work + market.start_usd @ used)
    slow_usd = float(market.slow_usd @ found.work + market.start_usd @ used)
    near = min(1.0, bound / found.value) if found.value else 1.0  # penalties are in both
    # The largest allocation first; ties by name, so that equal inputs give equal plans.
    allocations.sort(key=lambda a: (-a.tokens, a.candidate.name, a.candidate.instance_type))
    return Solution(tuple(allocations), usd, usd * near, slow_usd)


def _relaxation(problem: _Problem) -> tuple[float, Floats] | None:
    """The linear program: the least cost, and each candidate's reduced cost; None when there is no solution.

    One variable for each candidate: its share of the work. A candidate needs share / capacity machines, and never less
    than `share` of one: the whole machine of a candidate that does all the work is counted whole. One more variable
    for each soft limit: by how much it is exceeded.
    """
    market, limits = problem.market, problem.limits
    n = len(market.candidates)
    pieces = 1.0 / problem.capacity
    machines = np.maximum(1.0, pieces)
    cost = market.work_usd + market.start_usd * machines
    rows = limit_rows(market, limits)
    matrix, most = sparse.csr_array(rows.matrix.multiply(pieces[None, :])), rows.most
    if limits.usd is not None:
        row = sparse.csr_array((market.slow_usd + market.start_usd * machines)[None, :])
        matrix, most = sparse.csr_array(sparse.vstack([matrix, row])), np.append(most, limits.usd)
    slack = _slack_columns(rows.soft, len(most))
    extra = int(rows.soft.sum())
    found = linprog(
        np.concatenate([cost, np.full(extra, problem.penalty)]),
        A_ub=sparse.hstack([matrix, slack], format="csr") if len(most) else None,
        b_ub=most if len(most) else None,
        A_eq=np.concatenate([np.ones(n), np.zeros(extra)])[None, :],
        b_eq=[1.0],
        bounds=[(0, 1)] * n + [(0, None)] * extra,
        method="highs",
    )
    if found.status != 0:
        return None
    reduced = cost - float(found.eqlin.marginals[0])
    if len(most):
        reduced = reduced - matrix.T @ found.ineqlin.marginals
    return float(found.fun), np.asarray(reduced, np.float64)


def _slack_columns(soft: NDArray[np.bool_], rows: int) -> sparse.csr_array:
    """A column for each soft row, which lets it be exceeded."""
    places = np.flatnonzero(soft)
    shape = (rows, len(places))
    return sparse.csr_array((np.full(len(places), -1.0), (places, np.arange(len(places)))), shape=shape)


def _one_candidate(problem: _Problem) -> _WholeMachines | None:
    """The cheapest fleet of one candidate. Often the best there is."""
    market, limits = problem.market, problem.limits
    machines = np.maximum(np.ceil(1.0 / problem.capacity - ROUNDING), 1.0)
    value = market.work_usd + market.start_usd * machines
    rows = limit_rows(market, limits)
    allowed = np.ones(len(value), bool)
    if len(rows.most):
        cells = rows.matrix.tocoo()
        excess = cells.data * machines[cells.col] - rows.most[cells.row]
        soft = rows.soft[cells.row]
        allowed[cells.col[(excess > 0) & ~soft]] = False
        np.add.at(value, cells.col[soft], problem.penalty * np.maximum(excess[soft], 0.0))
    if limits.usd is not None:
        allowed &= market.slow_usd + market.start_usd * machines <= limits.usd
    if not allowed.any():
        return None
    best = int(np.argmin(np.where(allowed, value, np.inf)))
    return _WholeMachines(
        value=float(value[best]),
        bound=0.0,
        work=np.ones(1),
        machines=machines[best : best + 1].astype(np.int64),
        market=market.take(np.array([best])),
    )


def _mixed_integer(problem: _Problem) -> _WholeMachines | None:
    """The cheapest whole machines.

    The variables are machines at work, which may end early, then machines rented, then by how much each soft limit is
    exceeded. Machines, and not shares of the work: the numbers are then of one size, whatever one machine does.
    """
    market = problem.market
    n = len(market.candidates)
    rows = limit_rows(market, problem.limits)
    extra = int(rows.soft.sum())
    does = np.minimum(problem.capacity, 1.0)  # without a deadline one machine may do all of it
    cost = np.concatenate([market.work_usd * does, market.start_usd, np.full(extra, problem.penalty)])
    found = milp(
        cost,
        integrality=np.concatenate([np.zeros(n), np.ones(n), np.zeros(extra)]),
        bounds=Bounds(0, np.inf),
        constraints=_constraints(problem, rows, does),
        options={"mip_rel_gap": GAP * 0.8, "node_limit": NODE_LIMIT},
    )
    best: Any = found.x
    if best is None:
        return None
    machines = np.rint(best[n : 2 * n]).astype(np.int64)
    work = np.clip(best[:n], 0, machines) * does
    bound = float(found.mip_dual_bound if found.mip_dual_bound is not None else 0.0)
    return _WholeMachines(
        value=float(found.fun), bound=bound, work=work / work.sum(), machines=machines, market=market
    )


def _constraints(problem: _Problem, rows: LimitRows, does: Floats) -> list[LinearConstraint]:
    """All the work is done, only rented machines work, and limits on machines and dollars hold."""
    market, limits = problem.market, problem.limits
    n, extra = len(does), int(rows.soft.sum())
    largest = float(does.max())
    eye = sparse.eye_array(n, format="csr")
    work_row = np.concatenate([does / largest, np.zeros(n + extra)])
    constraints = [
        LinearConstraint(sparse.csr_array(work_row[None, :]), 1 / largest, 1 / largest),
        LinearConstraint(
            sparse.hstack([eye, -eye, sparse.csr_array((n, extra))], format="csr"), -np.inf, 0.0
        ),
    ]
    if len(rows.most):
        slack = _slack_columns(rows.soft, len(rows.most))
        machines = sparse.hstack([sparse.csr_array((len(rows.most), n)), rows.matrix, slack], format="csr")
        most: Any = np.floor(rows.most)  # scipy's types know of one bound for all rows only
        constraints.append(LinearConstraint(machines, -np.inf, most))
    if limits.usd is not None:
        usd_row = np.concatenate([market.slow_usd * does, market.start_usd, np.zeros(extra)])
        constraints.append(LinearConstraint(sparse.csr_array(usd_row[None, :]), -np.inf, limits.usd))
    return constraints
