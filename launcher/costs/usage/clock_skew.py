"""Clock skew: correct the times that workers with a wrong clock wrote.

Pure. Workers write the time of their own clock into leases and receipts. If all work of a worker is before the start or
after the end of its machine, its clock is wrong by at least that much, and its times are moved by the smallest possible
offset. So no second of work is dropped, and the report names the clock. A skew smaller than a machine's life cannot be
detected.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from launcher.costs.usage.machine_time import LeaseTime, MachineTime
from launcher.costs.usage.work_done import Work, WorkDone, moment, work_of
from tasks.protocol.messages.worker_names import machine_and_slot, restart_of

Span = tuple[datetime, datetime]
# Clocks of clouds agree within much less, but ends of machines are observed late.
TOLERANCE = timedelta(seconds=60)


def correct_clocks(
    machines: Sequence[MachineTime], receipts: Work, leases: Sequence[LeaseTime], now: datetime
) -> tuple[WorkDone, list[LeaseTime], dict[str, timedelta]]:
    """Correct the times of receipts and leases. Also returns the offset of each worker whose clock was wrong."""
    work = work_of(receipts)
    offsets = clock_offsets(machines, work, leases, now)
    if not offsets:
        return work, list(leases), offsets
    # The end of a lease has the time of the store or of this machine; only the claim has the worker's.
    held = [replace(e, claimed=e.claimed + offsets[e.worker]) if e.worker in offsets else e for e in leases]
    return work.moved(offsets), held, offsets


def clock_offsets(
    machines: Sequence[MachineTime], receipts: Work, leases: Sequence[LeaseTime], now: datetime
) -> dict[str, timedelta]:
    """The smallest offset that corrects each wrong clock; workers whose clock may be right are left out."""
    names = {m.name for m in machines}
    lives = defaultdict[str, list[Span]](list)
    for m in sorted(machines, key=lambda m: m.started):
        if m.ended is None or m.ended > m.started:
            lives[m.name].append((m.started, m.ended or now))
    spans: dict[str, Span] = {}
    work = work_of(receipts)
    for worker, places in work.by_worker():
        spans[worker] = (moment(int(work.started[places].min())), moment(int(work.finished[places].max())))
    for e in leases:
        low, high = spans.get(e.worker, (e.claimed, e.claimed))
        spans[e.worker] = (min(low, e.claimed), max(high, e.claimed))
    by_machine = defaultdict[str, dict[str, Span]](dict)
    for worker, span in spans.items():
        by_machine[machine_and_slot(worker, names)[0]][worker] = span
    offsets: dict[str, timedelta] = {}
    for machine, workers in by_machine.items():
        mine = lives.get(machine)
        if mine:
            offsets.update(_machine_offsets(workers, mine))
    return offsets


def _machine_offsets(workers: Mapping[str, Span], lives: Sequence[Span]) -> dict[str, timedelta]:
    """Offsets of the workers of one machine; empty if all their work is within its first and last life."""
    whole = (lives[0][0], max(end for _, end in lives))
    if not any(_offset(span, whole) for span in workers.values()):
        return {}
    # With as many workers as lives, each worker has one life, in order. Otherwise the lives cannot be assigned.
    order = sorted(workers, key=restart_of)
    own = dict(zip(order, lives, strict=True)) if len(order) == len(lives) else {}
    found = {worker: _offset(span, own.get(worker, whole)) for worker, span in workers.items()}
    return {worker: offset for worker, offset in found.items() if offset}


def _offset(span: Span, life: Span) -> timedelta | None:
    """The smallest offset that moves `span` into `life`; None if it is inside, or longer than the life."""
    (low, high), (begun, ended) = span, life
    if high - low > ended - begun + TOLERANCE:
        return None
    if low < begun - TOLERANCE:
        return begun - low
    return ended - high if high > ended + TOLERANCE else None
