"""Choose the fleet: how many machines of which kinds, so that the work costs least and every limit holds.

Two programs for HiGHS, both linear. The first lets machines be cut into pieces: it bounds from below what any fleet
can cost, and says which kinds can matter. The second, a mixed-integer one, chooses among those whole machines. The
distance between the two is the gap; while it is above GAP, more kinds are let in.

Machines beyond what is known to be obtainable are priced above every other way of getting the work done.
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
from launcher.planning.optimizer.market import FleetLimits, Floats, Market, limit_rows

GAP = 0.005  # of the cost: how far from the optimum a choice may be
FIRST = 48  # kinds that the mixed-integer program sees at first
NODES = 2_000  # of a single program's search, before its best answer so far is taken: a clock would not give equal plans
ROUNDING = 1e-9  # of a machine
MOST_TIMES = 1e6  # a quota
FOREVER = 1e9  # hours; what takes longer cannot be done


@dataclass(frozen=True, slots=True)
class Solution:
    """The shares, what they cost by the solver's reckoning in USD, and a bound that no fleet can beat."""

    shares: tuple[Allocation, ...]
    usd: float
    bound: float
    slow_usd: float  # the same fleet at the slow end

    @property
    def gap(self) -> float:
        return max(0.0, 1 - self.bound / self.usd) if self.usd else 0.0


@dataclass(frozen=True, slots=True)
class _Found:
    """Whole machines. `value` is the cost with the fines; nothing done as asked is worth less than `bound`."""

    value: float
    bound: float
    shares: Floats
    machines: NDArray[np.int64]
    table: Market


def solve(
    market: Market, hours: float | None, caps: FleetLimits, gap: float = GAP, *, thorough: bool = False
) -> Solution | None:
    """The cheapest fleet that does the work within `hours`, to `gap` of its cost; None when there is none.

    Few kinds are looked at unless it is to be `thorough`: then all, which takes a while where there are thousands.
    """
    able = market.take(np.flatnonzero(market.capacity(hours) > 0))
    if not able.kinds:
        return None
    fine = _fine(able, able.capacity(hours))
    relaxed = _relax(able, able.capacity(hours), caps, fine)
    if relaxed is None:
        return None
    bound, reduced = relaxed
    best = _alone(able, able.capacity(hours), caps, fine)
    if best is not None and best.value - bound <= gap / 4 * best.value:
        return _chosen(best, bound)
    order = np.argsort(reduced, kind="stable")
    for seen in (FIRST, 8 * FIRST, len(able.kinds)):
        if seen == len(able.kinds) and seen > 8 * FIRST and best is not None and not thorough:
            break
        part = able.take(np.sort(order[:seen]))
        found = _whole(part, part.work_usd, part.capacity(hours), caps, fine)
        if found is not None and (best is None or found.value < best.value):
            best = found
        if seen >= len(able.kinds) and found is not None:
            bound = max(bound, min(found.bound, found.value))
        if (best is not None and best.value - bound <= gap * best.value) or seen >= len(able.kinds):
            break
    return None if best is None else _chosen(best, bound)


def _chosen(found: _Found, bound: float) -> Solution:
    table = found.table
    shares = tuple(
        Allocation(kind, int(n), float(share) * table.need.tokens)
        for kind, n, share in zip(table.kinds, found.machines, found.shares, strict=True)
        if n > 0 and share > 0
    )
    used = np.where(found.shares > 0, found.machines, 0)
    usd = float(table.work_usd @ found.shares + table.start_usd @ used)
    slow = float(table.slow_usd @ found.shares + table.start_usd @ used)
    near = min(1.0, bound / found.value) if found.value else 1.0  # the fines are in both
    return Solution(_sorted(shares), usd, usd * near, slow)


def _fine(table: Market, capacity: Floats) -> float:
    """USD for a machine more than is known to be obtainable: what the dearest machine costs that works all along."""
    return float((table.work_usd * np.minimum(capacity, 1.0) + table.start_usd).max())


def least_hours(market: Market, caps: FleetLimits) -> float | None:
    """The shortest deadline in hours that any fleet can make; None when none can do the work at all.

    By bisection on the relaxed program, to 1 %, and from there up to where whole machines do, to 6 %.
    """

    def possible(hours: float) -> bool:
        able = market.take(np.flatnonzero(market.capacity(hours) > 0))
        return bool(able.kinds) and _relax(able, able.capacity(hours), caps, 1.0) is not None

    low, high = 0.0, 1.0
    while not possible(high):
        low, high = high, high * 4
        if high > FOREVER:
            return None
    while high - low > 0.01 * high:
        middle = (low + high) / 2 if low else high / 4
        low, high = (low, middle) if possible(middle) else (middle, high)
    while solve(market, high, caps) is None:
        high *= 1.06
        if high > FOREVER:
            return None
    return high


def least_slow_cost(market: Market, hours: float | None, caps: FleetLimits) -> Solution | None:
    """The fleet that costs least at the slow end: who cannot afford this one can afford none."""
    found = solve(replace(market, work_usd=market.slow_usd), hours, replace(caps, usd=None))
    if found is None:
        return None
    places = {id(kind): place for place, kind in enumerate(market.kinds)}
    usd = sum(
        float(market.work_usd[places[id(s.kind)]]) * s.tokens / market.need.tokens
        + float(market.start_usd[places[id(s.kind)]]) * s.machines
        for s in found.shares
    )
    return replace(found, usd=usd, bound=min(usd, found.bound))


def least_machines(market: Market, hours: float, caps: FleetLimits) -> int | None:
    """The fewest machines that make the deadline when nothing limits their number."""

    def enough(machines: int | None) -> bool:
        return solve(market, hours, replace(caps, machines=machines)) is not None

    if not enough(None):
        return None
    low, high = 1, 1
    while not enough(high):
        low, high = high + 1, high * 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def quota_factor(market: Market, hours: float, caps: FleetLimits) -> float | None:
    """How many times the quota makes the deadline, to 2 %; None when no quota above 0 does."""

    def enough(times: float) -> bool:
        quota = {group: int(most * times) for group, most in caps.quota.items()}
        return solve(market, hours, replace(caps, quota=quota)) is not None

    low, high = 1.0, 2.0
    while not enough(high):
        low, high = high, high * 2
        if high > MOST_TIMES:
            return None
    while high - low > 0.02 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _relax(table: Market, capacity: Floats, caps: FleetLimits, fine: float) -> tuple[float, Floats] | None:
    """What the work costs at least, and each kind's reduced cost; None when even pieces of machines cannot do it.

    One variable a kind: its share of the work. A kind that has a share needs share / capacity machines, and never less
    than share of one: the whole machine of a kind that does all the work is counted whole. One more for each limit
    that may be exceeded: by how much.
    """
    n = len(table.kinds)
    pieces = 1.0 / capacity
    each = np.maximum(1.0, pieces)
    cost = table.work_usd + table.start_usd * each
    rows = limit_rows(table, caps)
    matrix, most = sparse.csr_array(rows.matrix.multiply(pieces[None, :])), rows.most
    if caps.usd is not None:
        row = sparse.csr_array((table.slow_usd + table.start_usd * each)[None, :])
        matrix, most = sparse.csr_array(sparse.vstack([matrix, row])), np.append(most, caps.usd)
    over = _over(rows.soft, len(most))
    extra = int(rows.soft.sum())
    found = linprog(
        np.concatenate([cost, np.full(extra, fine)]),
        A_ub=sparse.hstack([matrix, over], format="csr") if len(most) else None,
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


def _over(soft: NDArray[np.bool_], rows: int) -> sparse.csr_array:
    """A column for each row that may be exceeded, which lets it be."""
    places = np.flatnonzero(soft)
    shape = (rows, len(places))
    return sparse.csr_array((np.full(len(places), -1.0), (places, np.arange(len(places)))), shape=shape)


def _alone(table: Market, capacity: Floats, caps: FleetLimits, fine: float) -> _Found | None:
    """The cheapest fleet of one kind. Often the best there is."""
    machines = np.maximum(np.ceil(1.0 / capacity - ROUNDING), 1.0)
    value = table.work_usd + table.start_usd * machines
    rows = limit_rows(table, caps)
    good = np.ones(len(value), bool)
    if len(rows.most):
        cells = rows.matrix.tocoo()
        excess = cells.data * machines[cells.col] - rows.most[cells.row]
        soft = rows.soft[cells.row]
        good[cells.col[(excess > 0) & ~soft]] = False
        np.add.at(value, cells.col[soft], fine * np.maximum(excess[soft], 0.0))
    if caps.usd is not None:
        good &= table.slow_usd + table.start_usd * machines <= caps.usd
    if not good.any():
        return None
    place = int(np.argmin(np.where(good, value, np.inf)))
    one = table.take(np.array([place]))
    return _Found(float(value[place]), 0.0, np.ones(1), machines[place : place + 1].astype(np.int64), one)


def _whole(
    table: Market, work_usd: Floats, capacity: Floats, caps: FleetLimits, fine: float
) -> _Found | None:
    """The cheapest whole machines.

    The variables are machines at work, which may end early, and machines rented: numbers of one size, whatever the
    share of the work that a machine does; and by how much limits are exceeded that may be.
    """
    n = len(table.kinds)
    rows = limit_rows(table, caps)
    over = _over(rows.soft, len(rows.most))
    extra = int(rows.soft.sum())
    does = np.minimum(capacity, 1.0)  # without a deadline one machine may do all of it
    largest = float(does.max())
    cost = np.concatenate([work_usd * does, table.start_usd, np.full(extra, fine)])
    eye = sparse.eye_array(n, format="csr")
    all_of_it = np.concatenate([does / largest, np.zeros(n + extra)])
    constraints = [
        LinearConstraint(sparse.csr_array(all_of_it[None, :]), 1 / largest, 1 / largest),
        LinearConstraint(
            sparse.hstack([eye, -eye, sparse.csr_array((n, extra))], format="csr"), -np.inf, 0.0
        ),
    ]
    if len(rows.most):
        each = sparse.hstack([sparse.csr_array((len(rows.most), n)), rows.matrix, over], format="csr")
        constraints.append(LinearConstraint(each, -np.inf, _any(np.floor(rows.most))))
    if caps.usd is not None:
        row = np.concatenate([table.slow_usd * does, table.start_usd, np.zeros(extra)])
        constraints.append(LinearConstraint(sparse.csr_array(row[None, :]), -np.inf, caps.usd))
    found = milp(
        cost,
        integrality=np.concatenate([np.zeros(n), np.ones(n), np.zeros(extra)]),
        bounds=Bounds(0, np.inf),
        constraints=constraints,
        options={"mip_rel_gap": GAP * 0.8, "node_limit": NODES},
    )
    best: Any = found.x
    if best is None:
        return None
    machines = np.rint(best[n : 2 * n]).astype(np.int64)
    shares = np.clip(best[:n], 0, machines) * does
    bound = float(found.mip_dual_bound if found.mip_dual_bound is not None else 0.0)
    return _Found(float(found.fun), bound, shares / shares.sum(), machines, table)


def _any(numbers: Floats) -> Any:
    """Bounds by column; scipy's types know of one for all only."""
    return numbers


def _sorted(shares: tuple[Allocation, ...]) -> tuple[Allocation, ...]:
    """The one that does most first; ties by name, so that equal inputs give equal plans."""
    return tuple(sorted(shares, key=lambda s: (-s.tokens, s.kind.name, s.kind.instance_type)))
