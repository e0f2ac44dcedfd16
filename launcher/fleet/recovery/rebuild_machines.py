"""The machines of a run as its output path shows them: by signs of life of their workers, and by what launchers recorded.

What a launcher recorded of a machine's life (when it began, its price, what it cost) holds; a machine without a record is
known by the heartbeats and receipts of its workers alone.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from launcher.costs.shared_spend import LifeSpend
from launcher.fleet.monitoring.store_observer import StoreObserver, returned_lease
from launcher.fleet.provisioning.provisioner import fleet_groups, is_rented
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.fleet.scheduling.states import CLEAN_ENDS, ENDS
from launcher.ledger.records import LOCAL_SITE, LifeEnd, MachineState, Site
from launcher.planning.saved.saved_plan import SavedPlan
from tasks.protocol.keys import heartbeats_prefix, worker_of
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.protocol.messages.worker_names import machine_of
from tasks.stores.base import Store, list_all

Span = tuple[datetime, datetime]
Recorded = Mapping[str, Sequence[LifeSpend]]
LOCAL_SILENCE = timedelta(minutes=2)  # a worker of a laptop writes every two seconds while it lives
LAST_SIGN = "its last sign of life, by the output path"
MAX_LIVES = 10_000  # of a machine: a higher number is none that a provider counted
MAX_HOURS = 10 * 366 * 24  # of a life: a record of more is no time


@dataclass(slots=True)
class _Signs:
    """What the store says of a machine: the last heartbeats of its workers, and their receipts."""

    beats: list[tuple[Heartbeat, datetime]]  # each with the time of its object, by the store's clock
    receipts: Span | None = None  # when the first was begun, and the last was made
    whole: bool = True  # every heartbeat can be read

    @property
    def started(self) -> datetime:
        return min([one.started for one, _ in self.beats] + ([self.receipts[0]] if self.receipts else []))

    @property
    def ended(self) -> datetime:
        last = [one.stopping or one.at for one, _ in self.beats]
        return max(self.started, *last, *([self.receipts[1]] if self.receipts else []))

    def handle(self, machine: str) -> str:
        """What its launcher called the process; that of a rented machine is the provider's, and is not in the store."""
        return f"{self.beats[0][0].pid if self.beats else '?'}:{machine}"

    def add_receipt(self, started: datetime, finished: datetime) -> None:
        known = self.receipts or (started, finished)
        self.receipts = min(known[0], started), max(known[1], finished)

    def may_live(self, now: datetime, *, rented: bool) -> bool:
        """Whether a worker may still be at work: it did not say goodbye, and its silence proves nothing."""
        open_ends = [modified for one, modified in self.beats if one.state not in ENDS]
        if rented:
            return bool(open_ends) or not self.whole
        return any(now - modified <= LOCAL_SILENCE for modified in open_ends)


def rebuild_machines(observer: StoreObserver, plan: SavedPlan, recorded: Recorded) -> None:
    """Write down each machine that left a sign of life."""
    ledger, run, rented = observer.ledger, observer.run, is_rented(plan)
    groups = fleet_groups(plan)
    now = observer.store.now()
    ordered = sorted(_signs(observer, rented=rented).items(), key=lambda one: one[1].started)
    for number, (machine, signs) in enumerate(ordered):
        group = next((one for one in groups if machine.startswith(one.name)), groups[0])
        lives = recorded.get(machine, ()) if rented else _of_process(signs, machine, recorded)
        started = min([signs.started, *(life.started for life in lives)])
        # Of a rented machine each life has a price, where it is recorded. What a process cost whose heartbeat is damaged,
        # and that no launcher recorded, is not known.
        price = None if rented or not (signs.whole or lives) else group.usd_per_hour
        if not ledger.machines.intend(
            run,
            machine,
            number,
            price,
            started,
            gpu=group.gpu,
            lot=group.number if rented else None,
            site=_site(group),
        ):
            continue
        if rented:
            _begin_lives(observer, machine, group, lives, signs)
        ready = [one.ready for one, _ in signs.beats if one.ready]
        if ready:
            ledger.machines.mark_ready(machine, min(ready))
        if not signs.may_live(now, rented=rented):
            ledger.machines.confirm(machine, signs.handle(machine), started)
            clean = signs.whole and all(one.state in CLEAN_ENDS for one, _ in signs.beats)
            state = MachineState.STOPPED if clean else MachineState.LOST
            ended = max([signs.ended, *(end for life in lives if (end := _end_of(life)))])
            ledger.machines.end(machine, state, ended, LAST_SIGN)
    for _, signs in ordered:
        for one, _ in signs.beats:
            ledger.shards.record_leases(run, [returned_lease(one.worker, entry) for entry in one.returned])


def _of_process(signs: _Signs, machine: str, recorded: Recorded) -> Sequence[LifeSpend]:
    """What is recorded of the process that left these signs: another one may have had its name before."""
    lives = recorded.get(machine, ())
    if not signs.beats:
        return lives if len(lives) == 1 else ()
    return [life for life in lives if life.life == signs.handle(machine)]


def _begin_lives(
    observer: StoreObserver, machine: str, group: FleetGroup, lives: Sequence[LifeSpend], signs: _Signs
) -> None:
    """Write down the lives of a rented machine; one that no launcher recorded began with its first sign."""
    machines = observer.ledger.machines
    counted = [(int(one.life), one) for one in lives if one.usd and _is_count(one.life)]
    for number, life in sorted(counted, key=lambda one: one[0]):
        clouds = {place.cloud for place in group.places}
        site = replace(_site(group), cloud=life.cloud) if life.cloud in clouds else _site(group)
        machines.begin_life(machine, number, life.started, site, life.usd_per_hour or None)
        if life.ended:
            machines.end_life(machine, number, _end_of(life) or life.started, LifeEnd.LOST)
    if not counted:
        machines.begin_life(machine, 0, signs.started, _site(group), None)


def _is_count(life: str) -> bool:
    return life.isascii() and life.isdigit() and len(life) < len(str(MAX_LIVES))


def _end_of(life: LifeSpend) -> datetime | None:
    """Until when a life was paid for when it was recorded; None: its price is not known, or no time comes out."""
    if not life.usd_per_hour or life.usd > life.usd_per_hour * MAX_HOURS:
        return None
    return life.started + timedelta(hours=float(life.usd / life.usd_per_hour))


def _site(group: FleetGroup) -> Site:
    """Where a machine of this group was asked for; which of its places it got is not in the store."""
    if not group.rented:
        return LOCAL_SITE
    return Site(cloud=group.places[0].cloud, purchase=group.purchase, gpus=group.gpus)


def _signs(observer: StoreObserver, *, rented: bool) -> dict[str, _Signs]:
    """What the store says of each machine; a worker of a laptop is a machine of its own."""
    found = defaultdict[str, _Signs](lambda: _Signs([]))
    for worker, modified in _workers(observer.store, observer.run):
        signs = found[(machine_of(worker) if rented else None) or worker]
        one = observer.load_heartbeat(worker)
        if one is None:
            signs.whole = False
        else:
            signs.beats.append((one, modified))
    for done in observer.ledger.shards.each_receipt(observer.run):
        machine = (machine_of(done.worker) if rented else None) or done.worker
        if machine not in found:
            found[machine].whole = False  # its heartbeat is gone
        if not found[machine].whole:
            found[machine].add_receipt(done.started, done.finished)
    return {name: signs for name, signs in found.items() if signs.beats or signs.receipts}


def _workers(store: Store, run: str) -> Iterator[tuple[str, datetime]]:
    for entry in list_all(store, heartbeats_prefix(run)):
        yield worker_of(entry.key), entry.modified
