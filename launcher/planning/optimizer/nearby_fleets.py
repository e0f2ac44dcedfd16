"""Cheaper fleets near one that was found: a machine more or less, or those of one candidate for those of another. Pure.

The program of `whole_machines` gives work to the cheapest machines first, as a linear program must. In truth machines
share it, which makes a fleet dearer that has one slow or dear machine beside others. All that a change does to the cost
follows from a few sums over the fleet, so that all changes are priced at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from launcher.planning.optimizer.highs import Floats, Ints
from launcher.planning.optimizer.relaxation import FleetProblem
from launcher.planning.optimizer.whole_machines import ROUNDING, WholeMachines, whole_machines

MOST_CHANGES = 40  # one after the other
LEAST_GAIN = 1e-6  # of the cost
BROKEN = 1e12  # USD of cost for each dollar above the budget: first it must hold


@dataclass(frozen=True, slots=True)
class _Sums:
    """What a fleet's end and cost follow from; of a fleet: numbers, of one machine of each candidate: arrays.

    `columns`: rate (shares of the work an hour), rate x start, and both times the cost of all the work, at the median
    and at the slow end; the cost of starts.
    """

    columns: Floats

    @classmethod
    def of_each(cls, problem: FleetProblem) -> "_Sums":
        market = problem.market
        rate, start = 1.0 / market.slow_hours, market.slow_start
        kinds = [rate * usd for usd in (np.ones(len(rate)), market.work_usd, market.slow_usd)]
        return cls(np.stack([*kinds, *(kind * start for kind in kinds), market.start_usd]))


def improved(problem: FleetProblem, columns: Ints, found: WholeMachines) -> WholeMachines:
    """The cheapest of a chain of fleets, each a change from the one before; `columns` are the candidates to add from.

    May be above the budget only where `found` is and no change mends it.
    """
    part = problem.take(columns)
    each = _Sums.of_each(part).columns
    machines = np.zeros(len(columns))
    machines[np.searchsorted(columns, found.index)] = found.machines
    cost = _cost(part, each @ machines, np.zeros(1), _excess(part, machines))[0]
    for _ in range(MOST_CHANGES):
        changes = [_best_addition(part, each, left) for left in _smaller(machines)]
        best, changed = min(changes, key=lambda change: change[0], default=(np.inf, machines))
        if best >= cost - abs(cost) * LEAST_GAIN:
            break
        cost, machines = best, changed
    whole = np.zeros(len(problem.capacity))
    whole[columns] = machines
    better = whole_machines(problem, whole, bound=found.bound, least=found.least)
    kept = problem.is_affordable(found.slow_usd) and found.value <= better.value
    return found if kept else better


def _smaller(machines: Floats) -> Iterator[Floats]:
    """The fleet, and with one machine or all of a candidate taken away."""
    yield machines
    for i in np.flatnonzero(machines > 0).tolist():
        for fewer in {machines[i] - 1, 0.0}:
            left = machines.copy()
            left[i] = fewer
            yield left


def _best_addition(part: FleetProblem, each: Floats, machines: Floats) -> tuple[float, Floats]:
    """The cheapest fleet of these machines and those of one candidate: as many as are needed, at least one, or none."""
    does = np.minimum(part.capacity, 1.0)
    lack = 1.0 - float(machines @ does)
    counts = np.maximum(np.ceil(lack / does - ROUNDING), 1.0)
    allowed, excess = _room(part, machines, counts)
    sums = each @ machines
    starts = np.where(machines > 0, part.market.slow_start, 0.0).max()
    added = _cost(part, sums[:, None] + each * counts, np.maximum(starts, part.market.slow_start), excess)
    added = np.where(allowed, added, np.inf)
    best = int(np.argmin(added))
    out = machines.copy()
    if lack <= ROUNDING and machines.any():
        alone = _cost(part, sums, np.array([starts]), _excess(part, machines))[0]
        if alone <= added[best]:
            return float(alone), out
    out[best] += counts[best]
    return float(added[best]), out


def _cost(part: FleetProblem, sums: Floats, starts: Floats, excess: Floats) -> Floats:
    """USD with penalties of fleets with these sums, whose last machines begin at `starts`; inf: it is late.

    A fleet of which a machine would begin only after the others are done is none.
    """
    rate, work, slow, rate_start, work_start, slow_start, start_usd = sums.reshape(len(sums), -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        end = (1.0 + rate_start) / rate
    usd = end * work - work_start + start_usd + part.penalty * excess
    if part.limits.usd is not None:
        usd = usd + BROKEN * np.maximum(end * slow - slow_start + start_usd - part.limits.usd, 0.0)
    return np.where((end <= part.hours * (1 + ROUNDING)) & (end > starts), usd, np.inf)


def _excess(part: FleetProblem, machines: Floats) -> Floats:
    """GPUs beyond what is known to be obtainable, as an array of one."""
    over = np.maximum(part.rows.used(machines) - np.floor(part.rows.most), 0.0)[part.rows.soft]
    return np.array([float(over.sum())])


def _room(part: FleetProblem, machines: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Of each candidate: whether so many more are within the hard limits, and the GPUs beyond the soft ones then."""
    rows = part.rows
    allowed = np.ones(len(counts), bool)
    used, most = rows.used(machines), np.floor(rows.most)
    over = used[rows.row] + rows.value * counts[rows.column] - most[rows.row]
    soft = rows.soft[rows.row]
    allowed[rows.column[(over > ROUNDING) & ~soft]] = False
    before = np.maximum(used - most, 0.0)
    more = np.maximum(over, 0.0) - before[rows.row]
    excess = np.bincount(rows.column[soft], more[soft], minlength=len(counts))
    return allowed, (before[rows.soft].sum() + excess).astype(np.float64)
