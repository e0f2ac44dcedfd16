"""The market as the solver sees it: candidates as columns of numbers, limits on machines as rows.

A machine counts at the slow end of its speed where it must make the deadline, and at its median where it costs. Pure.
Floats inside, because these are choices: `estimate` prices what is chosen in Decimal.
"""
# numpy's tolist is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import ceil

import numpy as np
from numpy.typing import NDArray

from launcher.money import SECONDS_PER_HOUR
from launcher.planning.estimates.estimate import LOCAL, Candidate, preemption_overhead, tail_seconds
from launcher.planning.estimates.launching import (
    LAUNCHES_AT_ONCE,
    TEARDOWN_SECONDS,
    wave_seconds,
    waves_before,
)
from launcher.planning.estimates.unpriced import egress_usd_per_token, with_bounds
from pricing.account import vcpu_quota

Floats = NDArray[np.float64]
MOST_MACHINES = 1_000_000  # where nothing bounds their number
Group = tuple[str, str, str, bool]  # cloud, region, GPU, spot
VcpuGroup = tuple[str, str, str, bool]  # cloud, region, family of instance types, spot


@dataclass(frozen=True, slots=True)
class TokenDemand:
    """The work in tokens: its median, and the most that the deadline must hold for."""

    tokens: float
    at_most: float


@dataclass(frozen=True, slots=True)
class FleetLimits:
    """How many machines a fleet may have. A group that is not named has no quota.

    `obtainable` is how many GPUs are known, or assumed, to be obtainable, and is no promise: more of a group may be
    taken where nothing else makes the deadline, unless the limits are `firm`.
    """

    machines: int | None = None
    per_region: int | None = None  # machines of all types in a region of a cloud
    per_group: int | None = None  # machines of each group
    obtainable: Mapping[Group, int] = field(default_factory=dict[Group, int])  # GPUs
    quota: Mapping[Group, int] = field(default_factory=dict[Group, int])  # GPUs
    vcpus: Mapping[VcpuGroup, int] = field(default_factory=dict[VcpuGroup, int])
    usd: float | None = None  # at the slow end
    firm: bool = False


@dataclass(frozen=True, slots=True)
class SlowTimes:
    """Hours of one machine at the slow end of its speed."""

    work: float  # for all the work
    start: float  # and tail
    wave: float  # of launches

    def capacity(self, hours: float, machines: int = 1) -> float:
        """The share of all the work that one of so many machines does by the deadline, with its wait for a launch."""
        return max(hours - (self.start + waves_before(machines) * self.wave), 0.0) / self.work

    def most_in_time(self, hours: float) -> int:
        """The same as `Market.most_in_time`."""
        return (
            ceil(LAUNCHES_AT_ONCE * max(hours - self.start, 0.0) / self.wave) if self.wave else MOST_MACHINES
        )


@dataclass(frozen=True, slots=True)
class Market:
    """Candidates as columns of numbers: what all the work would cost and take on each."""

    candidates: tuple[Candidate, ...]
    demand: TokenDemand
    work_usd: Floats  # of all the work, at the median
    start_usd: Floats  # of one machine's start and tail, at the median
    slow_usd: Floats  # of all the work, at the slow end
    slow_hours: Floats  # that one machine needs for all the work, at the slow end
    slow_start: Floats  # hours of start and tail, at the slow end
    wave: Floats  # hours of a wave of launches
    gpus: Floats
    existing: Floats  # machines of the offer, where it is known how many there are (single hosts of a market), else inf
    group: NDArray[np.int64]  # index into `groups`
    groups: tuple[Group, ...]
    here: NDArray[np.bool_]  # of each group, whether it is this machine

    def where(self, wanted: Callable[[Candidate], bool]) -> "Market":
        """The part of the market whose candidates are wanted."""
        indices = [i for i, candidate in enumerate(self.candidates) if wanted(candidate)]
        return self.take(np.array(indices, np.int64))

    def take(self, indices: NDArray[np.int64]) -> "Market":
        """The part of the market at these indices, which are in order."""
        if len(indices) == len(self.candidates):
            return self
        return replace(
            self,
            candidates=tuple(self.candidates[i] for i in indices.tolist()),
            work_usd=self.work_usd[indices],
            start_usd=self.start_usd[indices],
            slow_usd=self.slow_usd[indices],
            slow_hours=self.slow_hours[indices],
            slow_start=self.slow_start[indices],
            wave=self.wave[indices],
            gpus=self.gpus[indices],
            existing=self.existing[indices],
            group=self.group[indices],
        )

    def queued(self, machines: int) -> "Market":
        """The market as a fleet of so many machines meets it: on average they wait so long for their launches."""
        return replace(self, slow_start=self.slow_start + waves_before(machines) * self.wave)

    def most_in_time(self, hours: float) -> int:
        """The number of machines beyond which another one delays all by more than it does by the deadline."""
        with np.errstate(divide="ignore", invalid="ignore"):
            waves = np.maximum(hours - self.slow_start, 0.0) / self.wave
        waves = waves[np.isfinite(waves)]
        return ceil(LAUNCHES_AT_ONCE * float(waves.max())) if len(waves) else MOST_MACHINES

    def capacity(self, hours: float | None) -> Floats:
        """The share of all the work that one machine does by the deadline, at the slow end; inf without a deadline."""
        if hours is None:
            return np.full(len(self.candidates), np.inf)
        return np.maximum(hours - self.slow_start, 0.0) / self.slow_hours


@dataclass(frozen=True, slots=True)
class LimitRows:
    """Limits on numbers of machines as rows of a linear program: the cells of a sparse matrix @ machines <= `most`.

    Machines of candidate `column[k]` count `value[k]` each in row `row[k]`.
    """

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    value: Floats
    most: Floats
    soft: NDArray[np.bool_]  # rows that may be exceeded, at a price that nothing else has
    names: NDArray[np.int64]  # a number of each row, which it keeps where candidates are left out

    def used(self, machines: Floats) -> Floats:
        """What so many machines of each candidate take of each row."""
        used = np.bincount(self.row, self.value * machines[self.column], minlength=len(self.most))
        return used.astype(np.float64)

    def take(self, indices: NDArray[np.int64], count: int) -> "LimitRows":
        """The rows of some of `count` candidates: those at `indices`."""
        place = np.full(count, -1)
        place[indices] = np.arange(len(indices))
        kept = np.flatnonzero(place[self.column] >= 0)
        rows, row = np.unique(self.row[kept], return_inverse=True)
        return LimitRows(
            row,
            place[self.column[kept]],
            self.value[kept],
            self.most[rows],
            self.soft[rows],
            self.names[rows],
        )


def market_of(candidates: Sequence[Candidate], demand: TokenDemand, *, by_vcpus: bool = False) -> Market:
    """The candidates that have a price, less those that another of the same group and size beats in everything.

    With `by_vcpus` in the number of vCPUs, too: where a quota counts them.
    """
    if demand.tokens <= 0:
        raise ValueError("there is no work")
    # An unknown price counts as the dearest that is known: it must not look like a bargain.
    priced = with_bounds([candidate for candidate in candidates if candidate.usd_per_hour is not None])
    rows = [_row(candidate, demand) for candidate in priced]
    groups = tuple(dict.fromkeys(candidate.group for candidate in priced))
    indices = {group: index for index, group in enumerate(groups)}
    columns = np.array(rows, np.float64).reshape(len(rows), 7).T
    whole = Market(
        candidates=priced,
        demand=demand,
        work_usd=columns[0],
        start_usd=columns[1],
        slow_usd=columns[2],
        slow_hours=columns[3],
        slow_start=columns[4],
        wave=columns[5],
        gpus=columns[6],
        existing=np.array([np.inf if c.at_most is None else c.at_most for c in priced], np.float64),
        group=np.array([indices[candidate.group] for candidate in priced], np.int64),
        groups=groups,
        here=np.array([group[0] == LOCAL for group in groups], np.bool_),
    )
    return whole.take(_undominated(whole, by_vcpus=by_vcpus))


def _row(candidate: Candidate, demand: TokenDemand) -> tuple[float, ...]:
    """The numbers of a candidate in the order of Market's columns; what has no price counts at its upper bound."""
    hourly, egress_usd = _hourly_usd(candidate), float(egress_usd_per_token(candidate)) * demand.tokens
    work_usd, start_usd = middle_usd(candidate, demand.tokens)
    slow = slow_times(candidate, demand.at_most)
    return (
        work_usd,
        start_usd,
        hourly * slow.work + egress_usd,
        slow.work,
        slow.start,
        slow.wave,
        candidate.gpus,
    )


def middle_usd(candidate: Candidate, tokens: float) -> tuple[float, float]:
    """USD of so many tokens, and of one machine's start and tail, at the median; what has no price at its upper bound."""
    speed, start, hazard = candidate.tokens_per_second, candidate.cold_start, candidate.hazard
    hourly, tail = _hourly_usd(candidate), tail_seconds(candidate)
    hours = tokens / speed.mid / SECONDS_PER_HOUR * (1 + preemption_overhead(hazard.mid, start.mid))
    return (
        hourly * hours + float(egress_usd_per_token(candidate)) * tokens,
        hourly * (start.mid + tail + TEARDOWN_SECONDS * (tail > 0)) / SECONDS_PER_HOUR,
    )


def _hourly_usd(candidate: Candidate) -> float:
    disk = candidate.disk_at_most if candidate.disk_usd_per_hour is None else candidate.disk_usd_per_hour
    return float((candidate.usd_per_hour or Decimal(0)) + (disk or Decimal(0)))


def slow_times(candidate: Candidate, tokens: float) -> SlowTimes:
    """The hours of one machine that does all of so many tokens."""
    start, hazard = candidate.cold_start, candidate.hazard
    rate = candidate.tokens_per_second.low
    return SlowTimes(
        work=tokens / rate / SECONDS_PER_HOUR * (1 + preemption_overhead(hazard.high, start.high)),
        start=(candidate.ahead.high + start.high + tail_seconds(candidate)) / SECONDS_PER_HOUR,
        wave=wave_seconds(candidate.launch.mid) / SECONDS_PER_HOUR,
    )


def _undominated(whole: Market, *, by_vcpus: bool) -> NDArray[np.int64]:
    """The candidates of each group and size that no other beats in everything: many zones and types share a price.

    One of which there are only so many beats none: a fleet may need the next one, too.
    """
    single: list[int] = []
    kept: dict[tuple[Group, float], list[int]] = {}
    columns = [whole.work_usd, whole.start_usd, whole.slow_usd, whole.slow_hours, whole.slow_start]
    if by_vcpus:
        columns.append(np.array([np.inf if c.vcpus is None else float(c.vcpus) for c in whole.candidates]))
    numbers = np.stack(columns, axis=1).tolist()
    for i in np.lexsort((whole.start_usd, whole.work_usd)).tolist():
        candidate = whole.candidates[i]
        if candidate.at_most is not None:
            single.append(i)
            continue
        rivals = kept.setdefault((candidate.group, candidate.gpus), [])
        own = numbers[i]
        if not any(all(a <= b for a, b in zip(numbers[j], own, strict=True)) for j in rivals):
            rivals.append(i)
    return np.array(sorted([*single, *(i for rivals in kept.values() for i in rivals)]), np.int64)


def region_lower_bounds(
    market: Market, hours: float | None, limits: FleetLimits
) -> list[tuple[float, tuple[str, str]]]:
    """A lower bound in USD of the work in each (cloud, region) alone; regions that cannot do it are left out.

    Counts fractions of machines, and takes of each group as much as its largest machines may do at the price of its
    cheapest.
    """
    capacity = market.capacity(hours)
    each = capacity / market.gpus  # of one GPU
    with np.errstate(divide="ignore"):
        usd = market.work_usd + market.start_usd * np.maximum(1.0, 1.0 / capacity)
    regions: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for index, group in enumerate(market.groups):
        members = (market.group == index) & (capacity > 0)
        if members.any():
            most = float(capacity[members].max()) * min(
                _most_machines(group, limits), limits.per_region or np.inf
            )
            if limits.firm and group in limits.obtainable:
                most = min(most, float(each[members].max()) * limits.obtainable[group])
            regions.setdefault(group[:2], []).append((float(usd[members].min()), most))
    out: list[tuple[float, tuple[str, str]]] = []
    for region, groups in regions.items():
        left, least = 1.0, 0.0
        for price, most in sorted(groups):
            done = min(left, most)
            left, least = left - done, least + done * price
        if left <= 0:
            out.append((least, region))
    return out


def limit_rows(market: Market, limits: FleetLimits) -> LimitRows:
    """The rows that bound machines: of all, of a group, of a region, and the GPUs of a group: its quota, its capacity."""
    n, nothing = len(market.candidates), np.zeros(len(market.candidates), np.int64)
    existing, ones, group = market.existing, np.ones(n), market.group
    kinds: list[tuple[Floats, Floats, NDArray[np.int64], bool]] = []
    if limits.machines is not None:
        kinds.append((np.full(n, float(limits.machines)), ones, nothing, False))
    per_group = np.inf if limits.per_group is None else float(limits.per_group)
    kinds.append((np.where(market.here, 1.0, per_group)[group], ones, group, False))
    if limits.quota:
        kinds.append((_of_groups(market.groups, limits.quota)[group], market.gpus, group, False))
    if limits.vcpus:
        kinds.append(_vcpu_rows(market, limits))
    if limits.per_region is not None:
        places = {name[:2]: index for index, name in enumerate(market.groups)}
        region = np.array([places[name[:2]] for name in market.groups], np.int64)
        most_there = float(limits.per_region)
        kinds.append((np.where(market.here, np.inf, most_there)[group], ones, region[group], False))
    kinds.append((existing, ones, np.arange(n), False))
    if limits.obtainable:
        known = _of_groups(market.groups, limits.obtainable)[group]
        kinds.append((known, market.gpus, group, not limits.firm))
    row, column, value, most = (
        list[NDArray[np.int64]](),
        list[NDArray[np.int64]](),
        list[Floats](),
        list[Floats](),
    )
    soft, count = list[bool](), 0
    for limit, weight, by, is_soft in kinds:
        bound = np.flatnonzero(np.isfinite(limit))
        if not len(bound):
            continue
        number, own, first = _row_numbers(by[bound])
        row.append(own + count)
        column.append(bound)
        value.append(weight[bound])
        most.append(limit[bound][first])
        soft += [is_soft] * number
        count += number
    if not count:
        none = np.zeros(0, np.int64)
        return LimitRows(none, none, np.zeros(0), np.zeros(0), np.zeros(0, np.bool_), none)
    return LimitRows(
        np.concatenate(row),
        np.concatenate(column),
        np.concatenate(value),
        np.concatenate(most),
        np.array(soft),
        np.arange(count),
    )


def vcpu_group(candidate: Candidate) -> VcpuGroup | None:
    """What the vCPUs of a candidate are counted by; None: its cloud counts GPUs."""
    family = vcpu_quota.family(candidate.cloud, candidate.instance_type, spot=candidate.spot)
    return None if family is None else (candidate.cloud, candidate.region, family, candidate.spot)


def _vcpu_rows(market: Market, limits: FleetLimits) -> tuple[Floats, Floats, NDArray[np.int64], bool]:
    """The rows of quotas in vCPUs. A machine of which the vCPUs are not known is beyond any quota."""
    groups = [vcpu_group(candidate) for candidate in market.candidates]
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    most = np.array([np.inf if group is None else float(limits.vcpus.get(group, np.inf)) for group in groups])
    each = [None if c.vcpus is None else float(c.vcpus) for c in market.candidates]
    vcpus = np.array([end + 1 if n is None else n for n, end in zip(each, most.tolist(), strict=True)])
    return most, vcpus, np.array([numbers[group] for group in groups], np.int64), False


def _of_groups(groups: Sequence[Group], limit: Mapping[Group, int]) -> Floats:
    return np.array([float(limit.get(group, np.inf)) for group in groups])


def _row_numbers(groups: NDArray[np.int64]) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """How many groups there are, the row of each member, and the first member of each row."""
    names, first, row = np.unique(groups, return_index=True, return_inverse=True)
    return len(names), row, first


def _most_machines(group: Group, limits: FleetLimits) -> float:
    """The hard limit on machines of a group; there is one of this machine."""
    if group[0] == "local":
        return 1.0
    return np.inf if limits.per_group is None else float(limits.per_group)
