"""How a run ends before its work does.

`stop` lets machines finish what they hold. `down` cancels and removes. `down --verify` only looks: see `proof`.
"""

import contextlib
import json
import time
from argparse import Namespace
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from launcher.cli.console import show
from launcher.cli.progress import say
from launcher.errors import Problem
from launcher.fleet.backends import provider_api, skypilot
from launcher.fleet.controller import Busy, sole
from launcher.fleet.monitoring.machine_tracker import Census
from launcher.fleet.monitoring.store_observer import Eye
from launcher.fleet.orphan_check import confirm, lines, regions_used, to_json, what_is_left
from launcher.fleet.provisioner import rented
from launcher.fleet.states import ALIVE, Phase
from launcher.fleet.status import census_of, eye_of
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import MachineState, Run, RunState
from tasks import skypilot_task
from tasks.clock import utc
from tasks.protocol import control
from tasks.stores.open import open_store

PATIENCE = 900.0  # seconds for SkyPilot to take everything down
HERE_PATIENCE = 15.0  # seconds for a worker of this machine to end


def stop(arguments: Namespace) -> int:
    """`embedfleet stop`: no new shards; what is in hand is finished."""
    with _opened(arguments) as (ledger, run, eye):
        if run.state == RunState.DONE or eye is None:
            say(f"run {run.id} is {run.state.lower()}: nothing runs")
            return 0
        control.tell(eye.store, run.id, "drain", utc())
        ledger.note(run.id, "stop", "told to finish what is in hand", utc())
        with contextlib.suppress(Busy), sole(arguments.runs / run.id, run.id, patience=0):
            _drain(ledger, run, eye, census_of(ledger, run, eye, arguments.runs / run.id))
        up = len(ledger.machines(run.id, set(ALIVE)))
        what = "machine" if rented(json.loads(run.plan)) else "worker"
        say(f"run {run.id}: {up} {what}{'s' * (up != 1)} will finish the shards in hand and end")
        say(
            f"embedfleet status {run.id} --watch shows when; embedfleet resume {run.id} goes on with the rest"
        )
    return 0


def _drain(ledger: Ledger, run: Run, eye: Eye, census: Census) -> None:
    """No launcher is at work: tell the machines ourselves. One that is still to come is cancelled."""
    census.settle()
    if ledger.find(run.id).state == RunState.RUNNING:
        ledger.set_run_state(run.id, RunState.DRAINING, utc())
    up = {m.name: m.handle for m in ledger.machines(run.id, {MachineState.UP}) if m.handle}
    gone = (Phase.WAITING, Phase.RECOVERING, Phase.FAILING)
    absent = [n for n in up if (s := census.sights.get(n)) and s.phase in gone]
    for name in up:
        ledger.stopping_machine(name, utc())
    census.cloud.drain([handle for name, handle in up.items() if name not in absent])
    census.cloud.end([handle for name, handle in up.items() if name in absent])
    del eye


def down(arguments: Namespace) -> int:
    """`embedfleet down`: take away all that a run rented, or with --verify only look."""
    with _opened(arguments) as (ledger, run, eye):
        plan: Mapping[str, Any] = json.loads(run.plan)
        if not arguments.verify:
            _take_down(ledger, run, eye, arguments.runs / run.id, plan)
        left = what_is_left(ledger, run, plan)
        confirm(ledger, run.id, left)
        show(to_json(run.id, left), _text, as_json=arguments.json)
    if left.count:
        remedies = [one.remedy for one in left.instances]
        raise Problem(
            f"{left.count} machines of run {run.id} are left",
            hint=remedies[0] if remedies and not left.jobs else f"embedfleet down {run.id}",
        )
    if left.unasked:
        raise Problem(
            f"nothing was found of run {run.id}, and nothing is proven: {left.unasked[0]}",
            hint=f"mend that, then: embedfleet down {run.id} --verify",
        )
    return 0


def _take_down(ledger: Ledger, run: Run, eye: Eye | None, folder: Path, plan: Mapping[str, Any]) -> None:
    """Cancel the jobs, wait for their machines to go, and end what is left over."""
    if eye is None:
        return
    try:
        with sole(folder, run.id):
            control.tell(
                eye.store, run.id, "drain", utc()
            )  # a machine that comes up meanwhile begins nothing
            census = census_of(ledger, run, eye, folder)
            census.settle()
            _end_all(ledger, run, census)
            if rented(plan):
                _sweep(ledger, run, plan)
            if ledger.find(run.id).state not in (RunState.DONE, RunState.STOPPED):
                ledger.set_run_state(run.id, RunState.STOPPED, utc())
            ledger.note(run.id, "down", "everything was taken down", utc())
    except Busy as busy:
        raise Busy(
            f"{busy}, which would start machines again", hint="end that launcher (Ctrl-C), then again"
        ) from busy


def _end_all(ledger: Ledger, run: Run, census: Census) -> None:
    told: set[str] = set()
    is_rented = census.crew is not None
    end = time.monotonic() + (PATIENCE if is_rented else HERE_PATIENCE)
    while True:
        machines = ledger.machines(run.id, set(ALIVE))
        handles = {m.handle for m in machines if m.handle}
        if is_rented:  # those too that the ledger never heard of
            handles |= {f"{j.id}:{j.name}" for j in skypilot.jobs_of(skypilot_task.prefix(run.id)) if j.alive}
        if not handles:
            break
        for machine in machines:
            ledger.stopping_machine(machine.name, utc())
        census.cloud.end(sorted(handles - told))
        told |= handles
        if time.monotonic() > end:
            census.cloud.kill(sorted(handles))
        say(f"{len(handles)} still to go")
        time.sleep(min(3.0, census.cloud.poll))
        census.cloud.look()
        census.adopt()
        census.count()
    for machine in ledger.machines(run.id, set(ALIVE)):
        ledger.end_machine(machine.name, MachineState.STOPPED, utc(), "taken down")


def _sweep(ledger: Ledger, run: Run, plan: Mapping[str, Any]) -> None:
    """Machines that no job holds any more: SkyPilot's, then those that only the provider knows."""
    for cluster, _ in skypilot.clusters_of(skypilot_task.prefix(run.id)):
        say(f"taking {cluster} down")
        skypilot.take_down(cluster)
    regions = regions_used(ledger, run, plan).get("aws")
    if regions:
        found = provider_api.instances("aws", regions, skypilot_task.label(run.id))
        for one in found:
            say(f"ending {one.id} in {one.cloud} {one.zone}, which SkyPilot does not know")
        provider_api.terminate(found)


def _text(body: Mapping[str, Any]) -> Any:
    from rich.text import Text  # noqa: PLC0415 - JSON needs no terminal

    return Text("\n".join(lines(body)))  # names are no markup


@contextlib.contextmanager
def _opened(arguments: Namespace) -> Generator[tuple[Ledger, Run, Eye | None], None, None]:
    path: Path = arguments.runs / "ledger.db"
    if not path.exists():
        raise Problem(
            f"no runs are kept in {arguments.runs.absolute()}",
            hint="go to the folder you launched from, or name its runs with --runs",
        )
    with Ledger.open(path) as ledger:
        run = ledger.find(arguments.run)
        yield ledger, run, eye_of(ledger, open_store(run.output), run)
