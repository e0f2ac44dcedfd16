"""Where every metered second of every machine went, and what it cost.

Knows machines, receipts and leases as values; knows no clock, no ledger and no bill. Every second is exactly
one part. Rows may overlap and a worker's clock may disagree with ours, so a row counts only while its machine
lives, and a second that two rows claim goes to the first of PRIORITY:

    useful      inside the work of a receipt, or under a lease that may still give one
    teardown    after the machine was told to stop
    lost        under a lease that gave no receipt
    cold_start  before the machine was ready; its whole life when it never was
    idle        after the last work of the whole run was done
    waiting     everything else: no shard to take, store, retry
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Literal

from tasks.receipt import Receipt

Part = Literal["useful", "lost", "cold_start", "waiting", "idle", "teardown"]
PARTS: tuple[Part, ...] = ("useful", "lost", "cold_start", "waiting", "idle", "teardown")  # as they are shown
PRIORITY: tuple[Part, ...] = ("useful", "teardown", "lost", "cold_start", "idle", "waiting")

GRAIN = Decimal("1e-12")  # dollars; 3600 divides few prices, so amounts lie on this grid and add up exactly
MICROSECOND = timedelta(microseconds=1)

Span = tuple[datetime, datetime, Part]


@dataclass(frozen=True, slots=True)
class MachineTime:
    """The life of a machine as far as it is known. The worker on it has its name."""

    name: str
    place: str
    gpu: str
    usd_per_hour: Decimal | None
    started: datetime  # metered from here on
    ready: datetime | None  # the model is loaded
    ended: datetime | None
    state: str
    stopping: datetime | None = None


@dataclass(frozen=True, slots=True)
class LeaseTime:
    """A lease as it was held; `ended` None when nobody saw it end."""

    shard: str  # id
    generation: int
    worker: str
    claimed: datetime
    ended: datetime | None


@dataclass(frozen=True, slots=True)
class Metered:
    """Time and dollars by part. `usd` is None when some of the time has no price; `known_usd` is the rest."""

    time: Mapping[Part, timedelta]
    usd: Mapping[Part, Decimal] | None
    known_usd: Mapping[Part, Decimal]

    @property
    def total_time(self) -> timedelta:
        return sum(self.time.values(), timedelta(0))

    @property
    def total_usd(self) -> Decimal | None:
        return None if self.usd is None else sum(self.usd.values(), Decimal(0))

    @property
    def total_known_usd(self) -> Decimal:
        return sum(self.known_usd.values(), Decimal(0))


@dataclass(frozen=True, slots=True)
class Spend:
    """The run's time and dollars, by machine name, by place and in all."""

    machines: Mapping[str, Metered]
    places: Mapping[str, Metered]
    total: Metered
    unknown: tuple[str, ...]  # machines without a price


@dataclass(frozen=True, slots=True)
class Fruitless:
    """The leases that gave no receipt. Every one has an end: its own, or as far as it counts."""

    lost: tuple[LeaseTime, ...]
    open: tuple[LeaseTime, ...]  # still worked on, so not lost yet


def meter(
    machines: Sequence[MachineTime], receipts: Sequence[Receipt], leases: Sequence[LeaseTime], now: datetime
) -> Spend:
    """Attribute every second from each machine's start to its end, or to `now` while it lives."""
    fruitless = judge(machines, receipts, leases, now)
    work = defaultdict[str, list[Span]](list)
    for receipt in receipts:
        for one in (receipt, *receipt.earlier):
            work[one.worker].append((one.started, one.finished, "useful"))
    for lease in fruitless.open:
        work[lease.worker].append((lease.claimed, lease.ended or now, "useful"))
    for lease in fruitless.lost:
        work[lease.worker].append((lease.claimed, lease.ended or now, "lost"))

    quiet = None if fruitless.open else _last_finish(machines, receipts, now)
    by_machine = defaultdict[str, list[Metered]](list)
    by_place = defaultdict[str, list[Metered]](list)
    for machine in machines:
        metered = _meter(machine, work[machine.name], quiet, now)
        by_machine[machine.name].append(metered)
        by_place[machine.place].append(metered)
    return Spend(
        machines={name: _add(parts) for name, parts in sorted(by_machine.items())},
        places={place: _add(parts) for place, parts in sorted(by_place.items())},
        total=_add(metered for several in by_machine.values() for metered in several),
        unknown=tuple(sorted({machine.name for machine in machines if machine.usd_per_hour is None})),
    )


def judge(
    machines: Sequence[MachineTime], receipts: Sequence[Receipt], leases: Sequence[LeaseTime], now: datetime
) -> Fruitless:
    """Which leases gave nothing, and which may still give a receipt.

    A lease that nobody saw end was over when its shard was claimed again or done by another, or when its
    machine ended. If none of that happened, it is still open.
    """
    fruitful = {(r.worker, r.shard, r.generation) for r in receipts}
    done = {r.shard: r.finished for r in receipts}
    claims = defaultdict[str, list[LeaseTime]](list)
    for lease in leases:
        claims[lease.shard].append(lease)
    ends = defaultdict[str, list[datetime | None]](list)
    for machine in machines:
        ends[machine.name].append(machine.ended)

    lost: list[LeaseTime] = []
    still: list[LeaseTime] = []
    for lease in sorted(leases, key=lambda e: (e.claimed, e.shard, e.generation, e.worker)):
        if (lease.worker, lease.shard, lease.generation) in fruitful:
            continue
        over = [e.claimed for e in claims[lease.shard] if e.generation > lease.generation]
        over += [done[lease.shard]] if lease.shard in done else []
        lives = ends[lease.worker]
        if lives and all(lives):
            over.append(max(end for end in lives if end))
        end = lease.ended or min(over, default=None)
        fate = still if end is None else lost
        fate.append(replace(lease, ended=max(lease.claimed, end or now)))
    return Fruitless(tuple(lost), tuple(still))


def split(start: datetime, end: datetime, spans: Iterable[Span]) -> dict[Part, timedelta]:
    """Every moment from start to end, given to the first of PRIORITY among the spans that cover it."""
    edges: list[
        tuple[datetime, int, int]
    ] = []  # moment, rank of the part, +1 where it opens or -1 where it closes
    for first, last, part in [*spans, (start, end, "waiting")]:
        opens, closes = max(first, start), min(last, end)
        if opens < closes:
            rank = PRIORITY.index(part)
            edges += [(opens, rank, 1), (closes, rank, -1)]
    edges.sort()
    time = dict.fromkeys(PARTS, timedelta(0))
    depth = [0] * len(PRIORITY)
    for (moment, rank, change), (until, _, _) in pairwise(edges):
        depth[rank] += change
        if moment < until:
            first_open = next(rank for rank, spans_open in enumerate(depth) if spans_open)
            time[PRIORITY[first_open]] += until - moment
    return time


def dollars(time: timedelta, usd_per_hour: Decimal) -> Decimal:
    """The price of some time, to the nearest grain."""
    return (Decimal(time // MICROSECOND) * usd_per_hour / 3_600_000_000).quantize(GRAIN)


def written(amount: Decimal) -> str:
    """An amount in full, as it stands in JSON: no exponent, and no zeros that say nothing."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _meter(machine: MachineTime, work: list[Span], quiet: datetime | None, now: datetime) -> Metered:
    end = max(machine.started, machine.ended or now)
    ready = machine.ready or min((first for first, _, _ in work), default=end)  # who works is ready
    spans: list[Span] = [*work, (machine.started, ready, "cold_start")]
    if machine.stopping:
        spans.append((machine.stopping, end, "teardown"))
    if quiet:
        spans.append((quiet, end, "idle"))
    time = split(machine.started, end, spans)
    if machine.usd_per_hour is None:
        return Metered(time, None, dict.fromkeys(PARTS, Decimal(0)))
    usd = _price(time, machine.usd_per_hour)
    return Metered(time, usd, usd)


def _price(time: Mapping[Part, timedelta], usd_per_hour: Decimal) -> dict[Part, Decimal]:
    """Dollars by part. Running totals are rounded, not parts, so the parts add up to the price of all."""
    usd: dict[Part, Decimal] = {}
    so_far, before = timedelta(0), Decimal(0)
    for part in PARTS:
        so_far += time[part]
        after = dollars(so_far, usd_per_hour)
        usd[part] = after - before
        before = after
    return usd


def _add(several: Iterable[Metered]) -> Metered:
    time = dict.fromkeys(PARTS, timedelta(0))
    known = dict.fromkeys(PARTS, Decimal(0))
    complete = True
    for metered in several:
        complete &= metered.usd is not None
        for part in PARTS:
            time[part] += metered.time[part]
            known[part] += metered.known_usd[part]
    return Metered(time, known if complete else None, known)


def _last_finish(
    machines: Sequence[MachineTime], receipts: Sequence[Receipt], now: datetime
) -> datetime | None:
    """When the run's last receipt was made, trusting no worker's clock beyond the life of its machine."""
    ends = defaultdict[str, list[datetime]](list)
    for machine in machines:
        ends[machine.name].append(machine.ended or now)
    return max((min(r.finished, max(ends[r.worker], default=now)) for r in receipts), default=None)
