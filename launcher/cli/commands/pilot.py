"""`embedfleet pilot`: drive a run on a pilot's machine. `launch --pilot` starts it there; it is not for users.

And what `launch` and `resume` on the laptop have to do with a pilot.
"""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from launcher.cli.agree import Agreed
from launcher.cli.console import say, show_json
from launcher.cli.drive import drive_to_end
from launcher.documents.launch import detached_document
from launcher.errors import Problem
from launcher.fleet.status import status_of
from launcher.jobs import job as jobs
from launcher.jobs.job import Job
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from launcher.pilot.drive import begin, is_stopped
from launcher.pilot.hand_over import (
    check_pilot,
    hand_over,
    living_pilot,
    rights_text,
)
from launcher.pilot.ledger_copy import LedgerCopies, send_copy
from launcher.pilot.news import is_handed_over
from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_plan import SavedPlan
from tasks.clock import utc
from tasks.stores.base import Store
from tasks.stores.open import open_store


def pilot(arguments: Namespace) -> int:
    """Drive the run until it is done, with its ledger from the store, and write that back as it goes on."""
    store = open_store(arguments.output)
    with Ledger.open(arguments.runs / "ledger.db") as ledger:
        run = begin(ledger, store, arguments.output, arguments.run, arguments.max_cost)
        if is_stopped(store, run):
            say(
                f"run {run.id} was {'done' if run.state == RunState.DONE else 'stopped'} before this pilot came"
            )
            return 0
        # A sink's client and its secret are the laptop's.
        job = replace(jobs.load(plan_file.read_recorded(run.plan).work.job), sink=None)
        copies = LedgerCopies(ledger, store, run.id)
        try:
            return drive_to_end(
                ledger, run, arguments.runs, job, arguments, each_look=lambda: copies.send_if_due(utc())
            )
        finally:
            send_copy(ledger, store, run.id)


def check_before(plan: SavedPlan, job: Job, arguments: Namespace) -> None:
    """Refuse --pilot before anyone is asked to pay, and say what a pilot may do.

    Raises:
        Problem: it cannot be had, or there is no limit.
    """
    if not arguments.pilot:
        return
    limits = (arguments.max_cost, getattr(arguments, "budget", None) or job.limits.budget)
    limit = min((usd for usd in limits if usd is not None), default=None)
    machine = check_pilot(plan, limit)
    assert limit is not None  # or it was refused
    say(rights_text(plan.run, machine, limit))


def send_pilot(
    ledger: Ledger,
    store: Store,
    run: Run,
    job: Job,
    agreed: Agreed | None,
    arguments: Namespace,
    folder: Path,
) -> int:
    """Hand the run over to a pilot; return 0.

    Raises:
        Problem: it cannot be had, or there is no limit.
    """
    plan = plan_file.read_recorded(run.plan)
    if agreed is None:
        say(f"run {run.id} is done: there is nothing for a pilot to drive")
        return 0
    machine = check_pilot(plan, agreed.limit)
    assert agreed.limit is not None  # or it was refused
    hand_over(
        ledger,
        store,
        run,
        job,
        limit=agreed.limit,
        machine=machine,
        secrets=arguments.secret,
        folder=folder,
        say=say,
    )
    if job.sink is not None:
        say(f"a pilot does not load the sink: embedfleet load {run.id} --follow does, from any machine")
    if arguments.json:
        left = f"run {run.id} is driven by its pilot\nembedfleet status {run.id}"
        show_json(detached_document(status_of(ledger, run.id, None), run.output, left))
    return 0


def check_no_pilot(ledger: Ledger, run: Run) -> None:
    """Refuse to drive a run here that its pilot drives.

    Raises:
        Problem: the pilot lives.
    """
    found = living_pilot(run.id) if is_handed_over(ledger, run.id) else None
    if found is not None:
        raise Problem(
            f"run {run.id} is driven by its pilot, managed job {found.id}",
            hint=f"embedfleet stop {run.id} ends both; resume {run.id} --pilot replaces the pilot",
        )
