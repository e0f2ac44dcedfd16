"""Which machines to start and to end: the whole policy of a fleet, as a pure function from FleetView to orders.

A group has slots, and a slot holds one machine at a time: a rented one, or a worker process of this machine. A machine
that died is replaced, with exponential backoff, until its slot has seen too many deaths without a finished shard.
Rented machines start in waves, in the places of the plan or where placement went better, and only while they would be
of use for long enough after their cold start.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from launcher.costs.budget import BILLED_TEARDOWN, BudgetAction, budget_action
from launcher.costs.usage.metering import usd_for
from launcher.fleet.scheduling.fleet_view import FleetGroup, FleetView, MachineView
from launcher.fleet.scheduling.placement import (
    PlacementFailure,
    home_place,
    is_healthy,
    order_places,
    refused_until,
)
from launcher.fleet.scheduling.slots import (
    by_group,
    group_given_up,
    may_start,
    next_number,
    occupies_slot,
    refused_machines,
    slot_given_up,
    slot_targets,
)
from launcher.fleet.scheduling.states import ALIVE, Phase
from launcher.fleet.scheduling.steered import (
    KnownKinds,
    lost_machines,
    orders_of,
    situation_of,
    with_ending,
)
from launcher.ledger.records import MachineState
from launcher.planning.estimates import launching
from launcher.planning.estimates.launching import LAUNCH_WAVE
from launcher.steering.course import BudgetPressure, Course
from launcher.steering.decide import decide
from launcher.steering.orders import HAD_NONE, Drain, End, Kill, Order, Start
from launcher.steering.situation import STATIC
from tasks.skypilot_task import Place


def step(view: FleetView, now: datetime) -> list[Order]:
    """The orders for now."""
    if is_steered(view):
        return list(course(view, now).orders)
    closing = _closing_orders(view, now)
    if closing is not None:
        return closing
    refused = {w.name for w in refused_machines(view, now)}
    orders: list[Order] = [End(name, HAD_NONE) for name in sorted(refused)]
    for group in view.groups:
        alive = [w for w in view.workers if w.state in ALIVE and w.name not in refused]
        mine = [w for w in alive if w.group == group.number]
        if group_given_up(view, group):
            orders += [End(w.name, "its group was given up") for w in mine if not w.shards]
        elif group.rented:
            orders += [End(w.name, "what runs on it failed") for w in mine if w.phase == Phase.FAILING]
            orders += [
                End(w.name, f"{w.infra} took it away") for w in mine if should_relocate(view, group, w, now)
            ]
    return orders + _starts(view, now)


def is_steered(view: FleetView) -> bool:
    """Whether steering decides what is rented: not on this machine, and not with the static policy."""
    rented = any(group.rented for group in view.groups)
    return rented and view.steering is not None and view.steering.policy != STATIC


def course(
    view: FleetView, now: datetime, *, with_forecast: bool = True, known: KnownKinds | None = None
) -> Course:
    """What steering decides now, and why; without steering, the static orders alone.

    A run that drains or ends has no forecast: the budget presses as before, or is in conflict where it is used up.
    `with_forecast` False leaves it out of every course: no order depends on it. `known`: kinds of earlier looks, which
    are not made again where nothing of them has changed.
    """
    if view.steering is None or not is_steered(view):
        return Course(now, orders=tuple(step(view, now)))
    closing = _closing_orders(view, now)
    if closing is not None:
        budget_pressure = BudgetPressure.CONFLICT if is_over_budget(view) else view.budget_pressure
        return Course(now, budget_pressure, orders=tuple(closing))
    orders = lost_machines(view, now)
    ended = {order.name for order in orders if isinstance(order, End)}
    rest = view
    if ended:
        rest = replace(view, workers=[with_ending(w) if w.name in ended else w for w in view.workers])
    situation = situation_of(rest, view.steering, now, known)
    verdict = decide(situation, with_forecast=with_forecast)
    found = tuple(_drain(view)) if verdict.course.stop else (*orders, *orders_of(rest, verdict, now))
    return replace(verdict.course, orders=found, situation=situation)


def _closing_orders(view: FleetView, now: datetime) -> list[Order] | None:
    """The orders of a run that ends, drains, or has reached its budget; None: it goes on."""
    late = now - view.finished if view.finished else timedelta(0)  # a worker ends by itself when all is done
    if view.interrupts > 2 or late > 2 * view.hang_timeout:
        return [Kill(w.name) for w in view.workers if w.state in ALIVE]
    if is_over_budget(view) or view.interrupts == 2 or late > view.hang_timeout:
        return [End(w.name) for w in view.workers if w.state in ALIVE]
    if view.draining or is_near_budget(view):
        return _drain(view)
    return None


def _drain(view: FleetView) -> list[Order]:
    """Let all machines finish what they hold; those that are not there yet end."""
    alive = [w for w in view.workers if w.state in ALIVE]
    return [End(w.name, "nothing more is begun") if _has_no_machine(w) else Drain(w.name) for w in alive]


def _has_no_machine(worker: MachineView) -> bool:
    """Whether it would get a machine only to learn that there is nothing to do."""
    return worker.phase in (Phase.WAITING, Phase.RECOVERING, Phase.FAILING)


def _starts(view: FleetView, now: datetime) -> list[Order]:
    """A machine for each slot that may have its next one, while there is work for it."""
    orders: list[Order] = []
    alive = [w for w in view.workers if occupies_slot(w)]
    groups = {group.number: group for group in view.groups}
    past = by_group(view.workers)
    left = view.shards - view.done - sum(groups[w.group].workers for w in alive if w.group in groups)
    coming = _coming(view, now)
    rate = sum(groups[w.group].tokens_per_second or 0.0 for w in alive if w.group in groups)
    bound = Decimal(0)  # what the machines of these orders cost before they are of use
    targets = slot_targets(view)
    for group in view.groups:
        for slot in range(targets[group.number]):
            mine = past.get(group.number, {}).get(slot, [])
            if left <= 0 or any(map(occupies_slot, mine)) or not may_start(mine, now, rented=group.rented):
                continue
            places = _where(view, group, slot, now)
            if group.rented:
                if coming[places[0].infra] >= LAUNCH_WAVE or not may_ask(group, view.failures, now):
                    continue
                if not is_worth_starting(group, view.tokens_left, rate) or not is_affordable(
                    view, group, bound
                ):
                    break
                coming[places[0].infra] += 1
            bound += start_usd(group)
            beginning = f"{group.name}{slot}-"
            name = f"{beginning}{next_number(mine, view.taken, beginning)}"
            orders.append(Start(slot, name, group.number, places))
            left -= group.workers
            rate += group.tokens_per_second or 0.0
    return orders


def _coming(view: FleetView, now: datetime) -> Counter[str]:
    """Machines by place that were asked for there and are not up yet. Those that waited in vain block no others."""
    groups = {group.number: group for group in view.groups if group.rented}
    refused = {w.name for w in refused_machines(view, now)}
    coming = Counter[str]()
    for worker in view.workers:
        waits = worker.phase == Phase.WAITING or worker.state == MachineState.INTENDED
        if not waits or not occupies_slot(worker) or worker.group not in groups or worker.name in refused:
            continue
        group = groups[worker.group]
        home = home_place(group.places, group.counts, worker.slot)
        coming[worker.infra or (home.infra if home else "")] += 1
    return coming


def may_ask(group: FleetGroup, failures: Sequence[PlacementFailure], now: datetime) -> bool:
    """Whether a place of the group may be asked: not all of them had none just now."""
    return any(refused_until(place.infra, failures, now) is None for place in group.places)


def _where(view: FleetView, group: FleetGroup, slot: int, now: datetime) -> tuple[Place, ...]:
    if not group.rented:
        return ()
    return order_places(group.places, home_place(group.places, group.counts, slot), view.failures, now)


def is_worth_starting(group: FleetGroup, tokens_left: float | None, rate: float) -> bool:
    """Whether a machine that is started now would be of use for long enough.

    `rate`: tokens per second of all other machines together.
    """
    if tokens_left is None or not group.tokens_per_second or not rate:
        return True
    return launching.is_worth_starting(group.cold_start, group.tokens_per_second, tokens_left, rate)


def start_usd(group: FleetGroup) -> Decimal:
    """USD of a machine that comes up and is ended before it embeds; 0 for this machine, or without a known price."""
    if not group.rented:
        return Decimal(0)
    known = [usd for usd in (group.usd_per_hour, *(p.usd_per_hour for p in group.places)) if usd is not None]
    return usd_for(timedelta(seconds=group.cold_start) + BILLED_TEARDOWN, max(known, default=Decimal(0)))


def is_affordable(view: FleetView, group: FleetGroup, bound: Decimal = Decimal(0)) -> bool:
    """Whether the budget covers a machine that comes up. `bound`: USD of others that are about to be started."""
    if view.spent is None:
        return True
    return (
        budget_action(view.spent + view.committed + bound + start_usd(group), view.budget) == BudgetAction.GO
    )


def is_out_of_money(view: FleetView) -> bool:
    """Whether no machine is there, and the budget covers none that would come up."""
    alive = any(w.state in ALIVE for w in view.workers)
    groups = [group for group in view.groups if not group_given_up(view, group)]
    return bool(groups) and not alive and not any(is_affordable(view, group) for group in groups)


def should_relocate(view: FleetView, group: FleetGroup, worker: MachineView, now: datetime) -> bool:
    """Whether a preempted machine should start elsewhere than in the same place, where SkyPilot recovers it."""
    if worker.phase != Phase.RECOVERING or worker.infra is None:
        return False
    if is_healthy(worker.infra, view.failures, now):
        return False
    return any(p.infra != worker.infra and is_healthy(p.infra, view.failures, now) for p in group.places)


def is_stuck(view: FleetView) -> bool:
    """Whether shards are left, no machine works on them, and none will."""
    if view.done >= view.shards or any(w.state in ALIVE for w in view.workers):
        return False
    return all(group_given_up(view, group) or _all_hopeless(view, group) for group in view.groups)


def _all_hopeless(view: FleetView, group: FleetGroup) -> bool:
    slots: list[list[MachineView]] = [[] for _ in range(group.slots)]
    for worker in view.workers:
        if worker.group == group.number and worker.slot < group.slots:
            slots[worker.slot].append(worker)
    return all(slot_given_up(past, rented=group.rented) for past in slots)


def is_near_budget(view: FleetView) -> bool:
    """Whether the money spent and committed has reached 90 % of the budget: nothing new begins.

    A steered run may use the whole budget: steering weighs each machine against what is left, and drains in time.
    """
    return not is_steered(view) and (
        view.spent is not None and budget_action(view.spent + view.committed, view.budget) != BudgetAction.GO
    )


def is_over_budget(view: FleetView) -> bool:
    return (
        view.spent is not None
        and budget_action(view.spent + view.committed, view.budget) == BudgetAction.STOP
    )
