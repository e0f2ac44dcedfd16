"""Where every metered second of every machine went, and what it cost at the prices of that second.

Knows machines, receipts and leases as values; knows no clock, no ledger and no bill. Every second is exactly
one part. Rows may overlap and a worker's clock may disagree with ours, so a row counts only while its machine
lives, and a second that two rows claim goes to the first of PRIORITY:

    useful      inside the work of a receipt, or under a lease that may still give one
    teardown    after the machine was told to stop, and what a cloud bills beyond the machine's end
    lost        under a lease that gave no receipt
    cold_start  before the machine was ready; its whole life when it never was
    idle        after the last work of the whole run was done
    waiting     everything else: no shard to take, store, retry

A machine that comes back under its name lives again, elsewhere and at another price. One with several workers is
attributed worker by worker, each a like share of it.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Literal, TypeVar

from launcher.costs.billing_rules import NONE, billed, terms, waived
from launcher.money import USD_GRAIN, ZERO
from tasks.protocol.receipt import Receipt
from tasks.protocol.worker_names import machine_and_slot

Part = Literal["useful", "lost", "cold_start", "waiting", "idle", "teardown"]
PARTS: tuple[Part, ...] = ("useful", "lost", "cold_start", "waiting", "idle", "teardown")  # as they are shown
PRIORITY: tuple[Part, ...] = ("useful", "teardown", "lost", "cold_start", "idle", "waiting")
RANK = {part: rank for rank, part in enumerate(PRIORITY)}
MICROSECOND = timedelta(microseconds=1)
HOUR = Decimal(3_600_000_000)  # microseconds
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Key = TypeVar("Key", str, int | None)
Span = tuple[int, int, Part]  # microseconds since EPOCH
Stretch = tuple[int, int, Part]  # likewise, and no two overlap


@dataclass(frozen=True, slots=True)
class MachineTime:
    """One life of a machine as far as it is known. A worker on it has its name, or that with a number.

    `usd_per_hour` is of the whole machine as the life began, `rates` what it became and when. None: unknown.
    """

    name: str
    place: str
    gpu: str
    usd_per_hour: Decimal | None
    started: datetime  # metered from here on
    ready: datetime | None  # the model is loaded
    ended: datetime | None
    state: str
    stopping: datetime | None = None
    rates: tuple[tuple[datetime, Decimal], ...] = ()
    number: int = 0  # of its lives, from 0
    lanes: int = 1  # workers on it
    cloud: str = "local"
    region: str | None = None
    zone: str | None = None
    purchase: str | None = None
    instance_type: str | None = None
    lot: int | None = None
    how: str | None = None  # it ended
    asked: datetime | None = None
    gone: datetime | None = None
    disk_usd_per_hour: Decimal | None = None
    followed: bool = False  # its price was read from its cloud's history, not only as it was launched


@dataclass(frozen=True, slots=True)
class LeaseTime:
    """A lease as it was held; `ended` None when nobody saw it end."""

    shard: str  # id
    generation: int
    worker: str
    claimed: datetime
    ended: datetime | None


@dataclass(frozen=True, slots=True)
class Other:
    """Money that is not for a machine's hours. `usd` None: unknown, for this `reason`."""

    kind: str
    quantity: float | None
    unit: str
    usd: Decimal | None
    reason: str | None = None
    estimated: bool = False  # counted from what is known, nobody metered it
    at: datetime | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True)
class Metered:
    """Time and dollars by part. `usd` is None when some of the time has no price; `known_usd` is the rest.

    `waived` is what the cloud did not charge of machines that it took back at once; it is in no part.
    """

    time: Mapping[Part, timedelta]
    usd: Mapping[Part, Decimal] | None
    known_usd: Mapping[Part, Decimal]
    waived: Decimal = ZERO
    disk: Decimal = ZERO

    @property
    def total_time(self) -> timedelta:
        return sum(self.time.values(), timedelta(0))

    @property
    def total_usd(self) -> Decimal | None:
        return None if self.usd is None else sum(self.usd.values(), ZERO)

    @property
    def total_known_usd(self) -> Decimal:
        return sum(self.known_usd.values(), ZERO)


@dataclass(frozen=True, slots=True)
class Spend:
    """The run's time and dollars by machine name, by place, by lot and in all; `total` is of machines alone.

    `lives` are of the machines in the order they were given.
    """

    machines: Mapping[str, Metered]
    places: Mapping[str, Metered]
    total: Metered
    unknown: tuple[str, ...]  # machines without a price for some of their time
    lots: Mapping[int | None, Metered] = field(default_factory=dict[int | None, Metered])
    lives: tuple[Metered, ...] = field(default=(), compare=False)
    others: tuple[Other, ...] = ()

    @property
    def other_known_usd(self) -> Decimal:
        return sum((other.usd for other in self.others if other.usd is not None), ZERO)

    @property
    def known_usd(self) -> Decimal:
        """All that is known, machines and the rest."""
        return self.total.total_known_usd + self.other_known_usd

    @property
    def usd(self) -> Decimal | None:
        """All that the run cost; None while any of it is unknown."""
        whole = self.total.total_usd is not None and all(other.usd is not None for other in self.others)
        return self.known_usd if whole else None


@dataclass(frozen=True, slots=True)
class Fruitless:
    """The leases that gave no receipt. Every one has an end: its own, or as far as it counts."""

    lost: tuple[LeaseTime, ...]
    open: tuple[LeaseTime, ...]  # still worked on, so not lost yet


def meter(
    machines: Sequence[MachineTime],
    receipts: Sequence[Receipt],
    leases: Sequence[LeaseTime],
    now: datetime,
    others: Sequence[Other] = (),
) -> Spend:
    """Attribute every second from each life's start to its end, or to `now` while it lasts."""
    names = {machine.name for machine in machines}
    fruitless = judge(machines, receipts, leases, now)
    work = defaultdict[str, dict[int, list[Span]]](lambda: defaultdict(list))

    lanes: dict[str, list[Span]] = {}

    def did(worker: str, first: datetime, last: datetime, part: Part) -> None:
        mine = lanes.get(worker)
        if mine is None:
            name, lane = machine_and_slot(worker, names)
            mine = lanes[worker] = work[name][lane]
        mine.append((microseconds(first), microseconds(last), part))

    for receipt in receipts:
        for one in (receipt, *receipt.earlier):
            did(one.worker, one.started, one.finished, "useful")
    for lease in fruitless.open:
        did(lease.worker, lease.claimed, lease.ended or now, "useful")
    for lease in fruitless.lost:
        did(lease.worker, lease.claimed, lease.ended or now, "lost")
    for by_lane in work.values():
        for spans in by_lane.values():
            spans.sort()

    quiet = None if fruitless.open else _last_finish(machines, receipts, now, names)
    lives = [_meter(machine, work[machine.name], quiet, now) for machine in machines]
    paired = list(zip(machines, lives, strict=True))
    disk = sum((one.disk for one in lives), ZERO)
    known_disk = [m for m in machines if m.disk_usd_per_hour is not None]
    metered_disk = (Other("disk", float(len(known_disk)), "machine lives", disk),) if known_disk else ()
    return Spend(
        machines=_grouped((m.name, one) for m, one in paired),
        places=_grouped((m.place, one) for m, one in paired),
        lots=_grouped((m.lot, one) for m, one in paired),
        total=_add(lives),
        unknown=tuple(sorted({m.name for m, one in paired if one.usd is None})),
        lives=tuple(lives),
        others=(*metered_disk, *others),
    )


def judge(
    machines: Sequence[MachineTime], receipts: Sequence[Receipt], leases: Sequence[LeaseTime], now: datetime
) -> Fruitless:
    """Which leases gave nothing, and which may still give a receipt.

    A lease that nobody saw end was over when its shard was claimed again or done by another, or when the life of its
    machine ended in which it was claimed. If none of that happened, it is still open.
    """
    if not leases:
        return Fruitless((), ())
    names = {machine.name for machine in machines}
    fruitful = {(r.worker, r.shard, r.generation) for r in receipts}
    done = {r.shard: r.finished for r in receipts}
    claims = defaultdict[str, list[LeaseTime]](list)
    for lease in leases:
        claims[lease.shard].append(lease)
    lives = defaultdict[str, list[MachineTime]](list)
    for machine in machines:
        lives[machine.name].append(machine)

    lost: list[LeaseTime] = []
    still: list[LeaseTime] = []
    for lease in sorted(leases, key=lambda e: (e.claimed, e.shard, e.generation, e.worker)):
        if (lease.worker, lease.shard, lease.generation) in fruitful:
            continue
        over = [e.claimed for e in claims[lease.shard] if e.generation > lease.generation]
        over += [done[lease.shard]] if lease.shard in done else []
        if end := _life_end(lease, lives[machine_and_slot(lease.worker, names)[0]]):
            over.append(end)
        end = lease.ended or min(over, default=None)
        fate = still if end is None else lost
        fate.append(replace(lease, ended=max(lease.claimed, end or now)))
    return Fruitless(tuple(lost), tuple(still))


def split(start: int, end: int, spans: Iterable[Span]) -> list[Stretch]:
    """Every moment from start to end, given to the first of PRIORITY among the spans that cover it."""
    edges: list[
        tuple[int, int, int]
    ] = []  # moment, rank of the part, +1 where it opens or -1 where it closes
    for first, last, part in [*spans, (start, end, "waiting")]:
        opens, closes = max(first, start), min(last, end)
        if opens < closes:
            edges += [(opens, RANK[part], 1), (closes, RANK[part], -1)]
    edges.sort()
    stretches: list[Stretch] = []
    depth = [0] * len(PRIORITY)
    for (moment, rank, change), (until, _, _) in pairwise(edges):
        depth[rank] += change
        if moment < until:
            part = PRIORITY[next(rank for rank, spans_open in enumerate(depth) if spans_open)]
            stretches.append((moment, until, part))
    return stretches


def dollars(time: timedelta, usd_per_hour: Decimal) -> Decimal:
    """The price of some time, to the nearest grain."""
    return (Decimal(time // MICROSECOND) * usd_per_hour / HOUR).quantize(USD_GRAIN)


def end_of(machine: MachineTime, now: datetime) -> datetime:
    """Until when a life is billed: clouds round up, and have a least."""
    if machine.ended is None:
        return max(machine.started, now)
    lived = max(NONE, machine.ended - machine.started)
    return machine.started + (billed(lived, terms(machine.cloud)) if lived else NONE)


def _meter(
    machine: MachineTime, work: Mapping[int, list[Span]], quiet: datetime | None, now: datetime
) -> Metered:
    start, end = microseconds(machine.started), microseconds(end_of(machine, now))
    lived = min(end, max(start, microseconds(machine.ended or now)))
    lanes = max(machine.lanes, *(lane + 1 for lane in work), 1)
    micros: dict[Part, int] = dict.fromkeys(PARTS, 0)
    price: dict[Part, Decimal] = dict.fromkeys(PARTS, ZERO)
    unpriced = 0
    steps = [start, *(microseconds(at) for at, _ in machine.rates)]
    rates = [machine.usd_per_hour, *(rate for _, rate in machine.rates)]
    steady = not machine.rates
    for lane in range(lanes):
        stretches = _lane(machine, work.get(lane, ()), quiet, (start, lived, end))
        for a, b, part in stretches:
            micros[part] += b - a
            if steady:
                continue
            for since, until, rate in priced(a, b, steps, rates):
                if rate is None:
                    unpriced += until - since
                else:
                    price[part] += (until - since) * rate
    if steady and machine.usd_per_hour is None:
        unpriced = end - start
    elif steady and machine.usd_per_hour is not None:
        price = {part: time * machine.usd_per_hour for part, time in micros.items()}
    time = _shared(micros, lanes)
    known = _rounded(price, HOUR * lanes)
    hours = timedelta(microseconds=end - start)
    disk = ZERO if machine.disk_usd_per_hour is None else dollars(hours, machine.disk_usd_per_hour)
    free = machine.ended is not None and waived(
        machine.ended - machine.started,
        terms(machine.cloud),
        spot=machine.purchase == "spot",
        preempted=machine.how == "PREEMPTED",
    )
    if free:
        nothing = dict.fromkeys(PARTS, ZERO)
        return Metered(time, nothing, nothing, sum(known.values(), ZERO), disk)
    return Metered(time, None if unpriced else known, known, disk=disk)


def _lane(
    machine: MachineTime, work: Sequence[Span], quiet: datetime | None, life: tuple[int, int, int]
) -> list[Stretch]:
    """One worker's place on the machine, from the life's start to where it ended, and on to where its bill does."""
    start, lived, end = life
    spans = _within(work, start, lived)
    # Of a first life anything counts, however wrong its clock; a later one must not take earlier work for its own.
    begun = (since for since, until, _ in work if until >= start or not machine.number)
    first = min(begun, default=lived)
    ready = microseconds(machine.ready) if machine.ready else max(start, first)  # who works is ready
    spans.append((start, ready, "cold_start"))
    if machine.stopping:
        spans.append((microseconds(machine.stopping), end, "teardown"))
    if quiet:
        spans.append((microseconds(quiet), end, "idle"))
    stretches = split(start, lived, spans)
    stretches.append((lived, end, "teardown"))
    return stretches


def _within(spans: Iterable[Span], start: int, end: int) -> list[Span]:
    """Those that touch the life, those of one part that meet joined: of many shards in a row that is one."""
    joined: list[Span] = []
    last: dict[Part, int] = {}
    for first, until, part in spans:
        opens, closes = max(first, start), min(until, end)
        if opens >= closes:
            continue
        at = last.get(part)
        if at is not None and joined[at][1] >= opens:
            joined[at] = (joined[at][0], max(joined[at][1], closes), part)
        else:
            last[part] = len(joined)
            joined.append((opens, closes, part))
    return joined


def priced(
    start: int, end: int, steps: Sequence[int], rates: Sequence[Decimal | None]
) -> Iterable[tuple[int, int, Decimal | None]]:
    """The stretch, cut where the price changed."""
    if start >= end:
        return
    at = max(0, bisect_right(steps, start) - 1)
    while start < end:
        until = min(end, steps[at + 1]) if at + 1 < len(steps) else end
        yield start, until, rates[at]
        start, at = until, at + 1


def _shared(micros: Mapping[Part, int], lanes: int) -> dict[Part, timedelta]:
    """The machine's time, from that of its workers. Running totals are rounded, so the parts add up to its life."""
    time: dict[Part, timedelta] = {}
    so_far, before = 0, 0
    for part in PARTS:
        so_far += micros[part]
        after = so_far // lanes
        time[part] = timedelta(microseconds=after - before)
        before = after
    return time


def _rounded(exact: Mapping[Part, Decimal], unit: Decimal) -> dict[Part, Decimal]:
    """Dollars by part on the grid. Running totals are rounded, not parts, so the parts add up to the price of all."""
    usd: dict[Part, Decimal] = {}
    so_far, before = ZERO, ZERO
    for part in PARTS:
        so_far += exact[part]
        after = (so_far / unit).quantize(USD_GRAIN)
        usd[part] = after - before
        before = after
    return usd


def _grouped(pairs: Iterable[tuple[Key, Metered]]) -> dict[Key, Metered]:
    groups: dict[Key, list[Metered]] = {}
    for key, metered in pairs:
        groups.setdefault(key, []).append(metered)
    known = sorted((key for key in groups if key is not None), key=_order)
    return {key: _add(groups[key]) for key in [*known, *(key for key in groups if key is None)]}


def _order(key: str | int) -> tuple[int, str]:
    return (key, "") if isinstance(key, int) else (0, key)


def _add(several: Iterable[Metered]) -> Metered:
    time = dict.fromkeys(PARTS, timedelta(0))
    known = dict.fromkeys(PARTS, ZERO)
    complete, free, disk = True, ZERO, ZERO
    for metered in several:
        complete &= metered.usd is not None
        free += metered.waived
        disk += metered.disk
        for part in PARTS:
            time[part] += metered.time[part]
            known[part] += metered.known_usd[part]
    return Metered(time, known if complete else None, known, free, disk)


def _life_end(lease: LeaseTime, lives: Sequence[MachineTime]) -> datetime | None:
    """When the machine ended under a lease; None while it may still work on it."""
    held_in = [
        m for m in lives if m.started <= lease.claimed and (m.ended is None or lease.claimed < m.ended)
    ]
    if held_in:
        return held_in[-1].ended
    ends = [m.ended for m in lives]
    return max((end for end in ends if end), default=None) if all(ends) else None


def _last_finish(
    machines: Sequence[MachineTime], receipts: Sequence[Receipt], now: datetime, names: set[str]
) -> datetime | None:
    """When the run's last receipt was made, trusting no worker's clock beyond the life of its machine."""
    ends: dict[str, datetime] = {}
    for machine in machines:
        end = machine.ended or now
        ends[machine.name] = max(ends.get(machine.name, end), end)
    latest: dict[str, datetime] = {}
    for receipt in receipts:
        if receipt.worker not in latest or receipt.finished > latest[receipt.worker]:
            latest[receipt.worker] = receipt.finished
    return max(
        (min(at, ends.get(machine_and_slot(worker, names)[0], now)) for worker, at in latest.items()),
        default=None,
    )


def microseconds(moment: datetime) -> int:
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
