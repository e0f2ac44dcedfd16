"""Which workers to start and to end, from what is seen. The whole policy of a local fleet, without touching it.

Pure: `step` takes a View and gives Orders. A slot holds one worker at a time; a dead worker is replaced, ever
more slowly, until it has died too often without finishing a shard.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from launcher.guard import Word, word
from launcher.record import MachineState

DEATHS = 5  # in a row, without one shard done, before a slot is given up
SLOWEST = timedelta(seconds=30)  # between a death and the next start
HUNG = timedelta(
    seconds=15
)  # that a worker may live after the last shard; the next look of a waiting one is sooner

ALIVE = (MachineState.INTENDED, MachineState.UP)


@dataclass(frozen=True, slots=True)
class Seen:
    """A worker, living or dead. `shards` are those it has receipts for; `earlier`: its end was before this launch."""

    name: str
    slot: int
    state: MachineState
    ended: datetime | None
    shards: int
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """All that the policy knows. `workers` in the order they were intended."""

    run: str
    slots: int
    workers: Sequence[Seen]
    shards: int
    done: int
    draining: bool
    spent: Decimal | None = None
    committed: Decimal = Decimal(0)  # bound to be spent: leases in hand, the way down, least billing
    budget: Decimal | None = None
    finished: datetime | None = None  # since when every shard has a receipt
    interrupts: int = 0  # how often the user asked to stop


@dataclass(frozen=True, slots=True)
class Start:
    """Start a worker under this name."""

    slot: int
    name: str


@dataclass(frozen=True, slots=True)
class Drain:
    """Let this worker finish the shard in its hands and end."""

    name: str


@dataclass(frozen=True, slots=True)
class End:
    """Let this worker give its lease back and end at once."""

    name: str


@dataclass(frozen=True, slots=True)
class Kill:
    """This worker does not hear: take it away. Its receipts count, its lease is freed."""

    name: str


Order = Start | Drain | End | Kill


def step(view: View, now: datetime) -> list[Order]:
    """What to do now."""
    alive = [w for w in view.workers if w.state in ALIVE]
    late = now - view.finished if view.finished else timedelta(0)  # a worker ends by itself when all is done
    if view.interrupts > 2 or late > 2 * HUNG:
        return [Kill(w.name) for w in alive]
    if over_budget(view) or view.interrupts == 2 or late > HUNG:
        return [End(w.name) for w in alive]
    if view.draining or near_budget(view):
        return [Drain(w.name) for w in alive]
    orders: list[Order] = []
    left = view.shards - view.done - len(alive)
    for slot in range(view.slots):
        past = [w for w in view.workers if w.slot == slot]
        if left > 0 and not any(w.state in ALIVE for w in past) and startable(past, now):
            orders.append(Start(slot, f"{view.run}-w{slot}-{len(past)}"))
            left -= 1
    return orders


def deaths(past: Sequence[Seen]) -> int:
    """How often in a row the slot's workers died without finishing a shard, since somebody last launched."""
    count = 0
    for worker in reversed(past):
        if worker.state != MachineState.LOST or worker.shards or worker.earlier:
            break
        count += 1
    return count


def hopeless(past: Sequence[Seen]) -> bool:
    """Whether another start in this slot cannot help; whoever launches again has mended something."""
    failed = bool(past) and past[-1].state == MachineState.FAILED and not past[-1].earlier
    return failed or deaths(past) >= DEATHS


def startable(past: Sequence[Seen], now: datetime) -> bool:
    """Whether the slot may have its next worker now: at once after one that worked, slower after each death."""
    if hopeless(past):
        return False
    died = deaths(past)
    ended = past[-1].ended if past else None
    return not died or ended is None or now - ended >= min(SLOWEST, timedelta(seconds=0.5 * 2**died))


def stuck(view: View) -> bool:
    """Whether work is left, nobody does it, and nobody will."""
    if view.done >= view.shards or any(w.state in ALIVE for w in view.workers):
        return False
    return all(hopeless([w for w in view.workers if w.slot == slot]) for slot in range(view.slots))


def near_budget(view: View) -> bool:
    """Spent and bound to be, at 90 % of the budget or more: nothing new begins."""
    return view.spent is not None and word(view.spent + view.committed, view.budget) != Word.GO


def over_budget(view: View) -> bool:
    return view.spent is not None and word(view.spent + view.committed, view.budget) == Word.STOP
