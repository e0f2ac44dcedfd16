"""End the machines of a run before its work is done: drain them, or take everything down."""

import time
from collections.abc import Callable
from pathlib import Path

from launcher.fleet.backends import provider_api, skypilot_client
from launcher.fleet.monitoring.machine_tracker import MachineTracker
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.orphan_check import regions_used
from launcher.fleet.provisioning.provisioner import is_rented
from launcher.fleet.run_context import context_of, track_machines
from launcher.fleet.run_lock import RunLocked, run_lock
from launcher.fleet.scheduling.states import ALIVE, Phase
from launcher.format import plural
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import MachineState, Run, RunState
from launcher.planning.saved.saved_plan import SavedPlan
from tasks import skypilot_task
from tasks.clock import utc
from tasks.protocol.messages import control

SKYPILOT_TIMEOUT_SECONDS = 900.0  # for SkyPilot to take everything down
LOCAL_TIMEOUT_SECONDS = 15.0  # for a worker of this machine to end
MAX_PAUSE_SECONDS = 3.0  # between two looks
NO_MACHINE = (Phase.WAITING, Phase.RECOVERING, Phase.FAILING)  # phases without a machine that works


def drain(ledger: Ledger, run: Run, observer: StoreObserver, folder: Path) -> None:
    """Order the machines to finish what they hold and end; cancel those that are still to come.

    For a run that no launcher drives. The caller holds `run_lock`.
    """
    tracker = track_machines(context_of(ledger, run, observer, folder))
    tracker.reconcile()
    if ledger.runs.find(run.id).state == RunState.RUNNING:
        ledger.runs.set_state(run.id, RunState.DRAINING, utc())
    up = {m.name: m.handle for m in ledger.machines.of_run(run.id, {MachineState.UP}) if m.handle}
    absent = {name for name in up if (s := tracker.statuses.get(name)) and s.phase in NO_MACHINE}
    for name in up:
        ledger.machines.mark_stopping(name, utc())
    tracker.backend.drain([handle for name, handle in up.items() if name not in absent])
    tracker.backend.terminate([handle for name, handle in up.items() if name in absent])


def take_down(
    ledger: Ledger,
    run: Run,
    observer: StoreObserver | None,
    folder: Path,
    plan: SavedPlan,
    *,
    say: Callable[[str], None],
) -> None:
    """Cancel the jobs, wait for their machines to go, and end what is left over.

    `observer` is None while the run has no manifest: then it has no machines either.

    Raises:
        RunLocked: a launcher drives the run, and would start machines again.
    """
    if observer is None:
        return
    try:
        with run_lock(folder, run.id):
            # a machine that comes up meanwhile begins nothing
            control.send(observer.store, run.id, "drain", utc())
            tracker = track_machines(context_of(ledger, run, observer, folder))
            tracker.reconcile()
            _end_all(ledger, run, tracker, say)
            if is_rented(plan):
                _sweep(ledger, run, plan, say)
            if ledger.runs.find(run.id).state not in (RunState.DONE, RunState.STOPPED):
                ledger.runs.set_state(run.id, RunState.STOPPED, utc())
            ledger.runs.record_event(run.id, "down", "everything was taken down", utc())
    except RunLocked as locked:
        raise RunLocked(
            f"{locked}, which would start machines again", hint="end that launcher (Ctrl-C), then again"
        ) from locked


def _end_all(ledger: Ledger, run: Run, tracker: MachineTracker, say: Callable[[str], None]) -> None:
    """Terminate all machines and wait until none is left; kill those that are there after the timeout."""
    ordered: set[str] = set()
    rented = tracker.workers is not None
    end = time.monotonic() + (SKYPILOT_TIMEOUT_SECONDS if rented else LOCAL_TIMEOUT_SECONDS)
    while True:
        machines = ledger.machines.of_run(run.id, set(ALIVE))
        handles = {m.handle for m in machines if m.handle}
        if rented:  # those too that the ledger does not know
            jobs = skypilot_client.list_jobs(run.id)
            handles |= {f"{job.id}:{job.name}" for job in jobs if job.alive}
        if not handles:
            break
        for machine in machines:
            ledger.machines.mark_stopping(machine.name, utc())
        tracker.backend.terminate(sorted(handles - ordered))
        ordered |= handles
        if time.monotonic() > end:
            tracker.backend.kill(sorted(handles))
        say(f"{plural(len(handles), 'machine' if rented else 'worker')} still to be removed")
        time.sleep(min(MAX_PAUSE_SECONDS, tracker.backend.poll_seconds))
        tracker.backend.refresh()
        tracker.resolve_intents()
        tracker.refresh_machines()
    for machine in ledger.machines.of_run(run.id, set(ALIVE)):
        ledger.machines.end(machine.name, MachineState.STOPPED, utc(), "taken down")


def _sweep(ledger: Ledger, run: Run, plan: SavedPlan, say: Callable[[str], None]) -> None:
    """End machines that no job holds any more: SkyPilot's clusters, then instances that only the provider knows."""
    for cluster, _ in skypilot_client.list_clusters(run.id, skypilot_client.list_jobs(run.id)):
        say(f"taking {cluster} down")
        skypilot_client.down_cluster(cluster)
    regions = regions_used(ledger, run, plan).get("aws")
    if regions:
        found = provider_api.list_instances("aws", regions, skypilot_task.label(run.id))
        for one in found:
            say(f"ending {one.id} in {one.cloud} {one.zone}, which SkyPilot does not know")
        provider_api.terminate(found)
