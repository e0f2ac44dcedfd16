"""What spot places may supply until the deadline, and the shadow price of a token. Pure.

The shadow price is a water level: run exactly the machines whose dollars a token are under one price, set so that what
they may do until the deadline is what is left. No parameter chooses between spot and on-demand: where supply is plenty
it is the price of the cheapest place, where it is short it rises to the price on demand.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import erf, exp, sqrt

import msgspec

from launcher.steering.market import beliefs
from launcher.steering.situation import Belief, Kind

# How much wider the spread of a supply is than that of independent places whose rates are known. Places of one region
# rise and fall together (a correlation of 0.43 in the public traces: 1.4 times for three of them), and rates are believed
# after a few events.
CORRELATION = 2.0
SECONDS_PER_HOUR = 3600.0
MAX_START_SHARE = 0.9  # of a machine's time that cold starts may be believed to take


# Source and Supply are structures of msgspec: each look makes one of every place, in a tenth of a dataclass's time.
class Source(msgspec.Struct, frozen=True):
    """A spot kind as a source of tokens over the time that is left.

    `usd_per_token` holds egress and the cold start; the start of a machine that runs is paid. `machines`: how many it is
    believed to have. `up`: mean chance that it has them; `settling`: the variance of its share of time up, as a share of
    the variance at one moment: 1 for a short time, near 0 for a long one.
    """

    kind: Kind
    usd_per_token: float
    machines: int
    up: float
    up_now: float
    settling: float
    falls: float  # an hour
    returns: float
    belief: Belief = beliefs.UNKNOWN
    bound: int | None = None  # machines that it had at most when it was asked for more

    def cautious_up(self, seconds: float) -> float:
        """The mean chance that it has machines over so many seconds, if it turns out worse than believed."""
        worse = beliefs.cautious_rates(self.falls, self.returns, self.belief)
        return beliefs.mean_chance_up(*worse, self.up_now, max(0.0, seconds) / SECONDS_PER_HOUR)

    def is_full(self, held: int) -> bool:
        """Whether it had no more machines than are held there."""
        return bool(held) and self.bound is not None and held >= self.bound


def usd_per_token(kind: Kind) -> float:
    """USD a token of a machine that works, and of egress. Its price is known."""
    return machine_usd_per_token(kind) + kind.egress_usd_per_token


def machine_usd_per_token(kind: Kind) -> float:
    """USD a token of a machine that works, without egress: what a budget is held to while the run goes on."""
    return (kind.usd_per_hour or 0.0) / SECONDS_PER_HOUR / kind.tokens_per_second


def started_usd_per_token(kind: Kind, falls: float) -> float:
    """USD a token of a machine that is still to be started, and again after each fall of its place; and of egress."""
    lost = min(MAX_START_SHARE, kind.cold_start / SECONDS_PER_HOUR * falls)
    return machine_usd_per_token(kind) / (1 - lost) + kind.egress_usd_per_token


def source_of(kind: Kind, belief: Belief, held: int, now: datetime, seconds_left: float) -> Source:
    """A spot kind over the time that is left."""
    falls, returns = beliefs.rates(belief, held=held, now=now)
    up_now = beliefs.chance_up_now(belief, now, held=held)
    hours = max(0.0, seconds_left) / SECONDS_PER_HOUR
    most = kind.cap if belief.most is None else max(1, held, min(kind.cap, belief.most))
    return Source(
        kind=kind,
        usd_per_token=started_usd_per_token(kind, falls),
        machines=most,
        up=beliefs.mean_chance_up(falls, returns, up_now, hours),
        up_now=up_now,
        settling=settling(falls, returns, hours),
        falls=falls,
        returns=returns,
        belief=belief,
        bound=belief.most,
    )


def settling(falls: float, returns: float, hours: float) -> float:
    """Variance of the mean of a two-state place over some hours, as a share of its variance at one moment."""
    span = (falls + returns) * hours
    if span < 1e-6:
        return 1.0
    return 2 / span * (1 - (1 - exp(-span)) / span)


class Supply(msgspec.Struct, frozen=True):
    """Tokens that the first places together may do: expected, standard deviation, and machines that work on average."""

    tokens: float
    spread: float
    machines: float


def supplies(
    sources: Sequence[Source], machines: int, seconds_left: float, *, worse: bool = False
) -> list[Supply]:
    """The supply of the first 1, 2, … sources, of which never more than `machines` run at once.

    Exact in the mean for independent places: the distribution of machines that are up is convolved place by place. A
    place adds the machines for which the places before it leave room. `worse`: all sources turn out worse than believed.
    """
    chances = {0: 1.0}  # of so many machines up, together at most `machines`
    before = tokens = rate = settling = 0.0
    found = list[Supply]()
    for source in sources:
        up = source.cautious_up(seconds_left) if worse else source.up
        chances = _with_place(chances, up, min(source.machines, machines), machines)
        mean = square = 0.0
        for count, chance in chances.items():
            mean += count * chance
            square += count * count * chance
        kind, marginal = source.kind, mean - before
        productive = 1 - min(MAX_START_SHARE, kind.cold_start / SECONDS_PER_HOUR * source.falls)
        first = kind.cold_start * (1 - source.up_now)  # a place that is not held starts with a cold start
        tokens += kind.tokens_per_second * marginal * max(0.0, seconds_left - first) * productive
        rate += kind.tokens_per_second * marginal
        settling += source.settling * marginal
        before = mean
        spread = 0.0
        if mean > 0:
            variance = max(0.0, square - mean * mean) * settling / mean
            spread = CORRELATION * sqrt(variance) * rate / mean * seconds_left
        found.append(Supply(tokens, spread, mean))
        if before > machines * 0.999999:
            found += [found[-1]] * (len(sources) - len(found))
            break
    return found


def _with_place(chances: Mapping[int, float], up: float, count: int, most: int) -> dict[int, float]:
    """The distribution of machines that are up with one more place of `count` machines.

    Places mostly have the same number of machines, so few sums are possible: a mapping is far smaller than a list.
    """
    down = 1 - up
    mixed = {machines: chance * down for machines, chance in chances.items()}
    room = most - count
    for machines, chance in chances.items():
        total = machines + count if machines < room else most  # as many as may be held
        mixed[total] = mixed.get(total, 0.0) + chance * up
    return mixed


def shadow_price(
    sources: Sequence[Source],
    found: Sequence[Supply],
    tokens: float,
    on_demand: float | None,
    *,
    share: float = 1.0,
) -> float | None:
    """The price of the source that will do the last token: between the cheapest place's and the price on demand.

    `sources` are in the order of their dollars a token, `found` is their supply. Without on-demand machines the last
    source is the dearest place. `share`: of the time of the supply, that counts. None: there is no source at all.
    """
    prices = [source.usd_per_token for source in sources]
    if on_demand is not None:
        prices = [min(price, on_demand) for price in prices] + [on_demand]
    if not prices:
        return None
    level, short = prices[0], 1.0
    for supply, price, dearer in zip(found, prices, prices[1:], strict=False):
        short = min(
            short, chance_short(tokens, supply, share)
        )  # more places never make it likelier that tokens are left
        level += (dearer - price) * short
    return level


def chance_short(tokens: float, supply: Supply, share: float = 1.0) -> float:
    """The chance that a supply does not do the tokens in this share of its time."""
    expected, spread = supply.tokens * share, supply.spread * share
    if spread <= 0:
        return float(tokens > expected)
    return normal_cdf((tokens - expected) / spread)


def normal_cdf(x: float) -> float:
    return 0.5 * (1 + erf(x / sqrt(2)))


def cheapest_first(sources: Iterable[Source]) -> list[Source]:
    """The sources by dollars a token; ties by the number of their kind."""
    return sorted(sources, key=lambda source: (source.usd_per_token, source.kind.number))
