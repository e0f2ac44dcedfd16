"""The market at one look: spot places as sources, their supply, and the level that a token may cost. Pure."""

from dataclasses import dataclass
from functools import cached_property
from math import inf, sqrt

from launcher.steering.market.supply import (
    SECONDS_PER_HOUR,
    Source,
    Supply,
    cheapest_first,
    machine_usd_per_token,
    shadow_price,
    source_of,
    supplies,
    usd_per_token,
)
from launcher.steering.reconciliation import Reconciliation
from launcher.steering.situation import ONLY_ON_DEMAND, Kind

NO_DEADLINE_SLACK = 4.0  # without a deadline, places are weighed over so many times the planned time
TAKE_FACTOR = 1.03  # a place is taken whose token costs so many times the level, at most
MANY = 1_000  # machines, where nothing else bounds them


@dataclass(frozen=True)  # without slots: `worse` is kept
class Level:
    """`price` is the shadow price V in USD a token, `on_demand` the price of the cheapest machine on demand.

    None: no source at all, or nothing on demand. `seconds_left`: until the deadline, or the time over which places are
    weighed. `most`: machines that may be held at one moment.
    """

    sources: tuple[Source, ...]  # the cheapest first
    found: tuple[Supply, ...]  # of the first 1, 2, … sources
    price: float | None
    on_demand: float | None
    seconds_left: float
    most: int
    listed: Kind | None = None  # the machine on demand of that price

    @property
    def machine_on_demand(self) -> float | None:
        """USD a token of the cheapest machine on demand, without egress."""
        return None if self.listed is None else machine_usd_per_token(self.listed)

    @property
    def has_spot(self) -> bool:
        """Whether a spot machine costs less a token than one on demand."""
        dearest = inf if self.on_demand is None else self.on_demand
        return any(source.usd_per_token < dearest for source in self.sources)

    @cached_property
    def worse(self) -> list[Supply]:
        """The supplies if all places turn out worse than believed: what forecasts hold, and no price does."""
        return supplies(self.sources, self.most, self.seconds_left, worse=True)

    def is_worth(self, source: Source) -> bool:
        """Whether a machine of this source costs hardly more a token than the level, and less than on demand."""
        if self.price is None or source.usd_per_token > TAKE_FACTOR * self.price:
            return False
        return self.on_demand is None or source.usd_per_token < self.on_demand


def level_of(
    current: Reconciliation, seconds_left: float | None, ceiling: float | None = None, reserve: float = 0.0
) -> Level:
    """The level now. `seconds_left` None: no deadline. `ceiling`: USD of machines a token that money allows at most.

    `reserve`: seconds before the last moment at which machines on demand start for what no spot machine covers. What
    spot might do after that is not waited for, so it does not count for the price of a token.
    """
    steering, tokens = current.steering, current.situation.tokens_left
    listed = min(current.on_demand_kinds, key=lambda kind: (usd_per_token(kind), kind.number), default=None)
    cheapest = None if listed is None else usd_per_token(listed)
    spot = [kind for kind in current.kinds.values() if kind.spot and steering.policy != ONLY_ON_DEMAND]
    most = most_machines(current, spot)
    weighed = seconds_left if seconds_left is not None else _horizon(current, spot, most)
    sources = cheapest_first(
        source_of(kind, current.belief(kind), current.held(kind.number), current.now, weighed)
        for kind in spot
    )
    found = supplies(sources, most, weighed)
    price = shadow_price(
        sources,
        found,
        tokens,
        cheapest if seconds_left is not None else None,
        share=max(0.0, 1 - reserve / weighed) if weighed > 0 else 0.0,
    )
    if price is not None and ceiling is not None:
        # A run that cannot be paid for goes on as cheaply as it can. A budget is held to machines: egress comes on top.
        cheapest_spot = sources[0].usd_per_token if sources else price
        egress = sources[0].kind.egress_usd_per_token if sources else 0.0
        price = min(price, max(ceiling + egress, cheapest_spot))
    return Level(tuple(sources), tuple(found), price, cheapest, max(0.0, weighed), most, listed)


def most_machines(current: Reconciliation, kinds: list[Kind]) -> int:
    """Machines that may be held at one moment."""
    limit = current.steering.limits.machines
    return min(MANY if limit is None else limit, sum(kind.cap for kind in kinds) or MANY)


def _horizon(current: Reconciliation, spot: list[Kind], most: int) -> float:
    """The time over which places are weighed where there is no deadline: it slides, and is never short."""
    steering = current.steering
    fastest = max((kind.tokens_per_second for kind in spot), default=0.0) * most
    alone = current.situation.tokens_left / fastest if fastest else 0.0
    planned = steering.planned_seconds or alone
    gone = (current.now - steering.started).total_seconds()
    return max(NO_DEADLINE_SLACK * planned - gone, NO_DEADLINE_SLACK * alone, SECONDS_PER_HOUR)


def _seconds_for(current: Reconciliation, level: Level, kind: Kind) -> float:
    """The time in which the work is to be done: until the deadline, or without one what is left of the planned time."""
    steering = current.steering
    if steering.deadline is not None:
        return level.seconds_left - kind.cold_start
    if steering.planned_seconds is None:
        return 0.0
    return steering.planned_seconds - (current.now - steering.started).total_seconds()


def machines_wanted(current: Reconciliation, level: Level) -> int:
    """How many machines are worth having at once: what the deadline needs, or more where that spreads the risk.

    need = 1.3 w / s / ((tau - d) a). More machines cost more starts and are at risk for a shorter time: the sum is least
    at (w / s) sqrt(h D / (2 p d)), where a loss costs D dollars an hour.
    """
    worth = [source for source in level.sources if level.is_worth(source)]
    if not worth:
        return level.most
    best = worth[0]
    tokens, kind = current.situation.tokens_left, best.kind
    hours = tokens / kind.tokens_per_second / SECONDS_PER_HOUR
    up = sum(source.up * source.machines for source in worth) / sum(source.machines for source in worth)
    window = max(1.0, _seconds_for(current, level, kind)) / SECONDS_PER_HOUR
    need = 1.3 * hours / (window * max(up, 0.05))
    price, cold = kind.usd_per_hour or 0.0, kind.cold_start / SECONDS_PER_HOUR
    if price <= 0 or cold <= 0:
        return level.most
    hourly, working = kind.tokens_per_second * SECONDS_PER_HOUR, usd_per_token(kind)
    value = ((level.price or 0.0) - working) * hourly
    dear = 0.0 if level.on_demand is None else (level.on_demand - working) * hourly
    loss = max(value, price / 10, dear / 4)
    spread = hours * sqrt(best.falls * loss / (2 * price * cold))
    return max(1, min(level.most, round(max(need, spread) + 0.5)))
