"""Rebuild a ledger from the output path alone, on any laptop.

The store holds the truth: the plan as it was launched, the manifest, every receipt, and each worker's last heartbeat.
Only money that was never written there is lost, and stays unknown. Idempotent: in a ledger that knows the run it adds
what is missing and changes nothing else.
"""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal

from launcher.errors import Problem
from launcher.fleet.monitoring.store_observer import StoreObserver, returned_lease
from launcher.fleet.provisioner import is_rented
from launcher.jobs import job as jobs
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import MachineState, Run, RunState
from launcher.planning import plan_file
from launcher.planning.saved_plan import SavedPlan
from tasks.clock import utc
from tasks.protocol import manifest
from tasks.protocol.heartbeat import Heartbeat, load
from tasks.protocol.keys import heartbeats_prefix, plan_key
from tasks.protocol.worker_names import machine_of
from tasks.stores.base import Store, list_all, read

CLEAN_ENDS = ("done", "stopped")  # a heartbeat's last state


def rebuild(ledger: Ledger, store: Store, output: str, name: str) -> Run:
    """Write down all that the store knows of a run.

    Raises:
        Problem: the run has no plan in the store.
    """
    text = read(store, plan_key(name))
    if text is None:
        raise Problem(
            f"run {name} has no plan under {output}: it was launched by an older version",
            hint="resume it where it was launched from, with the ledger there",
        )
    plan = plan_file.read(text)
    created = next(entry.modified for entry in store.list(plan_key(name)))
    job = jobs.load(plan.work.job)
    ledger.runs.create(name, job.name, json.dumps(json.loads(text)), plan.digest, output, created)
    try:
        header = manifest.read_header(store, name)
    except manifest.RunNotFound:  # its launcher died before the manifest was whole: `resume` writes it
        return ledger.runs.find(name)
    ledger.shards.add(name, manifest.all_shards(store, header))
    observer = StoreObserver(store, ledger, header)
    observer.read_receipts()
    _rebuild_machines(ledger, store, name, plan)
    observer.record_lost_leases()
    if ledger.runs.find(name).state == RunState.PLANNED:
        ledger.runs.set_state(name, RunState.DONE if observer.finished else RunState.STOPPED, utc())
        ledger.runs.record_event(name, "rebuilt", f"from {output}", utc())
    return ledger.runs.find(name)


def _rebuild_machines(ledger: Ledger, store: Store, run: str, plan: SavedPlan) -> None:
    """Write down each machine as its workers' heartbeats show it. Those that still work are found by their backend."""
    group = plan.lots[0]
    price: Decimal | None = None
    if not is_rented(plan) and group.usd_per_hour is not None:
        price = group.usd_per_hour / group.workers
    by_machine = _heartbeats(store, run, rented=is_rented(plan))
    ordered = sorted(by_machine.items(), key=lambda one: one[1][0].started)
    for number, (machine, found) in enumerate(ordered):
        started = min(h.started for h in found)
        if ledger.machines.intend(run, machine, number, price, started, gpu=group.gpu):
            ledger.machines.confirm(machine, f"{found[0].pid}:{machine}", started)
            _end_machine(ledger, machine, found)
    for found in by_machine.values():
        for one in found:
            ledger.shards.record_leases(run, [returned_lease(one.worker, entry) for entry in one.returned])


def _heartbeats(store: Store, run: str, *, rented: bool) -> Mapping[str, Sequence[Heartbeat]]:
    """The last heartbeats of all workers by machine; a worker of a laptop is a machine of its own."""
    found: dict[str, list[Heartbeat]] = {}
    for entry in list_all(store, heartbeats_prefix(run)):
        body = read(store, entry.key)
        if body is not None:
            one = load(body)
            machine = machine_of(one.worker) if rented else None
            found.setdefault(machine or one.worker, []).append(one)
    return found


def _end_machine(ledger: Ledger, machine: str, found: Sequence[Heartbeat]) -> None:
    ready = [h.ready for h in found if h.ready]
    if ready:
        ledger.machines.mark_ready(machine, min(ready))
    ended = max(h.stopping or h.at for h in found)
    clean = all(h.state in CLEAN_ENDS for h in found)
    state = MachineState.STOPPED if clean else MachineState.LOST
    started = min(h.started for h in found)
    ledger.machines.end(machine, state, max(started, ended), "its last sign of life, by the output path")
