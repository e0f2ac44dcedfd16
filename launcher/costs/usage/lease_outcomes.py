"""Which leases produced no receipt, and when they ended. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from launcher.costs.usage.machine_time import LeaseTime, MachineTime
from launcher.costs.usage.work_done import Work, work_of
from tasks.protocol.messages.worker_names import machine_and_slot


@dataclass(frozen=True, slots=True)
class UnproductiveLeases:
    """Leases without a receipt. Each has an end: its own, or the time until which it counts."""

    lost: tuple[LeaseTime, ...]
    open: tuple[LeaseTime, ...]  # still held, so they may yet produce a receipt


def find_unproductive_leases(
    machines: Sequence[MachineTime], work: Work, leases: Sequence[LeaseTime], now: datetime
) -> UnproductiveLeases:
    """Find the leases without a receipt, lost and open.

    A lease whose end was not observed ended when its shard was claimed again or completed by another worker, or when
    the life of the machine ended in which it was claimed, whichever was first. If none of these happened it is open.
    """
    if not leases:
        return UnproductiveLeases((), ())
    names = {machine.name for machine in machines}
    completed = work_of(work).of_shards({lease.shard for lease in leases})
    claims = defaultdict[str, list[LeaseTime]](list)
    for lease in leases:
        claims[lease.shard].append(lease)
    lives = defaultdict[str, list[MachineTime]](list)
    for machine in machines:
        lives[machine.name].append(machine)

    lost: list[LeaseTime] = []
    still_open: list[LeaseTime] = []
    for lease in sorted(leases, key=lambda e: (e.claimed, e.shard, e.generation, e.worker)):
        done = completed.get(lease.shard)
        if done and (done.worker, done.generation) == (lease.worker, lease.generation):
            continue
        ends = [e.claimed for e in claims[lease.shard] if e.generation > lease.generation]
        ends += [done.finished] if done else []
        if machine_end := _machine_end(lease, lives[machine_and_slot(lease.worker, names)[0]]):
            ends.append(machine_end)
        end = lease.ended or min(ends, default=None)
        leases_of_kind = still_open if end is None else lost
        leases_of_kind.append(replace(lease, ended=max(lease.claimed, end or now)))
    return UnproductiveLeases(tuple(lost), tuple(still_open))


def _machine_end(lease: LeaseTime, lives: Sequence[MachineTime]) -> datetime | None:
    """When the machine of a lease ended; None while the machine may still work on it."""
    held_in = [
        m for m in lives if m.started <= lease.claimed and (m.ended is None or lease.claimed < m.ended)
    ]
    if held_in:
        return held_in[-1].ended
    ends = [m.ended for m in lives]
    return max((end for end in ends if end), default=None) if all(ends) else None
