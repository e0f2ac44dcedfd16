"""Which machines to start and to end, from what is seen: the whole policy of a fleet, without touching it.

Pure: `step` takes a View and gives Orders. A lot has slots, and a slot holds one machine at a time: a rented one, or a
worker process here. A dead one is replaced, ever more slowly, until it has died too often without finishing a shard.
Rented machines come in waves, where the plan has them or where things went better, and only while they pay back the
time that they need to come up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from launcher.costs.budget import Word, word
from launcher.fleet.placement import PlacementFailure, home_place, is_healthy, order_places
from launcher.fleet.states import ALIVE, Phase
from launcher.ledger.records import MachineState
from tasks.skypilot_task import Place

MAX_DEATHS = 5  # in a row, without one shard done, before a slot is given up
MAX_GROUP_FAILURES = (
    3  # of a rented lot's machines that cannot work, before the lot is given up: each costs a cold start
)
MAX_BACKOFF = timedelta(seconds=30)  # between a death and the next start
HANG_TIMEOUT = timedelta(
    seconds=15
)  # that a worker may live after the last shard; the next look of a waiting one is sooner
LAUNCH_WAVE = 16  # machines that come up at a time: SkyPilot starts 8 for each of its controllers
MIN_USEFUL_SHARE = 0.5  # of its cold start: so long must a machine be of use, or it is not started


@dataclass(frozen=True, slots=True)
class FleetGroup:
    """Like machines. `name` begins their names; `places` is empty for this machine. Prices are of one machine."""

    number: int
    slots: int
    name: str
    places: tuple[Place, ...] = ()
    counts: tuple[int, ...] = ()  # machines that the plan has in each place
    workers: int = 1  # of a machine
    cold_start: float = 0.0  # seconds from asking for a machine until it embeds
    tokens_per_second: float | None = None  # of a machine
    gpu: str = "cpu"
    gpus: float | None = None
    purchase: str | None = None
    disk_gb: float | None = None
    usd_per_hour: Decimal | None = None  # where no place says better

    @property
    def rented(self) -> bool:
        return bool(self.places)


@dataclass(frozen=True, slots=True)
class MachineView:
    """A machine, living or dead. `shards` are those it has receipts for; `earlier`: its end was before this launch."""

    name: str
    slot: int
    state: MachineState
    ended: datetime | None
    shards: int
    earlier: bool = False
    lot: int = 0
    phase: Phase = Phase.RUNNING
    infra: str | None = None  # where it is, or was last


@dataclass(frozen=True, slots=True)
class FleetView:
    """All that the policy knows. `workers` in the order they were intended."""

    run: str
    groups: tuple[FleetGroup, ...]
    workers: Sequence[MachineView]
    shards: int
    done: int
    draining: bool
    spent: Decimal | None = None
    committed: Decimal = Decimal(0)  # bound to be spent: leases in hand, the way down, least billing
    budget: Decimal | None = None
    finished: datetime | None = None  # since when every shard has a receipt
    interrupts: int = 0  # how often the user asked to stop
    tokens_left: float | None = None
    failures: Sequence[PlacementFailure] = field(default_factory=list[PlacementFailure])
    hang_timeout: timedelta = HANG_TIMEOUT  # with machines that live on after the last shard


@dataclass(frozen=True, slots=True)
class Start:
    """Start a machine under this name. `places`: where, the first first; none: here."""

    slot: int
    name: str
    lot: int = 0
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Drain:
    """Let this machine finish the shards in its hands and end."""

    name: str


@dataclass(frozen=True, slots=True)
class End:
    """Let this machine give its leases back and end at once."""

    name: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Kill:
    """This machine does not hear: take it away. Its receipts count, its leases are freed."""

    name: str


Order = Start | Drain | End | Kill


def step(view: FleetView, now: datetime) -> list[Order]:
    """What to do now."""
    alive = [w for w in view.workers if w.state in ALIVE]
    late = now - view.finished if view.finished else timedelta(0)  # a worker ends by itself when all is done
    if view.interrupts > 2 or late > 2 * view.hang_timeout:
        return [Kill(w.name) for w in alive]
    if is_over_budget(view) or view.interrupts == 2 or late > view.hang_timeout:
        return [End(w.name) for w in alive]
    if view.draining or is_near_budget(view):
        return [End(w.name, "nothing more is begun") if _absent(w) else Drain(w.name) for w in alive]
    orders: list[Order] = []
    for lot in view.groups:
        mine = [w for w in alive if w.lot == lot.number]
        if group_given_up(view, lot):
            orders += [End(w.name, "its lot was given up") for w in mine if not w.shards]
        elif lot.rented:
            orders += [End(w.name, "what runs on it failed") for w in mine if w.phase == Phase.FAILING]
            orders += [
                End(w.name, f"{w.infra} took it away") for w in mine if should_relocate(view, lot, w, now)
            ]
    return orders + _starts(view, now)


def _absent(worker: MachineView) -> bool:
    """Whether it has no machine now, and would only get one to hear that there is nothing to do."""
    return worker.phase in (Phase.WAITING, Phase.RECOVERING, Phase.FAILING)


def _starts(view: FleetView, now: datetime) -> list[Order]:
    """A machine for each slot that may have its next one, while there is work for it."""
    orders: list[Order] = []
    alive = [w for w in view.workers if occupies_slot(w)]
    lots = {lot.number: lot for lot in view.groups}
    left = view.shards - view.done - sum(lots[w.lot].workers for w in alive if w.lot in lots)
    coming = sum(1 for w in alive if w.phase == Phase.WAITING or w.state == MachineState.INTENDED)
    rate = sum(lots[w.lot].tokens_per_second or 0.0 for w in alive if w.lot in lots)
    for lot in view.groups:
        if group_given_up(view, lot):
            continue
        for slot in range(lot.slots):
            past = [w for w in view.workers if (w.lot, w.slot) == (lot.number, slot)]
            if (
                left <= 0
                or any(occupies_slot(w) for w in past)
                or not may_start(past, now, rented=lot.rented)
            ):
                continue
            if lot.rented and (coming >= LAUNCH_WAVE or not is_worth_starting(lot, view.tokens_left, rate)):
                break
            orders.append(
                Start(slot, f"{lot.name}{slot}-{_number(past)}", lot.number, _where(view, lot, slot, now))
            )
            left -= lot.workers
            coming += 1
            rate += lot.tokens_per_second or 0.0
    return orders


def _number(past: Sequence[MachineView]) -> int:
    """Of the slot's next machine: one that no earlier one had, also where this ledger does not know them all."""
    return 1 + max((int(worker.name.rpartition("-")[2]) for worker in past), default=-1)


def _where(view: FleetView, lot: FleetGroup, slot: int, now: datetime) -> tuple[Place, ...]:
    if not lot.rented:
        return ()
    return order_places(lot.places, home_place(lot.places, lot.counts, slot), view.failures, now)


def occupies_slot(worker: MachineView) -> bool:
    """Whether it holds its slot. One that was told to end makes room before it is gone; one that failed does not."""
    return worker.state in ALIVE and worker.phase != Phase.ENDING


def is_worth_starting(lot: FleetGroup, tokens_left: float | None, rate: float) -> bool:
    """Whether a machine that is asked for now would be of use for long enough, beside others of this `rate` together."""
    if tokens_left is None or not lot.tokens_per_second or not rate:
        return True
    useful = (tokens_left - rate * lot.cold_start) / (rate + lot.tokens_per_second)
    return useful >= MIN_USEFUL_SHARE * lot.cold_start


def should_relocate(view: FleetView, lot: FleetGroup, worker: MachineView, now: datetime) -> bool:
    """Whether a machine that was taken away is better asked for elsewhere than where SkyPilot asks: the same place."""
    if worker.phase != Phase.RECOVERING or worker.infra is None:
        return False
    if is_healthy(worker.infra, view.failures, now):
        return False
    return any(p.infra != worker.infra and is_healthy(p.infra, view.failures, now) for p in lot.places)


def consecutive_deaths(past: Sequence[MachineView], *, rented: bool = False) -> int:
    """How often in a row the slot's machines died without finishing a shard, since somebody last launched."""
    dead = (MachineState.LOST, MachineState.FAILED) if rented else (MachineState.LOST,)
    count = 0
    for worker in reversed(past):
        if worker.state not in dead or worker.shards or worker.earlier:
            break
        count += 1
    return count


def slot_given_up(past: Sequence[MachineView], *, rented: bool = False) -> bool:
    """Whether another start in this slot cannot help; whoever launches again has mended something."""
    failed = bool(past) and past[-1].state == MachineState.FAILED and not past[-1].earlier
    return (failed and not rented) or consecutive_deaths(past, rented=rented) >= MAX_DEATHS


def group_given_up(view: FleetView, lot: FleetGroup) -> bool:
    """Whether so many machines of a rented lot could not work, and none could, that more would only cost money."""
    mine = [w for w in view.workers if w.lot == lot.number and not w.earlier]
    failed = sum(1 for w in mine if w.state == MachineState.FAILED)
    return lot.rented and failed >= MAX_GROUP_FAILURES and not any(w.shards for w in mine)


def may_start(past: Sequence[MachineView], now: datetime, *, rented: bool = False) -> bool:
    """Whether the slot may have its next machine now: at once after one that worked, slower after each death."""
    if slot_given_up(past, rented=rented):
        return False
    died = consecutive_deaths(past, rented=rented)
    ended = past[-1].ended if past else None
    return not died or ended is None or now - ended >= min(MAX_BACKOFF, timedelta(seconds=0.5 * 2**died))


def is_stuck(view: FleetView) -> bool:
    """Whether work is left, nobody does it, and nobody will."""
    if view.done >= view.shards or any(w.state in ALIVE for w in view.workers):
        return False
    return all(group_given_up(view, lot) or _all_hopeless(view, lot) for lot in view.groups)


def _all_hopeless(view: FleetView, lot: FleetGroup) -> bool:
    slots: list[list[MachineView]] = [[] for _ in range(lot.slots)]
    for worker in view.workers:
        if worker.lot == lot.number and worker.slot < lot.slots:
            slots[worker.slot].append(worker)
    return all(slot_given_up(past, rented=lot.rented) for past in slots)


def is_near_budget(view: FleetView) -> bool:
    """Spent and bound to be, at 90 % of the budget or more: nothing new begins."""
    return view.spent is not None and word(view.spent + view.committed, view.budget) != Word.GO


def is_over_budget(view: FleetView) -> bool:
    return view.spent is not None and word(view.spent + view.committed, view.budget) == Word.STOP
