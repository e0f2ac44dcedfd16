"""Tables of markets, and what enumeration finds in tiny ones."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from launcher.planning.estimates.estimate import Candidate
from launcher.planning.optimizer.highs import Floats
from launcher.planning.optimizer.market import FleetLimits, Group, Market, TokenDemand, market_of
from launcher.planning.optimizer.solver import Solution

WORK = 3.6e6  # tokens that the plain kind does in an hour
TAIL = 60 / 3_600  # hours of the last shard, which the solver keeps free before a deadline
MOST = 4  # machines, where fleets are enumerated
few = settings(max_examples=12)  # on small markets with tight limits, where rounding matters most
seeds = st.integers(0, 10_000)
ACTIVE = st.sampled_from([2, 3, 5, 8])


def of(found: Sequence[Candidate], tokens: float, at_most: float | None = None) -> Market:
    return market_of(found, TokenDemand(tokens, tokens if at_most is None else at_most))


def machines(found: Solution | None) -> Mapping[str, int]:
    assert found is not None
    return {allocation.candidate.name: allocation.machines for allocation in found.allocations}


def slow_usd(table: Market, found: Solution) -> float:
    """What the fleet costs at the slow end."""
    places = {one: place for place, one in enumerate(table.candidates)}
    return sum(
        float(table.slow_usd[i]) * allocation.tokens / table.demand.tokens
        + float(table.start_usd[i]) * allocation.machines
        for allocation in found.allocations
        for i in [places[allocation.candidate]]
    )


def least(table: Market, hours: float, limits: FleetLimits) -> float | None:
    """The cost of the best of all fleets of at most MOST machines, each tried."""
    capacity, n = np.minimum(table.capacity(hours), 1.0), len(table.candidates)
    best: float | None = None
    for counts in itertools.product(range(MOST + 1), repeat=n):
        if not 0 < sum(counts) <= MOST or not allowed(table, counts, limits):
            continue
        if float(np.dot(capacity, counts)) < 1 - 1e-9:
            continue
        work = shared(table, np.array(counts, float))
        if work is None:
            continue
        usd = float(np.dot(table.start_usd, counts) + np.dot(table.work_usd, work))
        best = usd if best is None else min(best, usd)
    return best


def shared(table: Market, counts: Floats) -> Floats | None:
    """What each does of the work, from one queue, to the hour in which all are done; None: a machine is not needed."""

    def done(end: float) -> Floats:
        return counts * np.maximum(end - table.slow_start, 0.0) / table.slow_hours

    low, high = 0.0, 1e9
    for _ in range(200):
        end = (low + high) / 2
        low, high = (low, end) if done(end).sum() >= 1 else (end, high)
    work = done(high)
    return None if np.any((counts > 0) & (work <= 0)) else work


def allowed(table: Market, counts: Sequence[int], limits: FleetLimits) -> bool:
    had: dict[Group, int] = {}
    gpus: dict[Group, float] = {}
    for one, count in zip(table.candidates, counts, strict=True):
        had[one.group] = had.get(one.group, 0) + count
        gpus[one.group] = gpus.get(one.group, 0) + count * one.gpus
    most = limits.per_group
    return all(most is None or n <= most for n in had.values()) and all(
        n <= limits.quota.get(group, np.inf) for group, n in gpus.items()
    )
