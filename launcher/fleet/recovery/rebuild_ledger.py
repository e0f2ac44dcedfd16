"""Rebuild a ledger from the output path alone, on any laptop.

The store holds the truth: the plan as it was launched, the manifest, every receipt, and each worker's last heartbeat.
Only money that was never written there is lost, and stays unknown. Idempotent: in a ledger that knows the run it adds
what is missing and changes nothing else. An object that cannot be read is named and left out; the rest is rebuilt.

A machine counts as ended only where its workers said goodbye, or where a worker of a laptop has been silent for long.
Any other may still work and cost money, here or elsewhere: it is written down as intended, so that the next command
that may ask its backend finds out what became of it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from launcher.errors import Problem
from launcher.fleet.monitoring.store_observer import StoreObserver, returned_lease
from launcher.fleet.provisioning.provisioner import fleet_groups, is_rented
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.fleet.scheduling.states import ALIVE, CLEAN_ENDS, ENDS
from launcher.jobs import job as jobs
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import LOCAL_SITE, MachineState, Run, RunState, Site
from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_plan import SavedPlan
from tasks.clock import utc
from tasks.protocol import documents, manifest
from tasks.protocol.keys import heartbeats_prefix, manifest_slab_key, plan_key, worker_of
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.protocol.messages.worker_names import machine_of
from tasks.protocol.shard import Shard
from tasks.stores.base import Store, list_all, read

Span = tuple[datetime, datetime]
LOCAL_SILENCE = timedelta(minutes=2)  # a worker of a laptop writes every two seconds while it lives
LAST_SIGN = "its last sign of life, by the output path"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A run as it is in the ledger now, and the keys of objects that could not be read."""

    run: Run
    unreadable: tuple[str, ...] = ()


def rebuild(ledger: Ledger, store: Store, output: str, name: str) -> Rebuilt:
    """Write down all that the store knows of a run.

    Raises:
        Problem: the run has no plan in the store, or its plan or header cannot be read.
    """
    text = read(store, plan_key(name))
    if text is None:
        raise Problem(
            f"run {name} has no plan under {output}: it was launched by an older version",
            hint="resume it where it was launched from, with the ledger there",
        )
    plan = plan_file.read(text)
    if plan.run != name:
        raise plan_file.BadPlan(
            f"{plan_key(name)} is the plan of run {plan.run}",
            hint="move its folder back to the name of its run",
        )
    created = next(entry.modified for entry in store.list(plan_key(name)))
    job = jobs.load(plan.work.job)
    ledger.runs.create(name, job.name, plan_file.compact(text), plan.digest, output, created)
    try:
        header = manifest.read_header(store, name)
    except manifest.RunNotFound:  # its launcher died before the manifest was whole: `resume` writes it
        return Rebuilt(ledger.runs.find(name))
    observer = StoreObserver(store, ledger, header)
    for number in observer.slabs:
        ledger.shards.add(name, _slab(observer, number))
    observer.read_receipts()
    _rebuild_machines(observer, plan)
    observer.record_lost_leases()
    if len(observer.slabs) < manifest.slab_count(header):
        observer.unreadable[manifest_slab_key(name, len(observer.slabs))] = "it is missing"
    _set_state(ledger, name, output, finished=observer.finished)
    return Rebuilt(ledger.runs.find(name), tuple(sorted(observer.unreadable)))


def watch_again(observer: StoreObserver, output: str) -> None:
    """Write down which workers have come since, and how the run stands by them: of a ledger that only watches.

    The observer has read the receipts.
    """
    ledger, run = observer.ledger, observer.run
    _rebuild_machines(observer, plan_file.read_recorded(ledger.runs.find(run).plan))
    state = _state_by_output(ledger, run, finished=observer.finished)
    if ledger.runs.find(run).state != state:
        ledger.runs.set_state(run, state, utc())
        ledger.runs.record_event(run, "rebuilt", f"from {output}", utc())


def _slab(observer: StoreObserver, number: int) -> Sequence[Shard]:
    """The shards of a slab; none where it cannot be read."""
    try:
        return manifest.read_slab(observer.store, observer.run, number, observer.header.shards)
    except (documents.BadDocument, manifest.RunNotFound) as problem:
        observer.unreadable[manifest_slab_key(observer.run, number)] = str(problem)
        return ()


def _set_state(ledger: Ledger, run: str, output: str, *, finished: bool) -> None:
    if ledger.runs.find(run).state != RunState.PLANNED:
        return
    ledger.runs.set_state(run, _state_by_output(ledger, run, finished=finished), utc())
    ledger.runs.record_event(run, "rebuilt", f"from {output}", utc())


def _state_by_output(ledger: Ledger, run: str, *, finished: bool) -> RunState:
    """How a run stands by what its workers wrote."""
    if finished:
        return RunState.DONE
    return RunState.RUNNING if ledger.machines.of_run(run, set(ALIVE)) else RunState.STOPPED


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

    def add_receipt(self, started: datetime, finished: datetime) -> None:
        known = self.receipts or (started, finished)
        self.receipts = min(known[0], started), max(known[1], finished)

    def may_live(self, now: datetime, *, rented: bool) -> bool:
        """Whether a worker may still be at work: it did not say goodbye, and its silence proves nothing."""
        open_ends = [modified for one, modified in self.beats if one.state not in ENDS]
        if rented:
            return bool(open_ends) or not self.whole
        return any(now - modified <= LOCAL_SILENCE for modified in open_ends)


def _rebuild_machines(observer: StoreObserver, plan: SavedPlan) -> None:
    """Write down each machine as its workers' heartbeats and receipts show it."""
    ledger, run, rented = observer.ledger, observer.run, is_rented(plan)
    groups = fleet_groups(plan)
    now = observer.store.now()
    ordered = sorted(_signs(observer, rented=rented).items(), key=lambda one: one[1].started)
    for number, (machine, signs) in enumerate(ordered):
        group = next((one for one in groups if machine.startswith(one.name)), groups[0])
        # What a rented machine costs is known to its provider alone, and what one cost whose heartbeat is damaged
        # to nobody.
        price = None if rented or not signs.whole else group.usd_per_hour
        site = _site(group)
        lot = group.number if rented else None
        if not ledger.machines.intend(
            run, machine, number, price, signs.started, gpu=group.gpu, lot=lot, site=site
        ):
            continue
        if rented:
            ledger.machines.begin_life(machine, 0, signs.started, site, None)
        ready = [one.ready for one, _ in signs.beats if one.ready]
        if ready:
            ledger.machines.mark_ready(machine, min(ready))
        if not signs.may_live(now, rented=rented):
            pid = signs.beats[0][0].pid if signs.beats else "?"
            ledger.machines.confirm(machine, f"{pid}:{machine}", signs.started)
            clean = signs.whole and all(one.state in CLEAN_ENDS for one, _ in signs.beats)
            state = MachineState.STOPPED if clean else MachineState.LOST
            ledger.machines.end(machine, state, signs.ended, LAST_SIGN)
    for _, signs in ordered:
        for one, _ in signs.beats:
            ledger.shards.record_leases(run, [returned_lease(one.worker, entry) for entry in one.returned])


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
