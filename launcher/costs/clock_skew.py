"""Machines whose clock is wrong: what their workers say of time, moved to when it can have been.

Pure. A worker writes its own clock into leases and receipts. Where all it did lies before its machine came up, or
after it was gone, the clock is wrong by at least that much: no second of work is then thrown away, and the report says
whose clock it was. A clock that is wrong by less than a machine's life cannot be told from a right one.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from launcher.costs.machine_time import LeaseTime, MachineTime
from tasks.protocol.receipt import Receipt
from tasks.protocol.worker_names import machine_and_slot, restart_of

Stretch = tuple[datetime, datetime]
TOLERANCE = timedelta(
    seconds=60
)  # clocks of clouds agree within much less; ends are seen late by more than a tick


def correct_clocks(
    machines: Sequence[MachineTime], receipts: Sequence[Receipt], leases: Sequence[LeaseTime], now: datetime
) -> tuple[list[Receipt], list[LeaseTime], dict[str, timedelta]]:
    """The same rows by the right time, and by how much each worker's clock was moved."""
    moved = clock_offsets(machines, receipts, leases, now)
    if not moved:
        return list(receipts), list(leases), moved
    right = [_corrected(receipt, moved) for receipt in receipts]
    # The end of a lease is the store's or ours; only its claim is told by the worker.
    held = [replace(e, claimed=e.claimed + moved[e.worker]) if e.worker in moved else e for e in leases]
    return right, held, moved


def _corrected(receipt: Receipt, moved: Mapping[str, timedelta]) -> Receipt:
    """With all that its workers say of time moved, each by as much as its clock was wrong."""
    none = timedelta(0)
    earlier = tuple(
        replace(file, started=file.started + by, finished=file.finished + by)
        for file in receipt.earlier
        for by in (moved.get(file.worker, none),)
    )
    by = moved.get(receipt.worker, none)
    return replace(receipt, started=receipt.started + by, finished=receipt.finished + by, earlier=earlier)


def clock_offsets(
    machines: Sequence[MachineTime], receipts: Sequence[Receipt], leases: Sequence[LeaseTime], now: datetime
) -> dict[str, timedelta]:
    """The least that each wrong clock must be moved by; workers whose clocks may be right are not in it."""
    names = {m.name for m in machines}
    lives = defaultdict[str, list[Stretch]](list)
    for m in sorted(machines, key=lambda m: m.started):
        if m.ended is None or m.ended > m.started:
            lives[m.name].append((m.started, m.ended or now))
    spans: dict[str, Stretch] = {}
    for r in receipts:
        low, high = spans.get(r.worker, (r.started, r.finished))
        if r.started < low or r.finished > high or r.worker not in spans:
            spans[r.worker] = (min(low, r.started), max(high, r.finished))
    for e in leases:
        low, high = spans.get(e.worker, (e.claimed, e.claimed))
        spans[e.worker] = (min(low, e.claimed), max(high, e.claimed))
    suspects = defaultdict[str, dict[str, Stretch]](dict)
    for worker, span in spans.items():
        suspects[machine_and_slot(worker, names)[0]][worker] = span
    moved: dict[str, timedelta] = {}
    for machine, workers in suspects.items():
        mine = lives.get(machine)
        if mine:
            moved.update(_machine_offsets(workers, mine))
    return moved


def _machine_offsets(workers: Mapping[str, Stretch], lives: Sequence[Stretch]) -> dict[str, timedelta]:
    """Nothing while all that its workers did lies inside its first and last moment."""
    whole = (lives[0][0], max(end for _, end in lives))
    if not any(_offset(span, whole) for span in workers.values()):
        return {}
    # As many workers as lives: one each, in order. Else nobody knows which life was whose.
    order = sorted(workers, key=restart_of)
    own = dict(zip(order, lives, strict=True)) if len(order) == len(lives) else {}
    found = {worker: _offset(span, own.get(worker, whole)) for worker, span in workers.items()}
    return {worker: shift for worker, shift in found.items() if shift}


def _offset(span: Stretch, life: Stretch) -> timedelta | None:
    """The least that moves it inside; None: it is inside, or too long for any move."""
    (low, high), (begun, ended) = span, life
    if high - low > ended - begun + TOLERANCE:
        return None
    if low < begun - TOLERANCE:
        return begun - low
    return ended - high if high > ended + TOLERANCE else None
