"""Metering: attribute every second of every machine to a part, and price it at the price of that second.

Pure: knows machines, receipts and leases as values; knows no clock, ledger or bill. A machine that comes back under its
name has another life, with its own place and price. A machine with several workers is attributed worker by worker, and
each worker has an equal share of its cost. `attribution` says which part a second belongs to.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from launcher.costs.usage.attribution import (
    MICROSECOND,
    LifeSpan,
    PartSpan,
    attribute_worker,
    to_microseconds,
)
from launcher.costs.usage.lease_outcomes import UnproductiveLeases, find_unproductive_leases
from launcher.costs.usage.machine_time import LeaseTime, MachineTime
from launcher.costs.usage.spend import PARTS, Metered, OtherCharge, Part, Spend
from launcher.costs.usage.work_done import Integers, Work, WorkDone, moment, work_of
from launcher.money import MICROSECONDS_PER_HOUR, USD_GRAIN, ZERO
from pricing.charges.billing_rules import NO_TIME, billed_time, billing_rule, is_free
from tasks.protocol.messages.worker_names import machine_and_slot

Key = TypeVar("Key", str, int | None)


def meter(
    machines: Sequence[MachineTime],
    receipts: Work,
    leases: Sequence[LeaseTime],
    now: datetime,
    others: Sequence[OtherCharge] = (),
    *,
    settled: bool = True,
) -> Spend:
    """Meter each life of each machine from its start to its end, or to `now` while it lasts.

    `settled`: no shard will be done any more, so time after the last one is idle, and else it is waiting.
    """
    names = {machine.name for machine in machines}
    done = work_of(receipts)
    unproductive = find_unproductive_leases(machines, done, leases, now)
    work = _WorkBySlot(done, unproductive, names, now)
    idle_from = None if unproductive.open or not settled else _last_receipt(machines, done, now, names)
    lives = [_meter_life(machine, work.of_machine(machine.name), idle_from, now) for machine in machines]
    paired = list(zip(machines, lives, strict=True))
    disk = sum((one.disk for one in lives), ZERO)
    known_disk = [m for m in machines if m.disk_usd_per_hour is not None]
    metered_disk = (OtherCharge("disk", float(len(known_disk)), "machine lives", disk),) if known_disk else ()
    return Spend(
        machines=_sum_by_key((m.name, one) for m, one in paired),
        places=_sum_by_key((m.place, one) for m, one in paired),
        groups=_sum_by_key((m.group, one) for m, one in paired),
        total=_sum(lives),
        unknown=tuple(sorted({m.name for m, one in paired if one.usd is None})),
        lives=tuple(lives),
        others=(*metered_disk, *others),
    )


def usd_for(time: timedelta, usd_per_hour: Decimal) -> Decimal:
    """The price of some time, rounded to USD_GRAIN."""
    return (Decimal(time // MICROSECOND) * usd_per_hour / MICROSECONDS_PER_HOUR).quantize(USD_GRAIN)


def billed_end(machine: MachineTime, now: datetime) -> datetime:
    """The time until which a life is billed: clouds round up and have a minimum."""
    if machine.ended is None:
        return max(machine.started, now)
    lived = max(NO_TIME, machine.ended - machine.started)
    return machine.started + (billed_time(lived, billing_rule(machine.cloud)) if lived else NO_TIME)


def cut_by_rate(
    start: int, end: int, steps: Sequence[int], rates: Sequence[Decimal | None]
) -> Iterator[tuple[int, int, Decimal | None]]:
    """Divide the time from start to end where the price changes: `rates[i]` holds from `steps[i]` (microseconds)."""
    if start >= end:
        return
    at = max(0, bisect_right(steps, start) - 1)
    while start < end:
        until = min(end, steps[at + 1]) if at + 1 < len(steps) else end
        yield start, until, rates[at]
        start, at = until, at + 1


class _WorkBySlot:
    """The spans of work of a machine by worker slot. They are made when they are asked for, a machine at a time."""

    def __init__(
        self, work: WorkDone, unproductive: UnproductiveLeases, names: set[str], now: datetime
    ) -> None:
        self._work = work
        self._places = defaultdict[str, list[tuple[int, Integers]]](list)
        self._others = defaultdict[str, list[tuple[int, PartSpan]]](list)
        self._made: tuple[str, Mapping[int, list[PartSpan]]] = ("", {})
        slots = {worker: machine_and_slot(worker, names) for worker in work.workers}
        for worker, places in work.by_worker():
            name, slot = slots[worker]
            self._places[name].append((slot, places))
        for who, since, until in work.stretches:
            name, slot = slots[work.workers[who]]
            self._others[name].append((slot, (since, until, "useful")))
        kinds: Sequence[tuple[Part, Sequence[LeaseTime]]] = (
            ("useful", unproductive.open),
            ("lost", unproductive.lost),
        )
        for part, leases in kinds:
            for lease in leases:
                name, slot = machine_and_slot(lease.worker, names)
                span = (to_microseconds(lease.claimed), to_microseconds(lease.ended or now), part)
                self._others[name].append((slot, span))

    def of_machine(self, name: str) -> Mapping[int, list[PartSpan]]:
        """Spans by slot, sorted by start."""
        if self._made[0] != name:  # the lives of a machine follow each other
            self._made = (name, self._spans(name))
        return self._made[1]

    def _spans(self, name: str) -> Mapping[int, list[PartSpan]]:
        found = defaultdict[int, list[PartSpan]](list)
        for slot, places in self._places[name]:
            found[slot] += self._work.merged(places, "useful")
        for slot, span in self._others[name]:
            found[slot].append(span)
        for spans in found.values():
            spans.sort()
        return found


def _meter_life(
    machine: MachineTime, work: Mapping[int, Sequence[PartSpan]], idle_from: datetime | None, now: datetime
) -> Metered:
    start, end = to_microseconds(machine.started), to_microseconds(billed_end(machine, now))
    life = LifeSpan(start, min(end, max(start, to_microseconds(machine.ended or now))), end)
    workers = max(machine.workers, *(slot + 1 for slot in work), 1)
    spans = [
        span
        for slot in range(workers)
        for span in attribute_worker(machine, work.get(slot, ()), idle_from, life)
    ]
    micros: dict[Part, int] = dict.fromkeys(PARTS, 0)
    for since, until, part in spans:
        micros[part] += until - since
    price, complete = _price(machine, spans, micros)
    time = _rounded_time(micros, workers)
    known = _rounded_usd(price, MICROSECONDS_PER_HOUR * workers)
    billed = timedelta(microseconds=end - start)
    disk = ZERO if machine.disk_usd_per_hour is None else usd_for(billed, machine.disk_usd_per_hour)
    free = machine.ended is not None and is_free(
        machine.ended - machine.started,
        billing_rule(machine.cloud),
        spot=machine.purchase == "spot",
        preempted=machine.how == "PREEMPTED",
    )
    if free:
        nothing = dict.fromkeys(PARTS, ZERO)
        return Metered(time, nothing, nothing, waived=sum(known.values(), ZERO), disk=disk)
    return Metered(time, known if complete else None, known, disk=disk)


def _price(
    machine: MachineTime, spans: Iterable[PartSpan], micros: Mapping[Part, int]
) -> tuple[dict[Part, Decimal], bool]:
    """Price times microseconds by part, and whether all of the time has a price. `micros` is the time of `spans`."""
    if not machine.rates:
        rate = machine.usd_per_hour
        if rate is None:
            return dict.fromkeys(PARTS, ZERO), not any(micros.values())
        return {part: time * rate for part, time in micros.items()}, True
    steps = [to_microseconds(at) for at in (machine.started, *(at for at, _ in machine.rates))]
    rates = [machine.usd_per_hour, *(rate for _, rate in machine.rates)]
    price: dict[Part, Decimal] = dict.fromkeys(PARTS, ZERO)
    complete = True
    for start, end, part in spans:
        for since, until, rate in cut_by_rate(start, end, steps, rates):
            if rate is None:
                complete = False
            else:
                price[part] += (until - since) * rate
    return price, complete


def _rounded_time(micros: Mapping[Part, int], workers: int) -> dict[Part, timedelta]:
    """The machine's time by part, from that of its workers.

    Running totals are rounded instead of parts, so that the parts add up to the life of the machine.
    """
    time: dict[Part, timedelta] = {}
    so_far, before = 0, 0
    for part in PARTS:
        so_far += micros[part]
        after = so_far // workers
        time[part] = timedelta(microseconds=after - before)
        before = after
    return time


def _rounded_usd(exact: Mapping[Part, Decimal], unit: Decimal) -> dict[Part, Decimal]:
    """USD by part, rounded to USD_GRAIN.

    Running totals are rounded instead of parts, so that the parts add up to the price of the whole.
    """
    usd: dict[Part, Decimal] = {}
    so_far, before = ZERO, ZERO
    for part in PARTS:
        so_far += exact[part]
        after = (so_far / unit).quantize(USD_GRAIN)
        usd[part] = after - before
        before = after
    return usd


def _sum_by_key(pairs: Iterable[tuple[Key, Metered]]) -> dict[Key, Metered]:
    groups: dict[Key, list[Metered]] = {}
    for key, metered in pairs:
        groups.setdefault(key, []).append(metered)
    known = sorted((key for key in groups if key is not None), key=_key_order)
    return {key: _sum(groups[key]) for key in [*known, *(key for key in groups if key is None)]}


def _key_order(key: str | int) -> tuple[int, str]:
    return (key, "") if isinstance(key, int) else (0, key)


def _sum(several: Iterable[Metered]) -> Metered:
    time = dict.fromkeys(PARTS, timedelta(0))
    known = dict.fromkeys(PARTS, ZERO)
    complete, waived, disk = True, ZERO, ZERO
    for metered in several:
        complete &= metered.usd is not None
        waived += metered.waived
        disk += metered.disk
        for part in PARTS:
            time[part] += metered.time[part]
            known[part] += metered.known_usd[part]
    return Metered(time, known if complete else None, known, waived=waived, disk=disk)


def _last_receipt(
    machines: Sequence[MachineTime], work: WorkDone, now: datetime, names: set[str]
) -> datetime | None:
    """When the run's last receipt was made. A worker's clock is not trusted beyond the life of its machine."""
    ends: dict[str, datetime] = {}
    for machine in machines:
        end = machine.ended or now
        ends[machine.name] = max(ends.get(machine.name, end), end)
    return max(
        (
            min(moment(int(work.finished[places].max())), ends.get(machine_and_slot(worker, names)[0], now))
            for worker, places in work.by_worker()
        ),
        default=None,
    )
