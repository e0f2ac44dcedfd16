"""Hand a run over to a pilot: check what it needs, send its task to SkyPilot, find it and end it."""

import os
import re
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import launcher
import pricing
import tasks
from launcher.errors import ConfirmationNeeded, Problem
from launcher.fleet.backends import skypilot_client as client
from launcher.fleet.backends.skypilot import secret_value
from launcher.fleet.backends.skypilot_status import ManagedJob
from launcher.fleet.provisioning.provisioner import (
    COLD_START_VARIABLE,
    PREBUILT_VARIABLE,
    is_rented,
    passed_settings,
)
from launcher.fleet.run_lock import run_lock
from launcher.format import money
from launcher.jobs.job import Job
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run
from launcher.pilot.ledger_copy import send_copy
from launcher.pilot.task import PilotSpec, pilot_name, pilot_task
from launcher.planning.pilot_machine import PILOT_EVENT, PilotMachine, pilot_machine
from launcher.planning.saved.saved_plan import SavedPlan
from tasks.clock import utc
from tasks.protocol.messages import control
from tasks.stores.base import Store

PILOT_ENV_VARIABLE = (
    "EMBEDFLEET_PILOT_ENV"  # the folder of an environment that the pilot's machine has already
)
# Settings of a launcher that the pilot's is to have, too.
LAUNCHER_SETTINGS = (
    PREBUILT_VARIABLE,
    COLD_START_VARIABLE,
    "EMBEDFLEET_POLL_SECONDS",
    "SKYPILOT_DISABLE_USAGE_COLLECTION",
)
END_SECONDS = 900.0  # for SkyPilot to end a pilot; 250 s were seen on a busy machine
POLL_SECONDS = 3.0


def check_pilot(plan: SavedPlan, limit: Decimal | None) -> PilotMachine:
    """The machine of a pilot for this plan. `limit`: what the run may cost in all.

    Raises:
        Problem: the plan rents nothing, or SkyPilot's API server would end with this laptop.
        ConfirmationNeeded: there is no limit.
    """
    if not is_rented(plan):
        raise Problem(
            "--pilot drives rented machines, and this plan works on this machine",
            hint="launch without --pilot, or plan with --on cloud",
        )
    if limit is None:
        raise ConfirmationNeeded(
            "nobody watches what a pilot spends, and this run has no limit",
            hint="--max-cost $X, or limits.budget in the job file",
        )
    url, local = client.api_server()
    if local:
        raise Problem(
            f"SkyPilot's API server ({url}) runs on this machine: it would end with it, and a pilot could not reach it",
            hint="sky api login -e URL connects to one that stays; without one, launch without --pilot",
        )
    return pilot_machine(plan)


def rights_text(run: str, machine: PilotMachine, limit: Decimal) -> str:
    """What a user agrees to who sends a pilot."""
    own = (
        ""
        if machine.place.usd_per_hour is not None
        else ", whose price is not known and which no limit holds"
    )
    return (
        f"the pilot ({machine}) rents and ends machines of run {run} by this SkyPilot login until the run is done, never "
        f"for more than {money(limit)} in all beside its own machine{own}; embedfleet stop {run} or down {run} ends it"
    )


def hand_over(
    ledger: Ledger,
    store: Store,
    run: Run,
    job: Job,
    *,
    limit: Decimal,
    machine: PilotMachine,
    secrets: Sequence[str],
    folder: Path,
    say: Callable[[str], None],
) -> None:
    """Send the run's part of the ledger to the store, and a pilot to SkyPilot. A pilot of the run that lives is replaced.

    Raises:
        RunLocked: a launcher drives the run here.
        Problem: SkyPilot does not take it.
    """
    with run_lock(folder, run.id):
        end_pilot(run.id, say=say)
        spec = pilot_spec(run, job, limit=limit, machine=machine, secrets=secrets)
        values = {name: secret_value(name) for name in (*spec.secrets, *spec.machine_secrets)}
        control.send(store, run.id, "go", utc())  # an earlier command may have been "drain"
        ledger.runs.record_event(
            run.id, PILOT_EVENT, f"handed over to {pilot_name(run.id)}: {machine}", utc()
        )
        send_copy(ledger, store, run.id)
        number = client.job_number(client.launch_job(pilot_task(spec), pilot_name(run.id), values), spec.run)
    say(f"run {run.id} is driven by its pilot, managed job {number} ({machine}): this laptop may close")
    say(
        f"embedfleet status {run.id} shows how it stands, embedfleet stop {run.id} ends it; elsewhere name {run.output}"
    )


def pilot_spec(
    run: Run, job: Job, *, limit: Decimal, machine: PilotMachine, secrets: Sequence[str]
) -> PilotSpec:
    """What the pilot of a run gets from this laptop.

    Raises:
        Problem: a setting that it is to have holds a password, and is not passed as a secret.
    """
    settings = passed_settings(os.environ, secrets)
    settings |= {name: os.environ[name] for name in LAUNCHER_SETTINGS if name in os.environ}
    webhook = re.fullmatch(r"\$(\w+)", job.notify or "")
    own = (webhook[1],) if webhook and webhook[1] not in secrets and webhook[1] in os.environ else ()
    packages = (launcher, pricing, tasks)
    return PilotSpec(
        run=run.id,
        output=run.output,
        max_cost=limit,
        machine=machine,
        code={one.__name__: str(Path(str(one.__file__)).parent) for one in packages},
        prebuilt=os.environ.get(PILOT_ENV_VARIABLE),
        settings=settings,
        secrets=own,
        machine_secrets=tuple(secrets),
    )


def living_pilot(run: str) -> ManagedJob | None:
    """The managed job of the run's pilot that has not ended.

    Raises:
        Problem: SkyPilot does not answer.
    """
    return next((job for job in reversed(client.jobs_called(pilot_name(run))) if job.alive), None)


def remaining_pilots(run: str) -> tuple[list[str], list[str]]:
    """What is left of the run's pilots, in words: managed jobs that have not ended, and SkyPilot's clusters of any.

    Raises:
        Problem: SkyPilot does not answer.
    """
    jobs = client.jobs_called(pilot_name(run))
    alive = [f"{job.name} (job {job.id}, {job.status})" for job in jobs if job.alive]
    return alive, [f"{cluster} ({status})" for cluster, status in client.clusters_of_jobs(jobs)]


def take_down_pilots(run: str, *, say: Callable[[str], None]) -> None:
    """Take machines down that SkyPilot holds for pilots of the run whose jobs have ended.

    Raises:
        Problem: SkyPilot does not answer.
    """
    ended = [job for job in client.jobs_called(pilot_name(run)) if not job.alive]
    for cluster, _ in client.clusters_of_jobs(ended):
        say(f"taking {cluster} down")
        client.down_cluster(cluster)


def end_pilot(run: str, *, say: Callable[[str], None]) -> bool:
    """End the run's pilot and wait until SkyPilot has; whether there was one. Its machines work on.

    Raises:
        Problem: it does not end.
    """
    found = living_pilot(run)
    if found is None:
        return False
    say(f"ending {found.name}, managed job {found.id}")
    client.cancel_jobs([found.id])
    end = time.monotonic() + END_SECONDS
    while living_pilot(run) is not None:
        if time.monotonic() > end:
            raise Problem(
                f"{found.name}, managed job {found.id}, has not ended after {END_SECONDS:.0f} s",
                hint=f"sky jobs cancel {found.id}, then the same again",
            )
        time.sleep(POLL_SECONDS)
    return True
