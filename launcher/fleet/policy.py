"""Which machines to start and to end: the whole policy of a fleet, as a pure function from FleetView to orders.

A group has slots, and a slot holds one machine at a time: a rented one, or a worker process of this machine. A machine
that died is replaced, with exponential backoff, until its slot has seen too many deaths without a finished shard.
Rented machines start in waves, in the places of the plan or where placement went better, and only while they would be
of use for long enough after their cold start.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from launcher.costs.budget import BILLED_TEARDOWN, BudgetAction, budget_action
from launcher.costs.metering import usd_for
from launcher.fleet.placement import PlacementFailure, home_place, is_healthy, order_places
from launcher.fleet.states import ALIVE, Phase
from launcher.ledger.records import MachineState
from tasks.skypilot_task import Place

MAX_DEATHS = 5  # in a row, without a finished shard, before a slot is given up
# Machines of a rented group that cannot work, before the group is given up: each costs a cold start.
MAX_GROUP_FAILURES = 3
MAX_BACKOFF = timedelta(seconds=30)  # between a death and the next start
# A worker may live so long after the last shard; the next look of one that waits for shards is sooner.
HANG_TIMEOUT = timedelta(seconds=15)
LAUNCH_WAVE = 16  # machines that start at a time: SkyPilot starts 8 for each of its controllers
MIN_USEFUL_SHARE = (
    0.5  # a machine is started only if it is of use for this share of its cold start, or longer
)


@dataclass(frozen=True, slots=True)
class FleetGroup:
    """Machines of one kind. `name` begins their names; `places` is empty for this machine. Prices are of one machine."""

    number: int
    slots: int
    name: str
    places: tuple[Place, ...] = ()
    counts: tuple[int, ...] = ()  # machines that the plan has in each place
    workers: int = 1  # of a machine
    cold_start: float = 0.0  # seconds from the request for a machine until it embeds
    tokens_per_second: float | None = None  # of a machine
    gpu: str = "cpu"
    gpus: float | None = None
    purchase: str | None = None
    disk_gb: float | None = None
    usd_per_hour: Decimal | None = None  # where the place has no price of its own

    @property
    def rented(self) -> bool:
        return bool(self.places)


@dataclass(frozen=True, slots=True)
class MachineView:
    """A machine, alive or not. `shards` have receipts by it; `earlier`: it ended before this launch."""

    name: str
    slot: int
    state: MachineState
    ended: datetime | None
    shards: int
    earlier: bool = False
    group: int = 0
    phase: Phase = Phase.RUNNING
    infra: str | None = None  # where it is, or was last


@dataclass(frozen=True, slots=True)
class FleetView:
    """All that the policy knows. `workers` are in the order in which they were intended."""

    run: str
    groups: tuple[FleetGroup, ...]
    workers: Sequence[MachineView]
    shards: int
    done: int
    draining: bool
    spent: Decimal | None = None
    committed: Decimal = Decimal(0)  # bound to be spent: leases under way, teardown, minimum billing
    budget: Decimal | None = None
    finished: datetime | None = None  # when every shard had a receipt
    interrupts: int = 0  # how often the user asked to stop
    tokens_left: float | None = None
    failures: Sequence[PlacementFailure] = field(default_factory=list[PlacementFailure])
    hang_timeout: timedelta = HANG_TIMEOUT
    taken: Collection[str] = ()  # names of machines of other launchers


@dataclass(frozen=True, slots=True)
class Start:
    """Start a machine under this name. `places` in the order to try; empty for this machine."""

    slot: int
    name: str
    group: int = 0
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Drain:
    """Let this machine finish the shards that it holds, and end."""

    name: str


@dataclass(frozen=True, slots=True)
class End:
    """Let this machine give its leases back and end at once."""

    name: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Kill:
    """End a machine that does not react. Its receipts count, its leases are freed."""

    name: str


Order = Start | Drain | End | Kill


def step(view: FleetView, now: datetime) -> list[Order]:
    """The orders for now."""
    alive = [w for w in view.workers if w.state in ALIVE]
    late = now - view.finished if view.finished else timedelta(0)  # a worker ends by itself when all is done
    if view.interrupts > 2 or late > 2 * view.hang_timeout:
        return [Kill(w.name) for w in alive]
    if is_over_budget(view) or view.interrupts == 2 or late > view.hang_timeout:
        return [End(w.name) for w in alive]
    if view.draining or is_near_budget(view):
        return [End(w.name, "nothing more is begun") if _has_no_machine(w) else Drain(w.name) for w in alive]
    orders: list[Order] = []
    for group in view.groups:
        mine = [w for w in alive if w.group == group.number]
        if group_given_up(view, group):
            orders += [End(w.name, "its group was given up") for w in mine if not w.shards]
        elif group.rented:
            orders += [End(w.name, "what runs on it failed") for w in mine if w.phase == Phase.FAILING]
            orders += [
                End(w.name, f"{w.infra} took it away") for w in mine if should_relocate(view, group, w, now)
            ]
    return orders + _starts(view, now)


def _has_no_machine(worker: MachineView) -> bool:
    """Whether it would get a machine only to learn that there is nothing to do."""
    return worker.phase in (Phase.WAITING, Phase.RECOVERING, Phase.FAILING)


def _starts(view: FleetView, now: datetime) -> list[Order]:
    """A machine for each slot that may have its next one, while there is work for it."""
    orders: list[Order] = []
    alive = [w for w in view.workers if occupies_slot(w)]
    groups = {group.number: group for group in view.groups}
    left = view.shards - view.done - sum(groups[w.group].workers for w in alive if w.group in groups)
    coming = sum(1 for w in alive if w.phase == Phase.WAITING or w.state == MachineState.INTENDED)
    rate = sum(groups[w.group].tokens_per_second or 0.0 for w in alive if w.group in groups)
    bound = Decimal(0)  # what the machines of these orders cost before they are of use
    for group in view.groups:
        if group_given_up(view, group):
            continue
        for slot in range(group.slots):
            past = [w for w in view.workers if (w.group, w.slot) == (group.number, slot)]
            if (
                left <= 0
                or any(occupies_slot(w) for w in past)
                or not may_start(past, now, rented=group.rented)
            ):
                continue
            if group.rented and (
                coming >= LAUNCH_WAVE
                or not is_worth_starting(group, view.tokens_left, rate)
                or not is_affordable(view, group, bound)
            ):
                break
            bound += start_usd(group)
            orders.append(
                Start(
                    slot,
                    f"{group.name}{slot}-{_number(past, view.taken, f'{group.name}{slot}-')}",
                    group.number,
                    _where(view, group, slot, now),
                )
            )
            left -= group.workers
            coming += 1
            rate += group.tokens_per_second or 0.0
    return orders


def _number(past: Sequence[MachineView], taken: Collection[str], beginning: str) -> int:
    """The number of the slot's next machine: above all earlier ones, also where this ledger does not know them all."""
    known = [int(worker.name.rpartition("-")[2]) for worker in past]
    others = (name.removeprefix(beginning) for name in taken if name.startswith(beginning))
    known += [int(number) for number in others if number.isascii() and number.isdigit()]
    return 1 + max(known, default=-1)


def _where(view: FleetView, group: FleetGroup, slot: int, now: datetime) -> tuple[Place, ...]:
    if not group.rented:
        return ()
    return order_places(group.places, home_place(group.places, group.counts, slot), view.failures, now)


def occupies_slot(worker: MachineView) -> bool:
    """Whether a machine holds its slot. One that was ordered to end frees it before it is gone; a failed one does not."""
    return worker.state in ALIVE and worker.phase != Phase.ENDING


def is_worth_starting(group: FleetGroup, tokens_left: float | None, rate: float) -> bool:
    """Whether a machine that is started now would be of use for long enough.

    `rate`: tokens per second of all other machines together.
    """
    if tokens_left is None or not group.tokens_per_second or not rate:
        return True
    useful = (tokens_left - rate * group.cold_start) / (rate + group.tokens_per_second)
    return useful >= MIN_USEFUL_SHARE * group.cold_start


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
    mine = [w for w in view.workers if w.group == group.number and not w.earlier]
    failed = sum(1 for w in mine if w.state == MachineState.FAILED)
    return group.rented and failed >= MAX_GROUP_FAILURES and not any(w.shards for w in mine)


def may_start(past: Sequence[MachineView], now: datetime, *, rented: bool = False) -> bool:
    """Whether the slot may have its next machine now: at once after one that worked, with backoff after deaths."""
    if slot_given_up(past, rented=rented):
        return False
    died = consecutive_deaths(past, rented=rented)
    ended = past[-1].ended if past else None
    return not died or ended is None or now - ended >= min(MAX_BACKOFF, timedelta(seconds=0.5 * 2**died))


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
    """Whether the money spent and committed has reached 90 % of the budget: nothing new begins."""
    return (
        view.spent is not None and budget_action(view.spent + view.committed, view.budget) != BudgetAction.GO
    )


def is_over_budget(view: FleetView) -> bool:
    return (
        view.spent is not None
        and budget_action(view.spent + view.committed, view.budget) == BudgetAction.STOP
    )
