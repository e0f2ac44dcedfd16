"""The least that a steered run could have paid in the places and hours that it saw, and where the rest went. Pure.

Seen is what places answered and gave. A place is up from the first machine that it gave until it had none or took one,
with as many machines as it gave in between; where nothing is held any more, for an hour at most. Places that were never
asked, and hours in which no machine was asked for, are unknown, and not up. The least is a linear program over these
hours at the speeds, starts and prices of the run. A machine that a cloud took so early that it charged nothing counts at
its price on both sides: to lose it was luck, which no plan can count on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from math import ceil

import numpy as np

from launcher.costs.usage.machine_time import MachineTime
from launcher.costs.usage.spend import Metered, Part
from launcher.documents.course import Hindsight
from launcher.money import SECONDS_PER_HOUR, ZERO, decimal_of_float
from launcher.planning.optimizer.fleet_over_time import FleetOverTime, KindOverTime, cheapest_over_time
from launcher.planning.optimizer.highs import Floats
from launcher.steering.market.beliefs import UNSEEN_HOURS

UNSEEN_MINUTES = int(60 * UNSEEN_HOURS)
MOST_INTERVALS = 288  # longer runs have a coarser grid: 24 h in steps of 5 minutes
LEAST_MINUTES = 10  # a shorter run has seen nothing that a better one could have used
CENT = Decimal("0.01")
ON_DEMAND = "on-demand"
PricePoint = tuple[datetime, Decimal]  # from when, USD an hour of a machine


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSeen:
    """What a run saw. `lives` are paired with `metered`; `tokens` and `refused` are by number of the machine group.

    `tokens`: embedded by the group's machines. `refused`: moments at which the group's place had none. `prices`: of the
    group, the oldest first. `machines`: at most at one moment.
    """

    began: datetime
    ended: datetime
    lives: Sequence[MachineTime]
    metered: Sequence[Metered]
    tokens: Mapping[int, int]
    refused: Mapping[int, Sequence[datetime]]
    prices: Mapping[int, Sequence[PricePoint]]
    machines: int


@dataclass(frozen=True, slots=True)
class _Group:
    """What was paid and done by the machines of one group."""

    spot: bool
    tokens: int
    useful: Decimal  # USD
    starts: Decimal  # USD
    held: Floats  # machines by interval
    over_time: KindOverTime


def hindsight_of(seen: RunSeen) -> Hindsight:
    """The least that could have been paid for the machines of a run that is done."""
    minutes = ceil((seen.ended - seen.began).total_seconds() / 60)
    paid = [one.total_usd for one in seen.metered]
    total = sum((usd for usd in paid if usd is not None), ZERO)
    if None in paid:
        return Hindsight(usd=None, paid=None, reason="a machine has no price")
    if minutes < LEAST_MINUTES or not any(seen.tokens.values()):
        return Hindsight(usd=None, paid=total, reason="the run was too short to see anything else")
    width = ceil(minutes / MOST_INTERVALS)
    teardown = _mean_seconds(seen.metered, "teardown")
    groups = _groups(seen, minutes, width)
    held = sum((one.held for one in groups), np.zeros(1))
    found = cheapest_over_time(
        [one.over_time for one in groups],
        tokens=float(sum(seen.tokens.values())),
        interval=60.0 * width,
        machines=max(float(seen.machines), float(held.max())),
        teardown=teardown,
    )
    if found is None:
        return Hindsight(usd=None, paid=total, reason="what the run saw does not explain what it did")
    starts = sum(
        float((one.over_time.usd * row).sum()) / (60 * width) * one.over_time.cold_start
        for one, row in zip(groups, found.started, strict=True)
    )
    least = decimal_of_float(found.usd).quantize(CENT)
    more_starts = sum((g.starts for g in groups), ZERO) - decimal_of_float(starts)
    shares = [one.quantize(CENT) for one in (more_starts, *_dearer(groups, found, width))]
    waived = sum((one.waived for one in seen.metered), ZERO).quantize(CENT)
    return Hindsight(
        usd=least,
        paid=total.quantize(CENT),
        starts=shares[0],
        dear_places=shares[1],
        net=shares[2],
        rest=total.quantize(CENT) + waived - least - sum(shares, ZERO),
        places=len(groups),
        waived=waived or None,
    )


def _groups(seen: RunSeen, minutes: int, width: int) -> list[_Group]:
    """The groups that gave a machine, in order."""
    by_group: dict[int, list[tuple[MachineTime, Metered]]] = {}
    for life, metered in zip(seen.lives, seen.metered, strict=True):
        if life.group is not None and (life.ended or seen.ended) > life.started:
            by_group.setdefault(life.group, []).append((life, metered))
    speeds = _speeds(seen, by_group)
    found: list[_Group] = []
    for number, pairs in sorted(by_group.items()):
        metered = [one for _, one in pairs]
        points = sorted([*seen.prices.get(number, ()), *(p for life, _ in pairs for p in _prices(life))])
        if not points:
            continue
        lives = [life if life.ended else replace(life, ended=seen.ended) for life, _ in pairs]
        most = available(seen.began, minutes, lives, seen.refused.get(number, ()))
        hourly = _by_minute(seen.began, minutes, points)
        found.append(
            _Group(
                spot=pairs[0][0].purchase != ON_DEMAND,
                tokens=seen.tokens.get(number, 0),
                useful=sum((_usd(one, "useful") for one in metered), ZERO),
                starts=sum((_usd(one, "cold_start") for one in metered), ZERO),
                held=_means(available(seen.began, minutes, lives, (), unseen=0), width),
                over_time=KindOverTime(
                    speeds[number],
                    _mean_seconds(metered, "cold_start"),
                    _means(most, width),
                    _means(hourly, width) * 60 * width / SECONDS_PER_HOUR,
                ),
            )
        )
    return found


def _dearer(groups: Sequence[_Group], least: FleetOverTime, width: int) -> tuple[Decimal, Decimal]:
    """USD of work above the least fleet's: of tokens on spot that cost more there, and of more tokens on demand.

    A token on demand instead of on spot costs what is between them in the least fleet: also the least may need some.
    """
    usd, tokens = {True: 0.0, False: 0.0}, {True: 0.0, False: 0.0}
    for one, held, started in zip(groups, least.held, least.started, strict=True):
        kind = one.over_time
        # Machines that work, on the mean of an interval.
        work = held - started * kind.cold_start / (60 * width)
        usd[one.spot] += float((kind.usd * work).sum())
        tokens[one.spot] += kind.tokens_per_second * 60 * width * float(work.sum())
    paid = {spot: sum((one.useful for one in groups if one.spot == spot), ZERO) for spot in usd}
    done = {spot: sum(one.tokens for one in groups if one.spot == spot) for spot in usd}
    if tokens[True] > 0:
        spot_price = decimal_of_float(usd[True] / tokens[True])
    else:  # nothing to compare spot with
        spot_price = paid[True] / done[True] if done[True] else ZERO
    more = done[False] - decimal_of_float(tokens[False])
    return (
        paid[True] - done[True] * spot_price,
        paid[False] - decimal_of_float(usd[False]) - more * spot_price,
    )


def _usd(one: Metered, part: Part) -> Decimal:
    """What a part of a life cost, or would have cost where the cloud waived it: by its share of the time."""
    if not one.waived:
        return one.known_usd[part]
    share = one.time[part] / one.total_time if one.total_time else 0.0
    return one.waived * decimal_of_float(share)


def available(
    began: datetime,
    minutes: int,
    lives: Sequence[MachineTime],
    refused: Sequence[datetime],
    *,
    unseen: int = UNSEEN_MINUTES,
) -> Floats:
    """Machines that a place is known to have had, by minute of the run: see the module. `unseen` 0: those held."""
    held = np.zeros(minutes)
    stops = {_minute(began, at) for at in refused}
    for life in lives:
        end = life.ended or life.started
        held[max(0, _minute(began, life.started)) : max(0, _minute(began, end) + 1)] += 1
        if life.how == "PREEMPTED":
            stops.add(_minute(began, end))
    if not unseen:
        return held
    edges = [0, *sorted({stop + 1 for stop in stops if 0 <= stop < minutes - 1}), minutes]
    found = held.copy()
    for first, last in pairwise(edges):
        stretch = held[first:last]
        there = np.flatnonzero(stretch)
        if not len(there):
            continue
        minute = np.arange(last - first)
        before = np.searchsorted(there, minute, side="right") - 1
        since = np.where(before >= 0, minute - there[np.maximum(before, 0)], unseen)
        found[first:last] = np.where(since < unseen, stretch.max(), stretch)
    return found


def _speeds(seen: RunSeen, by_group: Mapping[int, Sequence[tuple[MachineTime, Metered]]]) -> dict[int, float]:
    """Tokens a second of a machine at work; of a group without a receipt, 0: what it could do was not seen."""
    found: dict[int, float] = {}
    for number, pairs in by_group.items():
        useful = sum(one.time["useful"].total_seconds() for _, one in pairs)
        found[number] = seen.tokens.get(number, 0) / useful if useful > 0 else 0.0
    return found


def _prices(life: MachineTime) -> list[PricePoint]:
    first = [] if life.usd_per_hour is None else [(life.started, life.usd_per_hour)]
    return [*first, *life.rates]


def _by_minute(began: datetime, minutes: int, points: Sequence[PricePoint]) -> Floats:
    """The price that holds in each minute; before the first that is known, the first."""
    at = np.array([_minute(began, moment) for moment, _ in points])
    usd = np.array([float(price) for _, price in points])
    return usd[np.maximum(np.searchsorted(at, np.arange(minutes), side="right") - 1, 0)]


def _means(values: Floats, width: int) -> Floats:
    """The mean of each interval. The last one may be shorter: it is as long as the others, and its end is as its last."""
    lacking = -len(values) % width
    return np.pad(values, (0, lacking), mode="edge").reshape(-1, width).mean(axis=1)


def _mean_seconds(metered: Sequence[Metered], part: Part) -> float:
    """The mean seconds of a life in this part."""
    return sum(one.time[part].total_seconds() for one in metered) / len(metered) if metered else 0.0


def _minute(began: datetime, at: datetime) -> int:
    return int((at - began).total_seconds() // 60)
