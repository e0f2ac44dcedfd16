"""A steered fleet: from what the policy sees to steering's situation, and from its verdict to orders with names. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, islice

from launcher.fleet.scheduling.fleet_view import FleetGroup, FleetView, MachineView
from launcher.fleet.scheduling.slots import (
    by_group,
    groups_given_up,
    may_start,
    next_number,
    occupies_slot,
    refused_machines,
)
from launcher.fleet.scheduling.states import ALIVE, Phase
from launcher.ledger.records import MachineState
from launcher.steering.decide import Verdict
from launcher.steering.orders import HAD_NONE, Drain, End, Order, Start
from launcher.steering.pace import speed_now
from launcher.steering.reconciliation import Ask, Release
from launcher.steering.situation import Kind, Machine, MachinePhase, Quote, Situation, Steering

FIRST_SHARDS = 5.0  # times a shard at the slow end, within which a machine that works has done its first
Past = Mapping[int, Mapping[int, Sequence[MachineView]]]  # machines by group and slot


@dataclass(slots=True)
class KnownKinds:
    """The kinds of the look before: one is made again only where its price, its speed or its free slots have changed."""

    _made: dict[int, tuple[FleetGroup, Quote | None, tuple[float, float], int, Kind]] = field(
        default_factory=dict[int, tuple[FleetGroup, "Quote | None", tuple[float, float], int, Kind]]
    )

    def of(self, group: FleetGroup, quote: Quote | None, speed: tuple[float, float], may_start: int) -> Kind:
        """What may be rented of a group. `speed`: of a machine, at the median and at the slow end."""
        before = self._made.get(group.number)
        if (
            before is not None
            and before[0] is group
            and before[1] is quote
            and before[2] == speed
            and before[3] == may_start
        ):
            return before[4]
        kind = _kind(group, quote, speed, may_start)
        self._made[group.number] = group, quote, speed, may_start, kind
        return kind


def situation_of(
    view: FleetView, steering: Steering, now: datetime, known: KnownKinds | None = None
) -> Situation:
    """What steering decides by. `known`: kinds of earlier looks, so that those which are the same are not made again."""
    given_up = groups_given_up(view)
    groups = [g for g in view.groups if g.places and g.tokens_per_second and g.number not in given_up]
    numbers = {group.number: group for group in groups}
    speeds, blocked = _speeds(groups, steering), _blocked_slots(view, numbers, now)
    known, quotes = known or KnownKinds(), steering.quotes
    return Situation(
        now=now,
        kinds=[
            known.of(group, quotes.get(group.number), speed, group.slots - blocked[group.number])
            for group, speed in zip(groups, speeds, strict=True)
        ],
        machines=_machines(view, numbers, now),
        tokens_left=view.tokens_left or 0.0,
        steering=steering,
        spent=float(view.spent or 0),
        committed=float(view.committed),
        budget=None if view.budget is None else float(view.budget),
        shards_left=view.shards - view.done,
    )


def _speeds(groups: Sequence[FleetGroup], steering: Steering) -> list[tuple[float, float]]:
    """Tokens a second of a machine of each group, at the median and at the slow end: many groups have the same."""
    planned = [(group.gpu, group.tokens_per_second or 0.0, group.tokens_per_second_p10) for group in groups]
    found = {one: speed_now(one[1], one[2] or one[1], steering.pace.get(one[0])) for one in set(planned)}
    return [found[one] for one in planned]


def _blocked_slots(view: FleetView, groups: Mapping[int, FleetGroup], now: datetime) -> Counter[int]:
    """How many slots of each group are held, or may not have their next machine yet."""
    held = {(w.group, w.slot) for w in view.workers if occupies_slot(w)}
    ended = {(w.group, w.slot) for w in view.workers if w.state not in ALIVE}
    if ended - held:
        past = by_group(view.workers)
        held |= {
            (group, slot)
            for group, slot in ended - held
            if not may_start(past[group][slot], now, rented=True)
        }
    return Counter([number for number, slot in held if number in groups and slot < groups[number].slots])


def _blocked(group: FleetGroup, used: Mapping[int, Sequence[MachineView]], now: datetime) -> set[int]:
    """Slots that are held, or may not have their next machine yet. `used`: machines of the group by slot."""
    return {
        slot
        for slot, machines in used.items()
        if slot < group.slots
        and (any(map(occupies_slot, machines)) or not may_start(machines, now, rented=True))
    }


def _free_slots(group: FleetGroup, past: Past, now: datetime, count: int) -> list[int]:
    """So many slots that may have their next machine now, those that never had one first."""
    used = past.get(group.number, {})
    blocked = _blocked(group, used, now)
    fresh = (slot for slot in range(group.slots) if slot not in used)
    again = (slot for slot in sorted(used) if slot < group.slots and slot not in blocked)
    return list(islice(chain(fresh, again), count))


def _kind(group: FleetGroup, quote: Quote | None, speed: tuple[float, float], may_start: int) -> Kind:
    place = group.places[0]
    usd = place.usd_per_hour if place.usd_per_hour is not None else group.usd_per_hour
    if quote is not None:
        usd = quote.usd_per_hour
    return Kind(
        number=group.number,
        key=(place.infra, group.gpu, group.purchase or ""),
        cap=group.slots,
        usd_per_hour=None if usd is None else float(usd),
        tokens_per_second=speed[0],
        tokens_per_second_p10=speed[1],
        cold_start=group.cold_start,
        cold_start_p90=max(group.cold_start, group.cold_start_p90 or 0.0),
        gpus=group.gpus or 1.0,
        workers=group.workers,
        egress_usd_per_token=group.egress_usd_per_token,
        may_start=may_start,
    )


def _machines(view: FleetView, groups: dict[int, FleetGroup], now: datetime) -> list[Machine]:
    found, shard_seconds = list[Machine](), view.steering.shard_seconds if view.steering else 0.0
    for worker in view.workers:
        group = groups.get(worker.group)
        if group is None or worker.state not in ALIVE or worker.phase in (Phase.RECOVERING, Phase.FAILING):
            continue
        if worker.phase == Phase.ENDING:
            if worker.up is not None:  # it is held until it is gone
                found.append(Machine(worker.name, group.number, MachinePhase.COLD, 0.0, leaving=True))
            continue
        phase = _phase(worker, group, now, shard_seconds)
        since = worker.requested if phase == MachinePhase.ASKED else worker.up or worker.requested
        seconds = max(0.0, (now - (since or now)).total_seconds())
        found.append(Machine(worker.name, group.number, phase, seconds, leaving=worker.leaving))
    return found


def _phase(worker: MachineView, group: FleetGroup, now: datetime, shard_seconds: float) -> MachinePhase:
    """A machine works from its first shard on, or once it has been there for a cold start at the slow end.

    One that has done no shard for FIRST_SHARDS of them after that does not work: the deadline cannot rely on it.
    """
    if worker.shards and not worker.refused:  # a busy SkyPilot calls "starting" what has worked for minutes
        return MachinePhase.WORKING
    if worker.state == MachineState.INTENDED or worker.phase != Phase.RUNNING:
        return MachinePhase.ASKED
    if worker.up is None:
        return MachinePhase.WORKING
    slow = max(group.cold_start, group.cold_start_p90 or 0.0)
    working = (now - worker.up).total_seconds() - slow
    return MachinePhase.WORKING if 0 <= working < FIRST_SHARDS * shard_seconds else MachinePhase.COLD


def lost_machines(view: FleetView, now: datetime) -> list[Order]:
    """Machines that are to be asked for anew, wherever that is best: taken away, failing, or not given in time.

    And those of kinds that were given up: steering sees them no more, so nothing else would end them.
    """
    orders: list[Order] = [End(worker.name, HAD_NONE) for worker in refused_machines(view, now)]
    refused = {order.name for order in orders if isinstance(order, End)}
    given_up = groups_given_up(view)
    lost = (Phase.FAILING, Phase.RECOVERING)
    for worker in view.workers if given_up else [w for w in view.workers if w.phase in lost]:
        if worker.state not in ALIVE or worker.name in refused:
            continue
        if worker.group in given_up and worker.phase != Phase.ENDING:
            orders.append(End(worker.name, "its group was given up"))
        elif worker.phase == Phase.FAILING:
            orders.append(End(worker.name, "what runs on it failed"))
        elif worker.phase == Phase.RECOVERING:
            orders.append(End(worker.name, f"{_place_of(view, worker)} took it away"))
    return orders


def _place_of(view: FleetView, worker: MachineView) -> str:
    """Where a machine was asked for: the one place of its group. SkyPilot may look for its next one elsewhere."""
    places = (group.places for group in view.groups if group.number == worker.group)
    return next((found[0].infra for found in places if found), "its place")


def with_ending(worker: MachineView) -> MachineView:
    """The machine as it will be once it was ordered to end; one that waits for a place is not there."""
    there = worker.phase not in (Phase.WAITING, Phase.RECOVERING)
    return replace(worker, phase=Phase.ENDING, up=worker.up if there else None)


def orders_of(view: FleetView, verdict: Verdict, now: datetime) -> list[Order]:
    """The orders that carry a verdict out: machines get slots and names."""
    groups = {group.number: group for group in view.groups}
    orders = [_release(release) for release in verdict.releases]
    if verdict.asks:
        past = by_group(view.workers)
        for ask in verdict.asks:
            orders += _starts(groups[ask.kind], ask, past, view.taken, now)
    return orders


def _starts(
    group: FleetGroup,
    ask: Ask,
    past: Past,
    taken: Mapping[str, int],
    now: datetime,
) -> list[Order]:
    orders = list[Order]()
    for slot in _free_slots(group, past, now, ask.count):
        beginning = f"{group.name}{slot}-"
        number = next_number(past.get(group.number, {}).get(slot, []), taken, beginning)
        orders.append(Start(slot, f"{beginning}{number}", group.number, group.places[:1]))
    return orders


def _release(release: Release) -> Order:
    return Drain(release.machine, release.why) if release.drain else End(release.machine, release.why)
