"""Choose the fleet: how many machines of which kinds, so that the work costs least and every limit holds.

Two programs for HiGHS, both linear. The first lets machines be cut into pieces: it bounds from below what any fleet
can cost, and says which kinds can matter. The second, a mixed-integer one, chooses among those whole machines. The
distance between the two is the gap; while it is above GAP, more kinds are let in.

Every machine is counted at the slow end of its speed when it must make the deadline, and at its median when it costs.
Pure; floats inside, for these are choices: what is chosen is priced in Decimal by `estimate`.
"""

# scipy is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from launcher.estimate import HOUR, Kind, Share, tail, waste

GAP = 0.005  # of the cost: how far from the optimum a choice may be
FIRST = 48  # kinds that the mixed-integer program sees at first
SECONDS = 1.0  # a single program may take, before its best answer so far is taken
ROUNDING = 1e-9  # of a machine
FOREVER = 1e9  # hours; what takes longer cannot be done

Floats = NDArray[np.float64]
Group = tuple[str, str, str, bool]  # cloud, region, GPU, spot


@dataclass(frozen=True, slots=True)
class Need:
    """The work in tokens: what it is at the median, and what the deadline must hold for."""

    tokens: float
    at_most: float


@dataclass(frozen=True, slots=True)
class Caps:
    """How much may be had. A group that is not named has no quota; `per_group` is machines of each group."""

    machines: int | None = None
    per_group: int | None = None
    obtainable: Mapping[Group, int] = field(default_factory=dict[Group, int])  # machines
    quota: Mapping[Group, int] = field(default_factory=dict[Group, int])  # GPUs
    usd: float | None = None  # at the slow end


@dataclass(frozen=True, slots=True)
class Chosen:
    """The shares, what they cost by the solver's reckoning in USD, and a bound that no fleet can beat."""

    shares: tuple[Share, ...]
    usd: float
    bound: float

    @property
    def gap(self) -> float:
        return max(0.0, 1 - self.bound / self.usd) if self.usd else 0.0


@dataclass(frozen=True, slots=True)
class Market:
    """Kinds as columns of numbers: what all the work would cost and take on each."""

    kinds: tuple[Kind, ...]
    need: Need
    work_usd: Floats  # of all the work, at the median
    start_usd: Floats  # of one machine's start and tail, at the median
    slow_usd: Floats  # of all the work, at the slow end
    slow_hours: Floats  # that one machine needs for all the work, at the slow end
    slow_start: Floats  # hours of start and tail, at the slow end
    gpus: Floats
    group: NDArray[np.int64]  # its place in `groups`
    groups: tuple[Group, ...]

    def where(self, wanted: Callable[[Kind], bool]) -> "Market":
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
class _Rows:
    """Limits on the numbers of machines: coefficients by row and column, and what each row may come to."""

    matrix: sparse.csr_array
    most: Floats


def market(kinds: Sequence[Kind], need: Need) -> Market:
    """The kinds that have a price, less those that another of the same group and size beats in everything."""
    if need.tokens <= 0:
        raise ValueError("there is no work")
    rows: list[tuple[float, ...]] = []
    priced = [kind for kind in kinds if kind.usd_per_hour is not None]
    for kind in priced:
        price = float((kind.usd_per_hour or Decimal(0)) + (kind.disk_usd_per_hour or Decimal(0)))
        carried = float(kind.egress_usd_per_token or Decimal(0)) * need.tokens
        speed, start, end = kind.tokens_per_second, kind.cold_start, tail(kind)
        hours = need.tokens / speed.mid / HOUR * (1 + waste(kind.hazard.mid, start.mid))
        slow = need.at_most / speed.low / HOUR * (1 + waste(kind.hazard.high, start.high))
        fixed = price * (start.mid + end) / HOUR
        # The last shard is on average half over when the others run out; at worst a whole one is left.
        late = (start.high + 2 * end) / HOUR
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


def choose(market: Market, hours: float | None, caps: Caps, gap: float = GAP) -> Chosen | None:
    """The cheapest fleet that does the work within `hours`, to `gap` of its cost; None when there is none."""
    able = market.take(np.flatnonzero(market.capacity(hours) > 0))
    if not able.kinds:
        return None
    relaxed = _relax(able, able.capacity(hours), caps)
    if relaxed is None:
        return None
    bound, reduced = relaxed
    alone = _alone(able, able.capacity(hours), caps)
    if alone is not None and alone[0] - bound <= gap / 4 * alone[0]:
        usd, place, machines = alone
        return Chosen((Share(able.kinds[place], machines, market.need.tokens),), usd, min(bound, usd))
    order = np.argsort(reduced, kind="stable")
    best: tuple[float, Floats, NDArray[np.int64], Market] | None = None
    for seen in (FIRST, 8 * FIRST):
        part = able.take(np.sort(order[:seen]))
        found = _whole(part, part.work_usd, part.capacity(hours), caps)
        if found is not None and (best is None or found[0] < best[0]):
            best = (*found, part)
        if (best is not None and best[0] - bound <= gap * best[0]) or seen >= len(able.kinds):
            break
    if alone is not None and (best is None or alone[0] <= best[0]):
        usd, place, machines = alone
        return Chosen((Share(able.kinds[place], machines, market.need.tokens),), usd, min(bound, usd))
    if best is None:
        return None
    usd, shares, counts, part = best
    picked = tuple(
        Share(kind, int(n), float(share) * market.need.tokens)
        for kind, n, share in zip(part.kinds, counts, shares, strict=True)
        if n > 0 and share > 0
    )
    return Chosen(_sorted(picked), usd, min(bound, usd))


def soonest(market: Market, caps: Caps) -> float | None:
    """The shortest deadline in hours that any fleet can make; None when none can do the work at all.

    By bisection on the relaxed program, to 1 %, and from there up to where whole machines do, to 6 %.
    """

    def possible(hours: float) -> bool:
        able = market.take(np.flatnonzero(market.capacity(hours) > 0))
        return bool(able.kinds) and _relax(able, able.capacity(hours), caps) is not None

    low, high = 0.0, 1.0
    while not possible(high):
        low, high = high, high * 4
        if high > FOREVER:
            return None
    while high - low > 0.01 * high:
        middle = (low + high) / 2 if low else high / 4
        low, high = (low, middle) if possible(middle) else (middle, high)
    while choose(market, high, caps) is None:
        high *= 1.06
        if high > FOREVER:
            return None
    return high


def least_budget(market: Market, hours: float | None, caps: Caps) -> float | None:
    """The smallest sum in USD, at the slow end, for which the work can be had in time."""
    free = replace(caps, usd=None)
    able = market.take(np.flatnonzero(market.capacity(hours) > 0))
    dear = replace(able, work_usd=able.slow_usd)
    relaxed = _relax(dear, dear.capacity(hours), free) if dear.kinds else None
    if relaxed is None:
        return None
    part = dear.take(np.sort(np.argsort(relaxed[1], kind="stable")[: 4 * FIRST]))
    found = _whole(part, part.work_usd, part.capacity(hours), free)
    return None if found is None else found[0]


def least_machines(market: Market, hours: float, caps: Caps) -> int | None:
    """The fewest machines that make the deadline when nothing limits their number."""
    if choose(market, hours, replace(caps, machines=None)) is None:
        return None
    low, high = 1, 1
    while choose(market, hours, replace(caps, machines=high)) is None:
        low, high = high + 1, high * 2
    while low < high:
        middle = (low + high) // 2
        if choose(market, hours, replace(caps, machines=middle)) is None:
            low = middle + 1
        else:
            high = middle
    return low


def floors(market: Market, hours: float, caps: Caps) -> list[tuple[float, tuple[str, str]]]:
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
            most = float(capacity[mine].max()) * _most(group, caps)
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


def _limits(table: Market, caps: Caps) -> _Rows:
    """The rows that bound the machines: of all, of each group, and the GPUs of each group that has a quota."""
    n = len(table.kinds)
    present, member = np.unique(table.group, return_inverse=True)
    groups = [table.groups[place] for place in present.tolist()]
    machines = np.array([_most(group, caps) for group in groups])[member]
    quota = np.array([float(caps.quota.get(group, np.inf)) for group in groups])[member]
    blocks = [sparse.csr_array(np.ones((1, n)))] if caps.machines is not None else []
    most = [np.array([float(caps.machines)])] if caps.machines is not None else []
    for limit, weight in ((machines, np.ones(n)), (quota, table.gpus)):
        bound = np.flatnonzero(np.isfinite(limit))
        if not len(bound):
            continue
        rows, row, first = _rows(table.group[bound])
        blocks.append(sparse.csr_array((weight[bound], (row, bound)), shape=(rows, n)))
        most.append(limit[bound][first])
    if not blocks:
        return _Rows(sparse.csr_array((0, n)), np.zeros(0))
    return _Rows(sparse.csr_array(sparse.vstack(blocks)), np.concatenate(most))


def _rows(groups: NDArray[np.int64]) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """How many groups there are, the row of each member, and the first member of each row."""
    names, first, row = np.unique(groups, return_index=True, return_inverse=True)
    return len(names), row, first


def _most(group: Group, caps: Caps) -> float:
    """Machines of a group that may be had; there is one of this machine."""
    if group[0] == "local":
        return 1.0
    known = [n for n in (caps.obtainable.get(group), caps.per_group) if n is not None]
    return float(min(known, default=np.inf))


def _relax(table: Market, capacity: Floats, caps: Caps) -> tuple[float, Floats] | None:
    """What the work costs at least, and each kind's reduced cost; None when even pieces of machines cannot do it.

    One variable a kind: its share of the work. A kind that has a share needs share / capacity machines, and never less
    than share of one: the whole machine of a kind that does all the work is counted whole.
    """
    pieces = 1.0 / capacity
    each = np.maximum(1.0, pieces)
    cost = table.work_usd + table.start_usd * each
    limits = _limits(table, caps)
    matrix, most = sparse.csr_array(limits.matrix.multiply(pieces[None, :])), limits.most
    if caps.usd is not None:
        row = sparse.csr_array((table.slow_usd + table.start_usd * each)[None, :])
        matrix, most = sparse.csr_array(sparse.vstack([matrix, row])), np.append(most, caps.usd)
    found = linprog(
        cost,
        A_ub=matrix if len(most) else None,
        b_ub=most if len(most) else None,
        A_eq=np.ones((1, len(cost))),
        b_eq=[1.0],
        bounds=(0, 1),
        method="highs",
    )
    if found.x is None or found.status != 0:
        return None
    reduced = cost - float(found.eqlin.marginals[0])
    if len(most):
        reduced = reduced - matrix.T @ found.ineqlin.marginals
    return float(found.fun), np.asarray(reduced, np.float64)


def _alone(table: Market, capacity: Floats, caps: Caps) -> tuple[float, int, int] | None:
    """The cheapest fleet of one kind: cost, place of the kind, machines. Often the best there is."""
    machines = np.ceil(1.0 / capacity - ROUNDING)
    machines = np.maximum(machines, 1.0)
    usd = table.work_usd + table.start_usd * machines
    limits = _limits(table, caps)
    good = np.ones(len(usd), bool)
    if len(limits.most):
        rows = limits.matrix.tocoo()
        over = rows.data * machines[rows.col] > limits.most[rows.row]
        good[rows.col[over]] = False
    if caps.usd is not None:
        good &= table.slow_usd + table.start_usd * machines <= caps.usd
    if not good.any():
        return None
    place = int(np.argmin(np.where(good, usd, np.inf)))
    return float(usd[place]), place, int(machines[place])


def _whole(
    table: Market, work_usd: Floats, capacity: Floats, caps: Caps
) -> tuple[float, Floats, NDArray[np.int64]] | None:
    """The cheapest whole machines: cost, shares of the work, machines of each kind.

    The variables are machines at work, which may end early, and machines rented: numbers of one size, whatever the
    share of the work that a machine does.
    """
    n = len(table.kinds)
    limits = _limits(table, caps)
    does = np.minimum(capacity, 1.0)  # without a deadline one machine may do all of it
    largest = float(does.max())
    cost = np.concatenate([work_usd * does, table.start_usd])
    eye = sparse.eye_array(n, format="csr")
    nothing = sparse.csr_array((len(limits.most), n))
    all_of_it = sparse.csr_array(np.concatenate([does / largest, np.zeros(n)])[None, :])
    constraints = [
        LinearConstraint(all_of_it, 1 / largest, 1 / largest),
        LinearConstraint(sparse.hstack([eye, -eye], format="csr"), -np.inf, 0.0),
    ]
    if len(limits.most):
        both = sparse.hstack([nothing, limits.matrix], format="csr")
        constraints.append(LinearConstraint(both, -np.inf, _any(np.floor(limits.most))))
    if caps.usd is not None:
        row = np.concatenate([table.slow_usd * does, table.start_usd])
        constraints.append(LinearConstraint(sparse.csr_array(row[None, :]), -np.inf, caps.usd))
    found = milp(
        cost,
        integrality=np.concatenate([np.zeros(n), np.ones(n)]),
        bounds=Bounds(0, np.inf),
        constraints=constraints,
        options={"mip_rel_gap": GAP / 2, "time_limit": SECONDS},
    )
    if found.x is None:
        return None
    machines = np.rint(found.x[n:]).astype(np.int64)
    shares = np.clip(found.x[:n], 0, machines) * does
    return float(found.fun), shares / shares.sum(), machines


def _any(numbers: Floats) -> Any:
    """Bounds by column; scipy's types know of one for all only."""
    return numbers


def _sorted(shares: tuple[Share, ...]) -> tuple[Share, ...]:
    """The one that does most first; ties by name, so that equal inputs give equal plans."""
    return tuple(sorted(shares, key=lambda s: (-s.tokens, s.kind.name, s.kind.instance_type)))
