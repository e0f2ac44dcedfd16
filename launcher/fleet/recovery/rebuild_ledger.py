"""Rebuild a ledger from the output path alone, on any laptop.

The store holds the truth: the plan as it was launched, the manifest, every receipt, and each worker's last heartbeat.
Money is what launchers recorded there of each machine; what was never written there is lost, and stays unknown.
Idempotent: in a ledger that knows the run it adds what is missing and changes nothing else. An object that cannot be
read is named and left out; the rest is rebuilt.

A machine counts as ended only where its workers said goodbye, or where a worker of a laptop has been silent for long.
Any other may still work and cost money, here or elsewhere: it is written down as intended, so that the next command
that may ask its backend finds out what became of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from launcher.errors import Problem
from launcher.fleet.budget.recorded_spend import note_recorded, recorded_lives
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.recovery.rebuild_machines import Recorded, rebuild_machines
from launcher.fleet.scheduling.states import ALIVE
from launcher.jobs import job as jobs
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_plan import SavedPlan
from tasks.clock import utc
from tasks.protocol import documents, manifest
from tasks.protocol.keys import budget_prefix, manifest_slab_key, plan_key
from tasks.protocol.shard import Shard
from tasks.stores.base import Store, read


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
    _rebuild_money(observer, plan)
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
    _rebuild_money(observer, plan_file.read_recorded(ledger.runs.find(run).plan))
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


def _rebuild_money(observer: StoreObserver, plan: SavedPlan) -> None:
    """Write down the machines, and what is recorded of others that left no sign of life."""
    store, run = observer.store, observer.run
    try:
        recorded: Recorded = recorded_lives(store, run)
    except Problem:
        recorded = {}
    rebuild_machines(observer, plan, recorded)
    try:
        note_recorded(observer.ledger, store, run, utc())
    except Problem as problem:
        observer.unreadable[budget_prefix(run)] = str(problem)
