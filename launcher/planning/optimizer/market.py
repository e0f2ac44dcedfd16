"""The market as the solver sees it: candidates as columns of numbers, limits on machines as rows.

A machine counts at the slow end of its speed where it must make the deadline, and at its median where it costs. Pure.
Floats inside, because these are choices: `estimate` prices what is chosen in Decimal.
"""
# scipy is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from launcher.money import SECONDS_PER_HOUR
from launcher.planning.estimate import Candidate, preemption_overhead, tail_seconds

Floats = NDArray[np.float64]
Group = tuple[str, str, str, bool]  # cloud, region, GPU, spot


@dataclass(frozen=True, slots=True)
class TokenDemand:
    """The work in tokens: its median, and the most that the deadline must hold for."""

    tokens: float
    at_most: float


@dataclass(frozen=True, slots=True)
class FleetLimits:
    """How many machines a fleet may have. A group that is not named has no quota.

    `obtainable` is how many are known to be obtainable, and is no promise: more of a group may be taken where nothing
    else makes the deadline, unless the limits are `firm`.
    """

    machines: int | None = None
    per_region: int | None = None  # machines of all types in a region of a cloud
    per_group: int | None = None  # machines of each group
    obtainable: Mapping[Group, int] = field(default_factory=dict[Group, int])  # machines
    quota: Mapping[Group, int] = field(default_factory=dict[Group, int])  # GPUs
    usd: float | None = None  # at the slow end
    firm: bool = False


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
    gpus: Floats
    group: NDArray[np.int64]  # index into `groups`
    groups: tuple[Group, ...]

    def where(self, wanted: Callable[[Candidate], bool]) -> "Market":
        """The part of the market whose candidates are wanted."""
        indices = [i for i, candidate in enumerate(self.candidates) if wanted(candidate)]
        return self.take(np.array(indices, np.int64))

    def take(self, indices: NDArray[np.int64]) -> "Market":
        """The part of the market at these indices."""
        return replace(
            self,
            candidates=tuple(self.candidates[i] for i in indices.tolist()),
            work_usd=self.work_usd[indices],
            start_usd=self.start_usd[indices],
            slow_usd=self.slow_usd[indices],
            slow_hours=self.slow_hours[indices],
            slow_start=self.slow_start[indices],
            gpus=self.gpus[indices],
            group=self.group[indices],
        )

    def capacity(self, hours: float | None) -> Floats:
        """The share of all the work that one machine does by the deadline, at the slow end; inf without a deadline."""
        if hours is None:
            return np.full(len(self.candidates), np.inf)
        return np.maximum(hours - self.slow_start, 0.0) / self.slow_hours


@dataclass(frozen=True, slots=True)
class LimitRows:
    """Limits on numbers of machines as rows of a linear program: `matrix` @ machines <= `most`."""

    matrix: sparse.csr_array
    most: Floats
    soft: NDArray[np.bool_]  # rows that may be exceeded, at a price that nothing else has


def market_of(candidates: Sequence[Candidate], demand: TokenDemand) -> Market:
    """The candidates that have a price, less those that another of the same group and size beats in everything."""
    if demand.tokens <= 0:
        raise ValueError("there is no work")
    priced = [candidate for candidate in candidates if candidate.usd_per_hour is not None]
    # An unknown price counts as the dearest that is known: it must not look like a bargain.
    disk = max((k.disk_usd_per_hour for k in priced if k.disk_usd_per_hour is not None), default=Decimal(0))
    egress = max(
        (k.egress_usd_per_token for k in priced if k.egress_usd_per_token is not None), default=Decimal(0)
    )
    rows = [_row(candidate, demand, disk, egress) for candidate in priced]
    groups = tuple(dict.fromkeys(candidate.group for candidate in priced))
    indices = {group: index for index, group in enumerate(groups)}
    columns = np.array(rows, np.float64).reshape(len(rows), 6).T
    whole = Market(
        candidates=tuple(priced),
        demand=demand,
        work_usd=columns[0],
        start_usd=columns[1],
        slow_usd=columns[2],
        slow_hours=columns[3],
        slow_start=columns[4],
        gpus=columns[5],
        group=np.array([indices[candidate.group] for candidate in priced], np.int64),
        groups=groups,
    )
    return whole.take(_undominated(whole))


def _row(
    candidate: Candidate, demand: TokenDemand, default_disk: Decimal, default_egress: Decimal
) -> tuple[float, ...]:
    """The numbers of a candidate in the order of Market's columns."""
    disk, egress = candidate.disk_usd_per_hour, candidate.egress_usd_per_token
    hourly = float((candidate.usd_per_hour or Decimal(0)) + (default_disk if disk is None else disk))
    egress_usd = float(default_egress if egress is None else egress) * demand.tokens
    speed, start, hazard = candidate.tokens_per_second, candidate.cold_start, candidate.hazard
    tail = tail_seconds(candidate)
    hours = demand.tokens / speed.mid / SECONDS_PER_HOUR * (1 + preemption_overhead(hazard.mid, start.mid))
    slow_hours = (
        demand.at_most / speed.low / SECONDS_PER_HOUR * (1 + preemption_overhead(hazard.high, start.high))
    )
    return (
        hourly * hours + egress_usd,
        hourly * (start.mid + tail) / SECONDS_PER_HOUR,
        hourly * slow_hours + egress_usd,
        slow_hours,
        (start.high + tail) / SECONDS_PER_HOUR,
        candidate.gpus,
    )


def _undominated(whole: Market) -> NDArray[np.int64]:
    """Of each group and size, the candidates that no other beats in everything: many zones and types share a price."""
    kept: dict[tuple[Group, float], list[int]] = {}
    columns = (whole.work_usd, whole.start_usd, whole.slow_usd, whole.slow_hours, whole.slow_start)
    numbers = np.stack(columns, axis=1).tolist()
    for i in np.lexsort((whole.start_usd, whole.work_usd)).tolist():
        candidate = whole.candidates[i]
        rivals = kept.setdefault((candidate.group, candidate.gpus), [])
        own = numbers[i]
        if not any(all(a <= b for a, b in zip(numbers[j], own, strict=True)) for j in rivals):
            rivals.append(i)
    return np.array(sorted(i for rivals in kept.values() for i in rivals), np.int64)


def region_lower_bounds(
    market: Market, hours: float | None, limits: FleetLimits
) -> list[tuple[float, tuple[str, str]]]:
    """A lower bound in USD of the work in each (cloud, region) alone; regions that cannot do it are left out.

    Counts fractions of machines, and takes of each group as much as its largest machines may do at the price of its
    cheapest.
    """
    capacity = market.capacity(hours)
    with np.errstate(divide="ignore"):
        usd = market.work_usd + market.start_usd * np.maximum(1.0, 1.0 / capacity)
    regions: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for index, group in enumerate(market.groups):
        members = (market.group == index) & (capacity > 0)
        if members.any():
            most = float(capacity[members].max()) * min(
                _most_machines(group, limits), limits.per_region or np.inf
            )
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
    """The rows that bound machines: of all, of a group, of a region, and the GPUs of a group that has a quota."""
    n = len(market.candidates)
    present, member = np.unique(market.group, return_inverse=True)
    groups = [market.groups[index] for index in present.tolist()]
    per_group = np.array([_most_machines(group, limits) for group in groups])[member]
    obtainable = np.array(
        [np.inf if limits.firm else float(limits.obtainable.get(group, np.inf)) for group in groups]
    )[member]
    quota = np.array([float(limits.quota.get(group, np.inf)) for group in groups])[member]
    per_region = np.array(
        [
            limits.per_region if group[0] != "local" and limits.per_region is not None else np.inf
            for group in groups
        ]
    )
    places = list(dict.fromkeys(group[:2] for group in groups))
    region = np.array([places.index(group[:2]) for group in groups])[member]
    blocks: list[sparse.csr_array] = []
    most: list[Floats] = []
    soft: list[bool] = []
    if limits.machines is not None:
        blocks, most = [sparse.csr_array(np.ones((1, n)))], [np.array([float(limits.machines)])]
        soft = [False]
    for limit, weight, by, is_soft in (
        (per_group, np.ones(n), market.group, False),
        (quota, market.gpus, market.group, False),
        (per_region.astype(np.float64)[member], np.ones(n), region, False),
        (obtainable, np.ones(n), market.group, True),
    ):
        bound = np.flatnonzero(np.isfinite(limit))
        if len(bound):
            count, row, first = _row_numbers(by[bound])
            blocks.append(sparse.csr_array((weight[bound], (row, bound)), shape=(count, n)))
            most.append(limit[bound][first])
            soft += [is_soft] * count
    if not blocks:
        return LimitRows(sparse.csr_array((0, n)), np.zeros(0), np.zeros(0, bool))
    return LimitRows(sparse.csr_array(sparse.vstack(blocks)), np.concatenate(most), np.array(soft))


def _row_numbers(groups: NDArray[np.int64]) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """How many groups there are, the row of each member, and the first member of each row."""
    names, first, row = np.unique(groups, return_index=True, return_inverse=True)
    return len(names), row, first


def _most_machines(group: Group, limits: FleetLimits) -> float:
    """The hard limit on machines of a group; there is one of this machine."""
    if group[0] == "local":
        return 1.0
    known = limits.obtainable.get(group) if limits.firm else None
    return float(min((n for n in (known, limits.per_group) if n is not None), default=np.inf))
