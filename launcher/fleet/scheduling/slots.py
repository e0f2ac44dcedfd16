"""Slots of a group: which are free, when the next machine may start and under which name, when one is given up. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil

from launcher.fleet.scheduling.fleet_view import FleetGroup, FleetView, MachineView
from launcher.fleet.scheduling.states import ALIVE, Phase
from launcher.ledger.records import MachineState
from launcher.steering.situation import LAUNCHES_PER_SECOND

MAX_DEATHS = 5  # in a row, without a finished shard, before a slot is given up
# Machines of a rented group that cannot work, before the group is given up: each costs a cold start.
MAX_GROUP_FAILURES = 3
MAX_BACKOFF = timedelta(seconds=30)  # between a death and the next start


# A machine that is not there after this long, for each place that it may be in, was refused. SkyPilot's first launch
# retries without limit, in rounds of 1 to 3 minutes, with a backoff of 1 to 5 minutes (sky/jobs/recovery_strategy.py,
# 0.14.1): two rounds or more have failed by then. Machines that wait for a launch of SkyPilot's have longer.
PATIENCE = timedelta(minutes=10)


def occupies_slot(worker: MachineView) -> bool:
    """Whether a machine holds its slot. One that was ordered to end frees it before it is gone; a failed one does not."""
    return worker.state in ALIVE and worker.phase != Phase.ENDING


def consecutive_deaths(past: Sequence[MachineView], *, rented: bool = False) -> int:
    """How many of the slot's machines in a row died without finishing a shard, in this launch."""
    dead = (MachineState.LOST, MachineState.FAILED) if rented else (MachineState.LOST,)
    count = 0
    for worker in reversed(past):
        if worker.state not in dead or worker.shards or worker.earlier:
            break
        count += 1
    return count


def slot_given_up(past: Sequence[MachineView], *, rented: bool = False) -> bool:
    """Whether another start in this slot cannot help. Deaths of earlier launches do not count: the cause may be fixed."""
    failed = bool(past) and past[-1].state == MachineState.FAILED and not past[-1].earlier
    return (failed and not rented) or consecutive_deaths(past, rented=rented) >= MAX_DEATHS


def group_given_up(view: FleetView, group: FleetGroup) -> bool:
    """Whether so many machines of a rented group could not work, and none could, that more would only cost money."""
    return group.number in groups_given_up(view)


def groups_given_up(view: FleetView) -> frozenset[int]:
    """The numbers of all groups that are given up (`group_given_up`), in one pass over the machines."""
    failed = [w.group for w in view.workers if w.state == MachineState.FAILED and not w.earlier]
    if len(failed) < MAX_GROUP_FAILURES:
        return frozenset()
    many = {number for number, count in Counter(failed).items() if count >= MAX_GROUP_FAILURES}
    many -= {w.group for w in view.workers if w.shards and not w.earlier}
    return frozenset(group.number for group in view.groups if group.rented and group.number in many)


def may_start(past: Sequence[MachineView], now: datetime, *, rented: bool = False) -> bool:
    """Whether the slot may have its next machine now: at once after one that worked, with backoff after deaths."""
    if slot_given_up(past, rented=rented):
        return False
    died = consecutive_deaths(past, rented=rented)
    ended = past[-1].ended if past else None
    return not died or ended is None or now - ended >= min(MAX_BACKOFF, timedelta(seconds=0.5 * 2**died))


def patience(view: FleetView, group: FleetGroup, waiting: int) -> timedelta:
    """How long a machine of a group may wait before its places are taken to have none. `waiting`: of all groups."""
    rate = view.steering.launches_per_second if view.steering else LAUNCHES_PER_SECOND
    return PATIENCE * max(1, len(group.places)) + timedelta(seconds=waiting / rate)


def refused_machines(view: FleetView, now: datetime) -> list[MachineView]:
    """Rented machines that were asked for so long ago that there was none for them."""
    waiting = [w for w in view.workers if w.phase == Phase.WAITING and w.state in ALIVE]
    if not waiting:
        return []
    asked = {w.group for w in waiting}
    groups = (group for group in view.groups if group.number in asked and group.rented)
    longest = {group.number: patience(view, group, len(waiting)) for group in groups}
    return [
        w
        for w in waiting
        if w.group in longest
        and (w.refused or (w.requested is not None and now - w.requested > longest[w.group] * _slack(w)))
    ]


def _slack(worker: MachineView) -> int:
    """Times the patience: a machine that works was given, although a busy SkyPilot has not said so yet."""
    return 2 if worker.shards else 1


def slot_targets(view: FleetView) -> dict[int, int]:
    """How many machines each group is to hold: those of the plan, and its share of groups that were given up.

    The share is counted in tokens a second. All groups together never get more machines than the plan has.
    """
    lost = [group for group in view.groups if group_given_up(view, group)]
    kept = [group for group in view.groups if group not in lost]
    targets = {group.number: group.slots for group in kept} | {group.number: 0 for group in lost}
    rate = sum(group.slots * (group.tokens_per_second or 0.0) for group in lost)
    others = sum(group.slots * (group.tokens_per_second or 0.0) for group in kept)
    room = sum(group.slots for group in lost)
    for group in kept:
        if rate and others and group.rented and group.tokens_per_second:
            more = min(room, ceil(group.slots * rate / others))
            targets[group.number] += more
            room -= more
    return targets


def by_group(workers: Iterable[MachineView]) -> dict[int, dict[int, list[MachineView]]]:
    """The machines of each group and slot, oldest first."""
    found: dict[int, dict[int, list[MachineView]]] = {}
    for worker in workers:
        found.setdefault(worker.group, {}).setdefault(worker.slot, []).append(worker)
    return found


def next_number(past: Sequence[MachineView], taken: Mapping[str, int], beginning: str) -> int:
    """The number of the slot's next machine: above all earlier ones, also where this ledger does not know them all.

    `taken`: by the beginning of a name, the highest number of machines that are not in `past` (`add_taken`).
    """
    known = [int(worker.name.rpartition("-")[2]) for worker in past]
    return 1 + max([*known, taken.get(beginning, -1)])


def add_taken(taken: dict[str, int], name: str) -> None:
    """Count one more name that was used: `taken` has the highest number by beginning, `run-l0m3-` of `run-l0m3-2`."""
    beginning, dash, number = name.rpartition("-")
    if dash and number.isascii() and number.isdigit():
        key = beginning + dash
        taken[key] = max(taken.get(key, -1), int(number))
