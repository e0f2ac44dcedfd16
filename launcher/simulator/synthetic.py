"""Generated spot markets: places that have machines or have none, for times that the seed draws. Pure."""

from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from launcher.simulator.traces import PlaceTrace, TraceSet

MINUTES = 30 * 24 * 60
# Falls an hour while there are machines, and returns an hour while there are none: about those of V100 on AWS in 2023.
FALLS, RETURNS = 0.25, 0.35
SPREAD = 0.5  # standard deviation of the logarithm of a place's rates about those
PRICE_STEP = 0.02  # standard deviation of the logarithm of a price between two hours
PRICE_PULL = 0.1  # share of the way back to its mean in an hour


@dataclass(frozen=True, slots=True)
class SyntheticMarket:
    """How often places lose their machines and have some again, an hour; and how many places there are."""

    falls: float = FALLS
    returns: float = RETURNS
    places: int = 8

    @property
    def about(self) -> str:
        """The market in words."""
        share = self.returns / (self.falls + self.returns)
        return (
            f"generated: {self.places} places, each up {share:.0%} of the time, "
            f"losing its machines {self.falls:g} times an hour up"
        )


def synthetic_traces(market: SyntheticMarket, seed: int) -> TraceSet:
    """The traces of a generated market: a month, with prices."""
    random = np.random.default_rng([seed, 2023])
    places = [_place(number, market, random) for number in range(market.places)]
    return TraceSet("synthetic", market.about, tuple(places))


def _place(number: int, market: SyntheticMarket, random: Generator) -> PlaceTrace:
    falls = market.falls * exp(SPREAD * float(random.standard_normal()))
    returns = market.returns * exp(SPREAD * float(random.standard_normal()))
    up, total, parts = bool(random.random() < returns / (falls + returns)), 0, list[NDArray[np.int32]]()
    while total < MINUTES:
        minutes = max(1, round(60 * float(random.exponential(1 / (falls if up else returns)))))
        parts.append(np.full(minutes, int(up), np.int32))
        total += minutes
        up = not up
    level, levels = 0.0, list[float]()
    for step in random.standard_normal(MINUTES // 60):
        level = (1 - PRICE_PULL) * level + PRICE_STEP * float(step)
        levels.append(level)
    usd = np.exp(np.repeat(levels, 60))
    return PlaceTrace(f"synthetic/region-{number + 1}", np.concatenate(parts)[:MINUTES], usd)
