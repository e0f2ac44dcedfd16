"""The shortest deadline, the least budget, the fewest machines and the least quota with which there is a fleet. Pure."""

from dataclasses import replace

from launcher.planning.estimates.launching import LAUNCHES_AT_ONCE
from launcher.planning.optimizer.market import MOST_MACHINES, FleetLimits, Market
from launcher.planning.optimizer.relaxation import problem_of, relax
from launcher.planning.optimizer.solver import Solution, solve

MAX_QUOTA_FACTOR = 1e6
MAX_HOURS = 1e9  # what takes longer cannot be done
ANY_GAP = 4.0  # any fleet will do


def least_hours(market: Market, limits: FleetLimits) -> float | None:
    """The shortest deadline in hours that any fleet makes; None when none can do the work at all.

    By bisection on the relaxation, to 1 %, and from there up to where whole machines make it, to 6 %.
    """

    def possible(hours: float) -> bool:
        most = min(market.most_in_time(hours), limits.machines or MOST_MACHINES) if market.wave.any() else 0
        tried = {max(LAUNCHES_AT_ONCE, most // part) for part in (1, 4, 16)} if most else {0}
        return any(relaxed(hours, number) for number in sorted(tried, reverse=True))

    def relaxed(hours: float, number: int) -> bool:
        capped = replace(limits, machines=min(number, limits.machines or number)) if number else limits
        problem = problem_of(market.queued(number), hours, capped, penalty=1.0)
        return problem is not None and relax(problem) is not None

    low, high = 0.0, 1.0
    while not possible(high):
        low, high = high, high * 4
        if high > MAX_HOURS:
            return None
    while high - low > 0.01 * high:
        middle = (low + high) / 2 if low else high / 4
        low, high = (low, middle) if possible(middle) else (middle, high)
    while solve(market, high, limits, ANY_GAP) is None:
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
        return solve(market, hours, replace(limits, machines=machines), ANY_GAP) is not None

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
        vcpus = {group: int(most * factor) for group, most in limits.vcpus.items()}
        return solve(market, hours, replace(limits, quota=quota, vcpus=vcpus), ANY_GAP) is not None

    low, high = 1.0, 2.0
    while not enough(high):
        low, high = high, high * 2
        if high > MAX_QUOTA_FACTOR:
            return None
    while high - low > 0.02 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
