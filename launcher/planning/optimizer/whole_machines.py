"""Fleets of whole machines: of one candidate, of rounded fractions, and by mixed-integer programming. Pure.

The first two are quick, often within the gap of the lower bound, and a solution for HiGHS to start from. The program
gives work to the cheapest machines first, because it is linear; each fleet is then priced as its machines share the work.
"""

from dataclasses import dataclass

import numpy as np

from launcher.planning.optimizer.highs import Floats, Ints, Program, run
from launcher.planning.optimizer.relaxation import FleetProblem, Relaxed, stacked
from launcher.planning.optimizer.work_shares import shared_work

# Of one search, then the best solution so far is taken: a time limit would not give equal plans.
NODE_LIMIT, COARSE_NODE_LIMIT = 2_000, 100
ROUNDING = 1e-9  # of a machine
MOST_FILLS = 8  # candidates that are added to rounded fractions until all the work is done


@dataclass(frozen=True, slots=True)
class WholeMachines:
    """Whole machines. `value` is the cost with penalties; no fleet of the candidates tried has a value below `bound`."""

    value: float
    bound: float
    index: Ints  # of the candidates in the problem
    work: Floats  # share of the work, of each
    machines: Ints  # of each
    slow_usd: float  # at the slow end
    least: float  # the cost with penalties, if the cheapest machines did as much as they can


def whole_machines(
    problem: FleetProblem, machines: Floats, *, bound: float = 0.0, least: float | None = None
) -> WholeMachines:
    """The fleet of so many machines of each candidate, priced as they share the work. `least`: None is `value`."""
    market, rows = problem.market, problem.rows
    index = np.flatnonzero(machines > 0)
    work = shared_work(market, index, machines[index])
    index, work = index[work > 0], work[work > 0]
    counts = machines[index]
    starts = float(market.start_usd[index] @ counts)
    excess = np.maximum(rows.used(machines) - np.floor(rows.most), 0.0)[rows.soft]
    value = float(market.work_usd[index] @ work) + starts + problem.penalty * float(excess.sum())
    slow_usd = float(market.slow_usd[index] @ work) + starts
    return WholeMachines(
        value, bound, index, work, counts.astype(np.int64), slow_usd, value if least is None else least
    )


def one_candidate(problem: FleetProblem) -> WholeMachines | None:
    """The cheapest fleet of one candidate. Often the best there is."""
    market, limits, rows = problem.market, problem.limits, problem.rows
    machines = np.maximum(np.ceil(1.0 / problem.capacity - ROUNDING), 1.0)
    value = market.work_usd + market.start_usd * machines
    allowed = np.ones(len(value), bool)
    if len(rows.most):
        excess = rows.value * machines[rows.column] - rows.most[rows.row]
        soft = rows.soft[rows.row]
        allowed[rows.column[(excess > 0) & ~soft]] = False
        np.add.at(value, rows.column[soft], problem.penalty * np.maximum(excess[soft], 0.0))
    if limits.usd is not None:
        allowed &= market.slow_usd + market.start_usd * machines <= limits.usd
    if not allowed.any():
        return None
    best = int(np.argmin(np.where(allowed, value, np.inf)))
    return whole_machines(problem, np.where(np.arange(len(value)) == best, machines, 0.0))


def rounded(problem: FleetProblem, relaxed: Relaxed) -> WholeMachines | None:
    """Fractions of machines rounded down, and the rest of the work given to the cheapest machines that there is room for.

    None: the fractions go beyond what is known to be obtainable, or the rest finds no room.
    """
    market, rows, does = problem.market, problem.rows, np.minimum(problem.capacity, 1.0)
    if relaxed.excess > ROUNDING:
        return None
    machines = np.floor(relaxed.shares / problem.capacity + ROUNDING)
    left = 1.0 - float(machines @ does)
    for _ in range(MOST_FILLS):
        if left <= ROUNDING:
            break
        room = np.full(len(machines), np.inf)
        free = np.floor(rows.most) - rows.used(machines)
        np.minimum.at(room, rows.column, np.floor(free[rows.row] / rows.value + ROUNDING))
        added = np.minimum(np.ceil(left / does - ROUNDING), np.maximum(room, 0.0))
        done = np.minimum(added * does, left)
        with np.errstate(divide="ignore", invalid="ignore"):
            each = market.work_usd + market.start_usd * added / done
        # What does all the rest is preferred: what leaves some of it needs yet another machine.
        cost = np.where(done > 0, each, np.inf)
        whole = done >= left - ROUNDING
        best = int(np.argmin(np.where(whole, cost, np.inf) if whole.any() else cost))
        if not np.isfinite(cost[best]):
            return None
        machines[best] += added[best]
        left -= float(done[best])
    if left > ROUNDING:
        return None
    found = whole_machines(problem, machines)
    return found if problem.is_affordable(found.slow_usd) else None


def useful_candidates(problem: FleetProblem, relaxed: Relaxed, best: WholeMachines | None) -> Ints:
    """The candidates of `best`, then those that a cheaper fleet may have, those of the least reduced cost first.

    One machine of a candidate makes any fleet dearer than the relaxation by at least its start, or by the reduced cost
    of all that it can do, whichever is less.
    """
    order = np.argsort(relaxed.reduced_costs, kind="stable")
    if best is None:
        return order
    more = np.maximum(relaxed.reduced_costs, 0.0) * np.minimum(problem.capacity, 1.0)
    useful = relaxed.usd + np.minimum(problem.market.start_usd, more) < best.value
    useful[best.index] = False
    return np.concatenate([best.index, order[useful[order]]])


def mixed_integer(
    problem: FleetProblem,
    index: Ints,
    gap: float,
    start: WholeMachines | None = None,
    most_nodes: int = NODE_LIMIT,
    *,
    to_the_end: bool = False,
) -> WholeMachines | None:
    """The cheapest whole machines of the candidates at `index` (in order), to `gap`; None: there are none.

    Two variables for each candidate: how many machines do work (in units of what one can do), and how many are rented.
    With `to_the_end` every machine is paid until the deadline: more than it costs, where the other way it is less.
    """
    part = problem.take(index)
    market, rows, limits = part.market, part.rows, part.limits
    n, extra = len(index), int(rows.soft.sum())
    does = np.minimum(part.capacity, 1.0)  # without a deadline one machine may do all of it
    largest = float(does.max())
    one = np.arange(n)
    single = [(does / largest, one, 1 / largest, np.inf if to_the_end else 1 / largest)]
    if limits.usd is not None:
        both = np.concatenate([market.slow_usd * does, market.start_usd])
        single.append((both, np.arange(2 * n), -np.inf, limits.usd))
    idle = 0.0 if to_the_end else -np.inf
    single += [(np.array([1.0, -1.0]), np.array([i, n + i]), idle, 0.0) for i in range(n)]
    found = run(
        Program(
            cost=np.concatenate([market.work_usd * does, market.start_usd, np.full(extra, part.penalty)]),
            most=np.full(2 * n + extra, np.inf),
            rows=stacked(single, rows, rows.value, first=n, most=np.floor(rows.most), slack=2 * n),
            whole=np.concatenate([np.zeros(n, bool), np.ones(n, bool), np.zeros(extra, bool)]),
        ),
        gap,
        most_nodes,
        None if start is None else _start(part, index, start, does, to_the_end=to_the_end),
    )
    if found is None:
        return None
    machines = np.zeros(len(problem.capacity))
    machines[index] = np.where(found.x[:n] > 0, np.rint(found.x[n : 2 * n]), 0.0)
    if to_the_end:
        return whole_machines(problem, machines)
    return whole_machines(problem, machines, bound=found.bound, least=found.value)


def _start(
    part: FleetProblem, index: Ints, start: WholeMachines, does: Floats, *, to_the_end: bool
) -> Floats:
    """A fleet as a solution of the program to start from."""
    n, rows = len(index), part.rows
    places = np.searchsorted(index, start.index)
    work, machines = np.zeros(n), np.zeros(n)
    machines[places] = start.machines
    work[places] = start.machines if to_the_end else start.work / does[places]
    excess = np.maximum(rows.used(machines) - np.floor(rows.most), 0.0)[rows.soft]
    return np.concatenate([work, machines, excess])
