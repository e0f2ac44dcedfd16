"""End the machines of a run before its work is done: drain them, or take everything down."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from launcher.fleet.backends import provider_api, skypilot
from launcher.fleet.monitoring.machine_tracker import MachineTracker
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.orphan_check import regions_used
from launcher.fleet.provisioner import is_rented
from launcher.fleet.run_lock import RunLocked, run_lock
from launcher.fleet.states import ALIVE, Phase
from launcher.fleet.status import tracker_of
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import MachineState, Run, RunState
from tasks import skypilot_task
from tasks.clock import utc
from tasks.protocol import control

SKYPILOT_TIMEOUT_SECONDS = 900.0  # seconds for SkyPilot to take everything down
LOCAL_TIMEOUT_SECONDS = 15.0  # seconds for a worker of this machine to end


def drain(ledger: Ledger, run: Run, eye: StoreObserver, census: MachineTracker) -> None:
    """No launcher is at work: tell the machines ourselves. One that is still to come is cancelled."""
    census.reconcile()
    if ledger.find(run.id).state == RunState.RUNNING:
        ledger.set_run_state(run.id, RunState.DRAINING, utc())
    up = {m.name: m.handle for m in ledger.machines(run.id, {MachineState.UP}) if m.handle}
    gone = (Phase.WAITING, Phase.RECOVERING, Phase.FAILING)
    absent = [n for n in up if (s := census.statuses.get(n)) and s.phase in gone]
    for name in up:
        ledger.stopping_machine(name, utc())
    census.backend.drain([handle for name, handle in up.items() if name not in absent])
    census.backend.terminate([handle for name, handle in up.items() if name in absent])
    del eye


def take_down(
    ledger: Ledger,
    run: Run,
    eye: StoreObserver | None,
    folder: Path,
    plan: Mapping[str, Any],
    *,
    say: Callable[[str], None],
) -> None:
    """Cancel the jobs, wait for their machines to go, and end what is left over."""
    if eye is None:
        return
    try:
        with run_lock(folder, run.id):
            control.send(
                eye.store, run.id, "drain", utc()
            )  # a machine that comes up meanwhile begins nothing
            census = tracker_of(ledger, run, eye, folder)
            census.reconcile()
            _end_all(ledger, run, census, say)
            if is_rented(plan):
                _sweep(ledger, run, plan, say)
            if ledger.find(run.id).state not in (RunState.DONE, RunState.STOPPED):
                ledger.set_run_state(run.id, RunState.STOPPED, utc())
            ledger.note(run.id, "down", "everything was taken down", utc())
    except RunLocked as busy:
        raise RunLocked(
            f"{busy}, which would start machines again", hint="end that launcher (Ctrl-C), then again"
        ) from busy


def _end_all(ledger: Ledger, run: Run, census: MachineTracker, say: Callable[[str], None]) -> None:
    told: set[str] = set()
    is_rented = census.workers is not None
    end = time.monotonic() + (SKYPILOT_TIMEOUT_SECONDS if is_rented else LOCAL_TIMEOUT_SECONDS)
    while True:
        machines = ledger.machines(run.id, set(ALIVE))
        handles = {m.handle for m in machines if m.handle}
        if is_rented:  # those too that the ledger never heard of
            handles |= {
                f"{j.id}:{j.name}" for j in skypilot.list_jobs(skypilot_task.prefix(run.id)) if j.alive
            }
        if not handles:
            break
        for machine in machines:
            ledger.stopping_machine(machine.name, utc())
        census.backend.terminate(sorted(handles - told))
        told |= handles
        if time.monotonic() > end:
            census.backend.kill(sorted(handles))
        say(f"{len(handles)} still to go")
        time.sleep(min(3.0, census.backend.poll_seconds))
        census.backend.refresh()
        census.resolve_intents()
        census.refresh_machines()
    for machine in ledger.machines(run.id, set(ALIVE)):
        ledger.end_machine(machine.name, MachineState.STOPPED, utc(), "taken down")


def _sweep(ledger: Ledger, run: Run, plan: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Machines that no job holds any more: SkyPilot's, then those that only the provider knows."""
    for cluster, _ in skypilot.list_clusters(skypilot_task.prefix(run.id)):
        say(f"taking {cluster} down")
        skypilot.down_cluster(cluster)
    regions = regions_used(ledger, run, plan).get("aws")
    if regions:
        found = provider_api.list_instances("aws", regions, skypilot_task.label(run.id))
        for one in found:
            say(f"ending {one.id} in {one.cloud} {one.zone}, which SkyPilot does not know")
        provider_api.terminate(found)
