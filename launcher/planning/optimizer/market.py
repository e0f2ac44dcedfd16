"""What there is to choose from, as columns of numbers, and the limits on it as rows: the solver's view of kinds.

Every machine is counted at the slow end of its speed when it must make the deadline, and at its median when it costs.
Pure; floats inside, for these are choices: what is chosen is priced in Decimal by `estimate`.
"""
# scipy is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from launcher.planning.estimate import Candidate, preemption_overhead, tail_seconds
from launcher.throughput.spread import SECONDS_PER_HOUR

Floats = NDArray[np.float64]
Group = tuple[str, str, str, bool]  # cloud, region, GPU, spot


@dataclass(frozen=True, slots=True)
class TokenDemand:
    """The work in tokens: what it is at the median, and what the deadline must hold for."""

    tokens: float
    at_most: float


@dataclass(frozen=True, slots=True)
class FleetLimits:
    """How much may be had. A group that is not named has no quota.

    `obtainable` is what is known to be had, and not a promise: more may be taken of a group where nothing else makes
    the deadline, unless the caps are `firm`.
    """

    machines: int | None = None
    per_region: int | None = None  # machines of all kinds in a cloud's region
    per_group: int | None = None  # machines of each group
    obtainable: Mapping[Group, int] = field(default_factory=dict[Group, int])  # machines
    quota: Mapping[Group, int] = field(default_factory=dict[Group, int])  # GPUs
    usd: float | None = None  # at the slow end
    firm: bool = False


@dataclass(frozen=True, slots=True)
class Market:
    """Kinds as columns of numbers: what all the work would cost and take on each."""

    kinds: tuple[Candidate, ...]
    need: TokenDemand
    work_usd: Floats  # of all the work, at the median
    start_usd: Floats  # of one machine's start and tail, at the median
    slow_usd: Floats  # of all the work, at the slow end
    slow_hours: Floats  # that one machine needs for all the work, at the slow end
    slow_start: Floats  # hours of start and tail, at the slow end
    gpus: Floats
    group: NDArray[np.int64]  # its place in `groups`
    groups: tuple[Group, ...]

    def where(self, wanted: Callable[[Candidate], bool]) -> "Market":
        """The part of the market whose kinds are wanted."""
        return self.take(np.array([i for i, kind in enumerate(self.kinds) if wanted(kind)], np.int64))

    def take(self, places: NDArray[np.int64]) -> "Market":
        """The kinds at these places."""
        return replace(
            self,
            kinds=tuple(self.kinds[i] for i in places.tolist()),
            work_usd=self.work_usd[places],
            start_usd=self.start_usd[places],
            slow_usd=self.slow_usd[places],
            slow_hours=self.slow_hours[places],
            slow_start=self.slow_start[places],
            gpus=self.gpus[places],
            group=self.group[places],
        )

    def capacity(self, hours: float | None) -> Floats:
        """The share of all the work that one machine does by the deadline, at the slow end; inf without a deadline."""
        if hours is None:
            return np.full(len(self.kinds), np.inf)
        return np.maximum(hours - self.slow_start, 0.0) / self.slow_hours


@dataclass(frozen=True, slots=True)
class LimitRows:
    """Limits on the numbers of machines: coefficients by row and column, and what each row may come to."""

    matrix: sparse.csr_array
    most: Floats
    soft: NDArray[np.bool_]  # rows that may be exceeded, at a price that nothing else has


def market_of(kinds: Sequence[Candidate], need: TokenDemand) -> Market:
    """The kinds that have a price, less those that another of the same group and size beats in everything."""
    if need.tokens <= 0:
        raise ValueError("there is no work")
    rows: list[tuple[float, ...]] = []
    priced = [kind for kind in kinds if kind.usd_per_hour is not None]
    # What nobody priced is as dear as the dearest that is known: an unknown must not look like a bargain.
    disk = max((k.disk_usd_per_hour for k in priced if k.disk_usd_per_hour is not None), default=Decimal(0))
    egress = max(
        (k.egress_usd_per_token for k in priced if k.egress_usd_per_token is not None), default=Decimal(0)
    )
    for kind in priced:
        own, way = kind.disk_usd_per_hour, kind.egress_usd_per_token
        price = float((kind.usd_per_hour or Decimal(0)) + (disk if own is None else own))
        carried = float(egress if way is None else way) * need.tokens
        speed, start, end = kind.tokens_per_second, kind.cold_start, tail_seconds(kind)
        hours = (
            need.tokens / speed.mid / SECONDS_PER_HOUR * (1 + preemption_overhead(kind.hazard.mid, start.mid))
        )
        slow = (
            need.at_most
            / speed.low
            / SECONDS_PER_HOUR
            * (1 + preemption_overhead(kind.hazard.high, start.high))
        )
        fixed = price * (start.mid + end) / SECONDS_PER_HOUR
        late = (start.high + end) / SECONDS_PER_HOUR
        rows.append((price * hours + carried, fixed, price * slow + carried, slow, late, kind.gpus))
    groups = tuple(dict.fromkeys(kind.group for kind in priced))
    places = {group: place for place, group in enumerate(groups)}
    columns = np.array(rows, np.float64).reshape(len(rows), 6).T
    whole = Market(
        kinds=tuple(priced),
        need=need,
        work_usd=columns[0],
        start_usd=columns[1],
        slow_usd=columns[2],
        slow_hours=columns[3],
        slow_start=columns[4],
        gpus=columns[5],
        group=np.array([places[kind.group] for kind in priced], np.int64),
        groups=groups,
    )
    return whole.take(_undominated(whole))


def _undominated(whole: Market) -> NDArray[np.int64]:
    """Of each group and size, the kinds that no other beats in everything: zones and types of one price are many."""
    kept: dict[tuple[Group, float], list[int]] = {}
    columns = (whole.work_usd, whole.start_usd, whole.slow_usd, whole.slow_hours, whole.slow_start)
    numbers = np.stack(columns, axis=1).tolist()
    for i in np.lexsort((whole.start_usd, whole.work_usd)).tolist():
        kind = whole.kinds[i]
        rivals = kept.setdefault((kind.group, kind.gpus), [])
        mine = numbers[i]
        if not any(all(a <= b for a, b in zip(numbers[j], mine, strict=True)) for j in rivals):
            rivals.append(i)
    return np.array(sorted(i for rivals in kept.values() for i in rivals), np.int64)


def region_lower_bounds(
    market: Market, hours: float | None, caps: FleetLimits
) -> list[tuple[float, tuple[str, str]]]:
    """What the work costs at least in each (cloud, region) alone, in USD; regions that cannot do it are left out.

    Pieces of machines, and of each group as much as may be had of its largest at the price of its cheapest.
    """
    capacity = market.capacity(hours)
    with np.errstate(divide="ignore"):
        usd = market.work_usd + market.start_usd * np.maximum(1.0, 1.0 / capacity)
    regions: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for place, group in enumerate(market.groups):
        mine = (market.group == place) & (capacity > 0)
        if mine.any():
            most = float(capacity[mine].max()) * min(_most(group, caps), caps.per_region or np.inf)
            regions.setdefault(group[:2], []).append((float(usd[mine].min()), most))
    out: list[tuple[float, tuple[str, str]]] = []
    for region, groups in regions.items():
        left, least = 1.0, 0.0
        for price, most in sorted(groups):
            done = min(left, most)
            left, least = left - done, least + done * price
        if left <= 0:
            out.append((least, region))
    return out


def limit_rows(table: Market, caps: FleetLimits) -> LimitRows:
    """The rows that bound the machines: of all, of a region, of a group, and the GPUs of a group that has a quota."""
    n = len(table.kinds)
    present, member = np.unique(table.group, return_inverse=True)
    groups = [table.groups[place] for place in present.tolist()]
    hard = np.array([_most(group, caps) for group in groups])[member]
    known = np.array([np.inf if caps.firm else float(caps.obtainable.get(g, np.inf)) for g in groups])[member]
    quota = np.array([float(caps.quota.get(group, np.inf)) for group in groups])[member]
    here = np.array(
        [caps.per_region if g[0] != "local" and caps.per_region is not None else np.inf for g in groups]
    )
    places = list(dict.fromkeys(group[:2] for group in groups))
    region = np.array([places.index(group[:2]) for group in groups])[member]
    blocks: list[sparse.csr_array] = []
    most: list[Floats] = []
    soft: list[bool] = []
    if caps.machines is not None:
        blocks, most, soft = [sparse.csr_array(np.ones((1, n)))], [np.array([float(caps.machines)])], [False]
    for limit, weight, by, gives in (
        (hard, np.ones(n), table.group, False),
        (quota, table.gpus, table.group, False),
        (here.astype(np.float64)[member], np.ones(n), region, False),
        (known, np.ones(n), table.group, True),
    ):
        bound = np.flatnonzero(np.isfinite(limit))
        if len(bound):
            count, row, first = _rows(by[bound])
            blocks.append(sparse.csr_array((weight[bound], (row, bound)), shape=(count, n)))
            most.append(limit[bound][first])
            soft += [gives] * count
    if not blocks:
        return LimitRows(sparse.csr_array((0, n)), np.zeros(0), np.zeros(0, bool))
    return LimitRows(sparse.csr_array(sparse.vstack(blocks)), np.concatenate(most), np.array(soft))


def _rows(groups: NDArray[np.int64]) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """How many groups there are, the row of each member, and the first member of each row."""
    names, first, row = np.unique(groups, return_index=True, return_inverse=True)
    return len(names), row, first


def _most(group: Group, caps: FleetLimits) -> float:
    """Machines of a group that may be had and no more; there is one of this machine."""
    if group[0] == "local":
        return 1.0
    known = caps.obtainable.get(group) if caps.firm else None
    return float(min((n for n in (known, caps.per_group) if n is not None), default=np.inf))
