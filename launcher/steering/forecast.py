"""What a run is expected to cost and to take from now on, in closed form. Pure.

Every token is done by the cheapest source that has room for it until the safety net starts; what spot does not do by then
is done on demand. Supplies are normal, and all places together may be worse than believed; hours and dollars are
log-normal on each side of their medians. No draws are needed. How near this is to simulated runs:
docs/steering-measured.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, exp, hypot, log, pi, sqrt
from statistics import NormalDist

from launcher.money import decimal_of_float
from launcher.steering.course import Forecast
from launcher.steering.level import Level
from launcher.steering.market import beliefs
from launcher.steering.market.refusals import CERTAIN, Refusals, chance_refused, chance_refused_later
from launcher.steering.market.supply import (
    SECONDS_PER_HOUR,
    Supply,
    chance_short,
    machine_usd_per_token,
    normal_cdf,
    settling,
    supplies,
)
from launcher.steering.safety_net import SafetyNet
from launcher.steering.situation import Kind

NORMAL = NormalDist()
SPEEDS = 40  # equally likely, at which the safety net is tried
SPEED_SIGMAS = tuple(NORMAL.inv_cdf((number + 0.5) / SPEEDS) for number in range(SPEEDS))
P90_SIGMAS = 1.2816  # standard deviations from the median of a normal distribution to its P90
# Constants below were tuned on one half of the markets of `make bench-calibration`, and checked on the other.
WORSE = 0.7  # the chance that all places are as bad as `beliefs.cautious_rates` says, and not as believed
# Tokens that spot does as a share of those that its places would give to machines that are always asked for at once:
# asks, back-offs, probes and half shards are lost.
EFFICIENCY = 0.78
MIDDLE = 0.3  # how far the median of dollars is on the way from all as believed to all worse
# How many times the dollars above the cheapest place's the P90 holds, of those where places are worse than believed.
DEARER = 4.0
SLOWER = 0.6  # how far the median of rates is on the way from all as believed to all worse, in logarithms
# Of the spread of hours that supplies alone would give: a fleet that falls behind asks for more.
HOURS_SPREAD = 0.8
LONGEST_HOURS = 24.0 * 366  # what would take longer is not told apart


@dataclass(frozen=True, slots=True)
class Dollars:
    """USD to finish: its median (`p50`), P10 and P90; and the share that machines on demand are expected to have."""

    p10: float
    p50: float
    p90: float
    on_demand_share: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a forecast rests on beside the level. Tokens, tokens a second, and seconds.

    `rate`: of the machines that are there. `wanted`: machines that are worth having at once. `reserve`: how long before
    the last moment machines on demand start for what no spot machine covers. `patience`: how long each of those may be
    refused. `has_net`: whether machines on demand do what spot does not. `refusals`: how on demand may be refused.
    """

    tokens: float
    rate: float = 0.0
    wanted: int | None = None  # None: as many as may be held
    reserve: float = 0.0
    patience: float = 0.0
    has_net: bool = False
    refusals: Refusals = CERTAIN


def dollars(level: Level, outlook: Outlook) -> Dollars | None:
    """USD of machines for the tokens that are left; None: nothing could be rented for them."""
    on_demand = level.machine_on_demand if outlook.has_net or not level.sources else None
    prices = _machine_prices(level, outlook)
    if not prices:
        return None
    tokens = outlook.tokens
    believed = _until_the_net(level.found, level, outlook)
    worse = _until_the_net(level.worse, level, outlook)
    good, bad = _usd(prices, believed, tokens), _usd(prices, worse, tokens)
    rented = 0.0
    if on_demand is not None:
        short = expected_short(tokens, believed[-1]) if believed else tokens
        short += WORSE * ((expected_short(tokens, worse[-1]) if worse else tokens) - short)
        rented = min(short, tokens) * on_demand
    mean, p50 = good + WORSE * (bad - good), good + MIDDLE * (bad - good)
    spread, least = P90_SIGMAS * _speed_sigma(level), prices[0] * tokens
    high = max(p50, min(least + DEARER * (bad - least), max(prices) * tokens))
    up = hypot(log(high / p50), spread) if p50 > 0 else 0.0
    down = hypot(log(p50 / good), spread) if good > 0 else spread  # a good market is one as believed
    return Dollars(p50 * exp(-down), p50, p50 * exp(up), min(1.0, rented / mean) if mean else 0.0)


def _with_starts(usd: Dollars | None, level: Level, outlook: Outlook) -> Dollars | None:
    """The dollars, at least those of the fewest machines that start and then do all the tokens, where none is there yet.

    Dollars a token hold the starts after losses alone: of a job that a machine does in minutes, its first start is most.
    """
    if usd is None or outlook.rate > 0:
        return usd
    needed = {source.kind.number: (source.kind, 1) for source in level.sources}
    if level.listed is not None and (outlook.has_net or not level.sources):
        needed[level.listed.number] = level.listed, _needed_on_demand(level.listed, level, outlook)
    spread = P90_SIGMAS * _speed_sigma(level)

    def least(slower: float) -> float:
        """USD where the work takes so many times as long as at the median speed; starts take the same time."""
        return min(
            outlook.tokens * machine_usd_per_token(kind) * slower
            + count * (kind.usd_per_hour or 0.0) * kind.cold_start / SECONDS_PER_HOUR
            for kind, count in needed.values()
        )

    low, middle, high = least(exp(-spread)), least(1.0), least(exp(spread))
    return replace(usd, p10=max(usd.p10, low), p50=max(usd.p50, middle), p90=max(usd.p90, high))


def _who_does_it(level: Level, outlook: Outlook) -> list[Kind]:
    """The kinds that do the tokens, in the order in which they are used: spot that costs less, then on demand."""
    kinds = [source.kind for source in level.sources]
    if level.listed is None or level.on_demand is None or not (outlook.has_net or not level.sources):
        return kinds
    worth = (source.usd_per_token < level.on_demand for source in level.sources)
    return [kind if less else level.listed for kind, less in zip(kinds, worth, strict=True)] + [level.listed]


def _machine_prices(level: Level, outlook: Outlook) -> list[float]:
    """USD of machines a token of each of them: starts of spot are in it, egress is not."""
    sources = {source.kind.number: source for source in level.sources}
    return [
        sources[kind.number].usd_per_token - kind.egress_usd_per_token
        if kind.spot
        else machine_usd_per_token(kind)
        for kind in _who_does_it(level, outlook)
    ]


def token_shares(level: Level, outlook: Outlook) -> dict[int, tuple[float, float]]:
    """The share of the tokens that each kind is expected to do, by its number: at the median, and if places are worse."""
    kinds, tokens = _who_does_it(level, outlook), outlook.tokens
    found = dict[int, tuple[float, float]]()
    if not kinds or tokens <= 0:
        return found
    rests = [
        [tokens, *(expected_short(tokens, one) for one in _until_the_net(places, level, outlook))]
        for places in (level.found, level.worse)
    ]
    for position, kind in enumerate(kinds):
        good, bad = (
            (rest[position] - (rest[position + 1] if position + 1 < len(kinds) else 0.0)) / tokens
            for rest in rests
        )
        before = found.get(kind.number, (0.0, 0.0))
        found[kind.number] = before[0] + good + MIDDLE * (bad - good), before[1] + bad
    return found


def _until_the_net(found: Sequence[Supply], level: Level, outlook: Outlook) -> list[Supply]:
    """The supplies until machines on demand start for what is left. Machines may be slower or faster than planned."""
    share = EFFICIENCY
    if outlook.has_net and level.seconds_left > 0:
        share *= max(0.0, 1 - outlook.reserve / level.seconds_left)
    sigma = _speed_sigma(level)
    return [
        Supply(one.tokens * share, share * hypot(one.spread, one.tokens * sigma), one.machines)
        for one in found
    ]


def _usd(prices: list[float], found: list[Supply], tokens: float) -> float:
    """USD of the tokens, each done by the first source that has room for it."""
    steps = zip(found, prices, prices[1:], strict=False)
    return prices[0] * tokens + sum(
        (dearer - price) * expected_short(tokens, supply) for supply, price, dearer in steps
    )


def expected_short(tokens: float, supply: Supply) -> float:
    """Expected tokens that a supply leaves undone."""
    if supply.spread <= 0:
        return max(0.0, tokens - supply.tokens)
    z = (tokens - supply.tokens) / supply.spread
    density = exp(-z * z / 2) / sqrt(2 * pi)
    return min(tokens, supply.spread * (z * normal_cdf(z) + density))


def _speed_sigma(level: Level) -> float:
    """Standard deviation of the logarithm of the speed of the cheapest machines."""
    kind = level.sources[0].kind if level.sources else level.listed
    return 0.0 if kind is None else _sigma(kind)


def _sigma(kind: Kind) -> float:
    if not 0 < kind.tokens_per_second_p10 < kind.tokens_per_second:
        return 0.0
    return log(kind.tokens_per_second / kind.tokens_per_second_p10) / P90_SIGMAS


@dataclass(frozen=True, slots=True)
class Money:
    """USD: what was spent and is committed, and the budget, if there is one."""

    bound: float
    budget: float | None

    @property
    def left(self) -> float | None:
        return None if self.budget is None else self.budget - self.bound


def forecast(
    level: Level, net: SafetyNet | None, money: Money, outlook: Outlook, seconds_left: float | None
) -> Forecast | None:
    """What is expected now. `seconds_left` None: no deadline."""
    usd = _with_starts(dollars(level, outlook), level, outlook)
    if usd is None:
        return None
    p10, p50, p90 = _hours(level, outlook)
    if seconds_left is not None and net is not None and net.machines and seconds_left > 0:
        p10, p50, p90 = _with_net((p10, p50, p90), level, net, outlook)
    late = (None, None)
    if seconds_left is not None:
        late = (p50 * SECONDS_PER_HOUR - seconds_left, p90 * SECONDS_PER_HOUR - seconds_left)
    return Forecast(
        hours_p10=p10,
        hours_p50=p50,
        hours_p90=p90,
        usd_to_finish_p10=decimal_of_float(round(usd.p10, 4)),
        usd_to_finish_p50=decimal_of_float(round(usd.p50, 4)),
        usd_to_finish_p90=decimal_of_float(round(usd.p90, 4)),
        late_seconds_p50=late[0],
        late_seconds_p90=late[1],
        chance_late=None
        if seconds_left is None
        else 1.0
        if seconds_left <= 0
        else chance_late(level, net, outlook),
        chance_over_budget=_chance_over(usd, money),
        on_demand_share=usd.on_demand_share,
        token_shares=token_shares(level, outlook),
    )


def _with_net(
    hours: tuple[float, float, float], level: Level, net: SafetyNet, outlook: Outlook
) -> tuple[float, float, float]:
    """The hours, which on-demand machines shorten to the deadline, or to what they need alone if that is longer.

    `net.margin` is at the slow end of their speed; at the median they are done their reserve before the deadline.
    """
    low, middle, high = hours
    left = level.seconds_left / SECONDS_PER_HOUR
    most = net.margin + outlook.tokens  # that the net does until the deadline, at the slow end
    slow = max(left, left * outlook.tokens / most) if most > 0 else high
    sigma = 0.0 if level.listed is None else _sigma(level.listed)
    early = max(left - outlook.reserve / SECONDS_PER_HOUR, slow * exp(-P90_SIGMAS * sigma))
    middle, high = min(middle, early, max(high, middle)), min(max(high, middle), slow)
    return min(low, middle), middle, max(middle, high)


def chance_late(level: Level, net: SafetyNet | None, outlook: Outlook) -> float:
    """The chance that the work is not done by the deadline.

    The net does what it can, if machines on demand are there when it needs them; spot must do the rest. Where they are
    refused for longer than the net may wait, when it begins or while it asks, spot must do all, of which the chance is
    that of places worse than believed: the net begins as soon as spot is behind, also where it would have caught up.
    The mean over SPEEDS equally likely speeds: at a slow one the net alone may not do the work.
    """
    all_of_it, until_net = _spot(level, Outlook(outlook.tokens)), _spot(level, outlook)
    if net is None or not net.machines:
        return _chance_short(all_of_it, outlook.tokens if net is None else max(0.0, -net.margin))
    sigma = 0.0 if level.listed is None else _sigma(level.listed)
    late, most = 0.0, net.margin + outlook.tokens
    spot_short = chance_short(outlook.tokens, until_net[-1]) if until_net else 1.0
    hours = asking_hours(net, outlook, until_net[-1]) if until_net else 0.0
    for sigmas in SPEED_SIGMAS:
        speed = exp(sigma * sigmas)  # as a share of the median
        fast = speed * exp(P90_SIGMAS * sigma)  # as a share of the slow end, at which the net is computed
        rest = outlook.tokens - most * fast
        missing = 0.0
        if rest > 0:  # machines on demand that can fill the fleet in time leave no room for spot beside them
            missing = 1.0 if net.in_time >= level.most else _chance_short(all_of_it, rest / speed)
        patience = max(0.0, -rest / fast / net.free_rate) if net.free_rate else 0.0
        late += missing + (1 - missing) * _refused(level, outlook, patience, hours) * spot_short
    return late / SPEEDS


def asking_hours(net: SafetyNet, outlook: Outlook, spot: Supply) -> float:
    """For how many hours a net asks for machines, if it must begin: until the work is done, or all are started.

    `spot`: what spot does until then. The next machine starts when each of those that are not started has only its
    patience in hand: where spot does nothing meanwhile, the last of n starts 1 + 1/2 + ... + 1/(n - 1) times that after
    the first.
    """
    begins = chance_short(outlook.tokens, spot)
    if not begins or not net.free_rate:
        return 0.0
    work = expected_short(outlook.tokens, spot) / begins / net.free_rate + outlook.patience
    started = outlook.patience * sum(1 / others for others in range(1, net.machines))
    return min(work, started) / SECONDS_PER_HOUR


def _refused(level: Level, outlook: Outlook, patience: float, hours: float) -> float:
    """The chance that on demand is refused for so many seconds when the net begins, or in the hours in which it asks."""
    if not level.found:  # machines on demand alone are all asked for at once
        return chance_refused(outlook.refusals, patience)
    patience = min(patience, outlook.patience)
    refused = chance_refused(outlook.refusals, patience)
    return refused + (1 - refused) * chance_refused_later(outlook.refusals, patience, hours)


def _spot(level: Level, outlook: Outlook) -> list[Supply]:
    """What all spot places do until the deadline, or until the net of the outlook starts: as believed, and worse."""
    if not level.found:
        return []
    return _until_the_net([level.found[-1], level.worse[-1]], level, outlook)


def _chance_short(spot: Sequence[Supply], tokens: float) -> float:
    """The chance that spot, as believed and worse, does not do so many tokens."""
    if tokens <= 0:
        return 0.0
    if not spot:
        return 1.0
    believed, worse = (chance_short(tokens, supply) for supply in spot)
    return believed + WORSE * (worse - believed)


def _chance_over(usd: Dollars, money: Money) -> float | None:
    """The chance that the dollars to finish exceed what is left of the budget."""
    if money.left is None:
        return None
    if money.left <= 0 or usd.p50 <= 0 or usd.p90 <= usd.p50:
        return float(usd.p50 > money.left)
    return 1 - normal_cdf(log(money.left / usd.p50) * P90_SIGMAS / log(usd.p90 / usd.p50))


def _hours(level: Level, outlook: Outlook) -> tuple[float, float, float]:
    """Hours until the work is done, P10, P50 and P90, with as many machines as are wanted of those worth their price."""
    worth = [n for n, source in enumerate(level.sources) if level.is_worth(source)]
    if not worth or not level.seconds_left:
        return _hours_on_demand(level, outlook)
    tokens, sources = outlook.tokens, level.sources[: worth[-1] + 1]
    first, wanted = sources[worth[0]], min(level.most, outlook.wanted or level.most)
    if wanted == level.most:  # known already
        supply, worse = level.found[len(sources) - 1], level.worse[len(sources) - 1]
    else:
        supply = supplies(sources, wanted, level.seconds_left)[-1]
        worse = supplies(sources, wanted, level.seconds_left, worse=True)[-1]
    start = first.kind.cold_start * (1 - first.up_now) / SECONDS_PER_HOUR
    if supply.tokens <= 0:
        return _hours_on_demand(level, outlook)
    share = min(1.0, worse.tokens / supply.tokens)
    rate = max(outlook.rate, EFFICIENCY * supply.tokens * share**SLOWER / level.seconds_left)
    p50 = min(LONGEST_HOURS, _at(tokens, rate) + start)
    span = settling(first.falls, first.returns, p50) / settling(
        first.falls, first.returns, level.seconds_left / SECONDS_PER_HOUR
    )
    varies = supply.spread / supply.tokens * sqrt(span)
    unknown = log(supply.tokens / worse.tokens) / beliefs.CAUTION if 0 < worse.tokens < supply.tokens else 0.0
    speed = _sigma(first.kind)
    sigma = hypot(HOURS_SPREAD * hypot(varies, unknown), speed)
    full = max(rate, wanted * first.kind.tokens_per_second) * exp(P90_SIGMAS * speed)
    low = max(_at(tokens, full) + start, p50 * exp(-P90_SIGMAS * sigma))
    longest = (
        log(LONGEST_HOURS / p50) if p50 > 0 else 0.0
    )  # a spread of almost no supply is beyond any exponent
    return min(low, p50), p50, p50 * exp(min(longest, P90_SIGMAS * sigma))


def _hours_on_demand(level: Level, outlook: Outlook) -> tuple[float, float, float]:
    """Hours with the machines that are there, or with as many on demand as the deadline needs at the slow end."""
    kind, tokens, rate = level.listed, outlook.tokens, outlook.rate
    if kind is None or rate > 0:
        return _at(tokens, rate), _at(tokens, rate), _at(tokens, rate)
    needed = _needed_on_demand(kind, level, outlook)
    start, slow = kind.cold_start / SECONDS_PER_HOUR, kind.cold_start_p90 / SECONDS_PER_HOUR
    alone = _at(tokens, needed * kind.tokens_per_second)
    high = max(start + alone, slow + _at(tokens, needed * kind.tokens_per_second_p10))
    return start + alone * exp(-P90_SIGMAS * _sigma(kind)), start + alone, high


def _needed_on_demand(kind: Kind, level: Level, outlook: Outlook) -> int:
    """Machines on demand of a kind that do the tokens until the deadline at the slow end, or as many as may be had."""
    reach = level.seconds_left - kind.cold_start_p90
    most = max(1, min(level.most, kind.cap))
    return min(most, ceil(outlook.tokens / kind.tokens_per_second_p10 / reach)) if reach > 0 else most


def _at(tokens: float, rate: float) -> float:
    return min(LONGEST_HOURS, tokens / rate / SECONDS_PER_HOUR) if rate > 0 else LONGEST_HOURS
