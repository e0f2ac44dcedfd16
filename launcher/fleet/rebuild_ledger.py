"""Rebuild a ledger from the output path alone, on any laptop.

The store holds the truth: the plan as it was launched, the manifest, every receipt, what each worker said last. Only
money that nobody wrote there is gone, and stays unknown. Done twice, or beside a ledger that knows the run, it adds
what is missing and changes nothing else.
"""

import json
from decimal import Decimal
from typing import Any

from launcher.errors import Problem
from launcher.fleet.monitoring.store_observer import StoreObserver, returned_lease
from launcher.jobs import job as jobs
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import MachineState, Run, RunState
from launcher.planning import plan_file
from tasks.clock import utc
from tasks.protocol import manifest
from tasks.protocol.heartbeat import Heartbeat, load
from tasks.protocol.keys import heartbeats_prefix, plan_key
from tasks.protocol.manifest import Header
from tasks.protocol.worker_names import machine_of
from tasks.stores.base import Store, every, read


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
    body = plan_file.check(json.loads(text))
    created = next(entry.modified for entry in store.list(plan_key(name)))
    job = jobs.load(body["work"]["job"])
    ledger.runs.create(name, job.name, json.dumps(body), body["digest"], output, created)
    try:
        header = manifest.read_header(store, name)
    except manifest.RunNotFound:  # its launcher died before the manifest was whole: `resume` writes it
        return ledger.runs.find(name)
    ledger.shards.add(name, manifest.all_shards(store, header))
    eye = StoreObserver(store, ledger, header)
    eye.read_receipts()
    _machines(ledger, eye, header, body)
    eye.record_lost_leases()
    if ledger.runs.find(name).state == RunState.PLANNED:
        ledger.runs.set_state(name, RunState.DONE if eye.finished else RunState.STOPPED, utc())
        ledger.runs.record_event(name, "rebuilt", f"from {output}", utc())
    return ledger.runs.find(name)


def _machines(ledger: Ledger, eye: Any, header: Header, body: dict[str, Any]) -> None:
    """Each machine as its workers told of it. Whoever still works there is found by its cloud, not by us."""
    lot = body["lots"][0]
    local = lot["cloud"] == "local"
    price = Decimal(lot["usd_per_hour"]) / int(lot["workers"]) if local and lot["usd_per_hour"] else None
    pulses: dict[str, list[Heartbeat]] = {}
    for entry in every(eye.store, heartbeats_prefix(header.run)):
        said = read(eye.store, entry.key)
        if said is None:
            continue
        pulse = load(said)
        rented = None if local else machine_of(pulse.worker)
        pulses.setdefault(rented or pulse.worker, []).append(pulse)
    for number, (machine, told) in enumerate(sorted(pulses.items(), key=lambda one: one[1][0].started)):
        started = min(pulse.started for pulse in told)
        gpu = str(lot["gpu"])
        if not ledger.machines.intend(header.run, machine, number, price, started, gpu=gpu):
            continue
        ledger.machines.confirm(machine, f"{told[0].pid}:{machine}", started)
        ready = [pulse.ready for pulse in told if pulse.ready]
        if ready:
            ledger.machines.mark_ready(machine, min(ready))
        ended = max(pulse.stopping or pulse.at for pulse in told)
        well = all(pulse.state in ("done", "stopped") for pulse in told)
        state = MachineState.STOPPED if well else MachineState.LOST
        ledger.machines.end(machine, state, max(started, ended), "its last sign of life, by the output path")
    for pulse in (pulse for told in pulses.values() for pulse in told):
        ledger.shards.record_leases(
            header.run, [returned_lease(pulse.worker, entry) for entry in pulse.returned]
        )
