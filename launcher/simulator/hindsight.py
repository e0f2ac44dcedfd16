"""The cheapest that a run could have been, had it known the market in advance: a linear program over time. Pure.

Machines held and started in each kind and interval of five minutes; the cold start is paid and does no work; at most so
many machines as the scenario allows; on-demand machines can always be had. Machines may be fractions, so it is a lower
bound, up to the grid: within an interval the mean of what a place has counts.
"""

import numpy as np
from numpy.typing import NDArray

from launcher.planning.optimizer.fleet_over_time import KindOverTime, cheapest_over_time
from launcher.simulator.market import Market
from launcher.simulator.scenario import Scenario

INTERVAL_MINUTES = 5
MOST_INTERVALS = 288  # longer runs have a coarser grid: 24 h in steps of 5 minutes


def hindsight_usd(scenario: Scenario, market: Market) -> float | None:
    """USD of the cheapest way to be done by the deadline; None: no fleet could have been."""
    minutes = int(scenario.deadline // 60)
    width = INTERVAL_MINUTES * max(1, -(-minutes // (INTERVAL_MINUTES * MOST_INTERVALS)))
    intervals = minutes // width
    if not intervals:
        return None
    used = [*scenario.spot, *scenario.on_demand[:1]]
    kinds = [
        KindOverTime(
            scenario.kinds[n].tokens_per_second * scenario.slower,
            scenario.kinds[n].cold_start,
            _available(scenario, market, n, intervals, width),
            _usd(market, n, intervals, width),
        )
        for n in used
    ]
    found = cheapest_over_time(
        kinds,
        tokens=scenario.tokens,
        interval=width * 60.0,
        machines=scenario.machines,
        teardown=scenario.teardown,
    )
    return None if found is None else found.usd


def _available(
    scenario: Scenario, market: Market, kind: int, intervals: int, width: int
) -> NDArray[np.float64]:
    """Machines of a kind in each interval, on average; on demand as many as may be held."""
    if not scenario.kinds[kind].spot:
        return np.full(intervals, float(min(scenario.machines, scenario.kinds[kind].cap)))
    found = np.array(market.kinds[kind].available[: intervals * width], np.float64)
    return found.reshape(intervals, width).mean(axis=1)


def _usd(market: Market, kind: int, intervals: int, width: int) -> NDArray[np.float64]:
    """USD of a machine in each interval."""
    prices = np.array(market.kinds[kind].usd_per_hour[: intervals * width])
    return prices.reshape(intervals, width).mean(axis=1) * width / 60
