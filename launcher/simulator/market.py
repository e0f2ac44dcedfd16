"""The market of one simulated run: machines to be had of each kind and their price, minute by minute. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from launcher.simulator.scenario import Kind, Outage, Scenario
from launcher.simulator.traces import MINUTE, PlaceTrace
from launcher.steering.market.refusals import OUTAGE_HOURS

OUTAGE_MINUTES = 60.0 * OUTAGE_HOURS  # mean time for which no machine can be had on demand


@dataclass(frozen=True, slots=True)
class KindMarket:
    """One kind. `spent[m]` is USD that a machine has cost from the start of the run until minute m."""

    available: list[int]
    usd_per_hour: list[float]
    spent: list[float]

    def usd(self, begin: float, end: float) -> float:
        """USD of one machine between two times of the run, in seconds."""
        return self._until(end) - self._until(begin)

    def _until(self, at: float) -> float:
        minute = min(int(at // MINUTE), len(self.usd_per_hour) - 1)
        return self.spent[minute] + self.usd_per_hour[minute] * (at - minute * MINUTE) / 3600


@dataclass(frozen=True, slots=True)
class Market:
    """The kinds of a scenario, in its order. `drops`: moments at which a spot place has fewer machines than before."""

    kinds: tuple[KindMarket, ...]
    drops: list[tuple[float, int, int]]  # seconds, kind, machines that are left


def market_of(
    scenario: Scenario,
    traces: Mapping[int, PlaceTrace],
    offset: int,
    minutes: int,
    random: Generator,
) -> Market:
    """The market of a run that begins at minute `offset` of the traces. `traces` has one for each spot kind."""
    index = np.arange(minutes)
    kinds = list[KindMarket]()
    for number, kind in enumerate(scenario.kinds):
        trace = traces.get(number)
        if trace is None:
            available = np.full(minutes, kind.cap, np.int64)
            if not kind.spot and scenario.no_on_demand > 0:
                available *= _obtainable(scenario.no_on_demand, minutes, random)
            prices = np.full(minutes, kind.usd_per_hour)
        else:
            at = (index + offset) % len(trace.available)
            available = np.minimum(trace.available[at], kind.cap).astype(np.int64)
            prices = _prices(kind, trace, at)
        kinds.append(_kind_market(_without(available, kind, scenario.outages), prices))
    return Market(tuple(kinds), _drops(scenario.kinds, kinds))


def _prices(kind: Kind, trace: PlaceTrace, at: NDArray[np.int64]) -> NDArray[np.float64]:
    """The kind's planned price, moved as the price of the trace moves about its mean."""
    if trace.usd_per_hour is None:
        return np.full(len(at), kind.usd_per_hour)
    return kind.usd_per_hour * trace.usd_per_hour[at] / float(np.mean(trace.usd_per_hour))


def _kind_market(available: NDArray[np.int64], prices: NDArray[np.float64]) -> KindMarket:
    spent = np.concatenate([[0.0], np.cumsum(prices / 60)[:-1]])
    return KindMarket(available.tolist(), prices.tolist(), spent.tolist())


def _without(available: NDArray[np.int64], kind: Kind, outages: Sequence[Outage]) -> NDArray[np.int64]:
    for outage in outages:
        if outage.covers(kind.place.infra):
            available[int(outage.begin // MINUTE) : int(-(-outage.end // MINUTE))] = 0
    return available


def _obtainable(missing: float, minutes: int, random: Generator) -> NDArray[np.int64]:
    """1 where machines can be had on demand, 0 for `missing` of the time, about an hour at once."""
    up, lengths, total = bool(random.random() >= missing), list[tuple[int, int]](), 0
    while total < minutes:
        mean = OUTAGE_MINUTES * (1 - missing) / missing if up else OUTAGE_MINUTES
        lengths.append((int(up), max(1, round(random.exponential(mean)))))
        total += lengths[-1][1]
        up = not up
    return np.concatenate([np.full(length, state, np.int64) for state, length in lengths])[:minutes]


def _drops(kinds: Sequence[Kind], markets: Sequence[KindMarket]) -> list[tuple[float, int, int]]:
    found = [
        (minute * MINUTE, number, after)
        for number, (kind, market) in enumerate(zip(kinds, markets, strict=True))
        if kind.spot
        for minute, (before, after) in enumerate(pairwise(market.available), start=1)
        if after < before
    ]
    return sorted(found)
