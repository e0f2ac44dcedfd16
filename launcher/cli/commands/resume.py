"""`embedfleet resume`: continue a run, whatever ended its launcher."""

from argparse import Namespace
from datetime import datetime
from pathlib import Path

from launcher.cli.agree import RunPlace, agree_to_cost, cost_options, record_agreement
from launcher.cli.commands.pilot import check_before, check_no_pilot, send_pilot
from launcher.cli.console import say
from launcher.cli.drive import drive_to_end
from launcher.cli.open_ledger import existing_ledger
from launcher.fleet.create_run import create_run
from launcher.fleet.provisioning.provisioner import fleet_groups
from launcher.fleet.recovery.missing_output import find_missing_output, reopen_missing
from launcher.fleet.recovery.retry_failed import find_failed, reopen_failed
from launcher.fleet.steering.deadline import check_deadline, soonest_shard
from launcher.jobs import job as jobs
from launcher.jobs.durations import deadline_moment
from launcher.ledger.records import RunState
from launcher.pilot.news import is_handed_over, news_of_pilot
from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_plan import SavedPlan
from tasks.clock import utc
from tasks.stores.open import open_store


def resume(arguments: Namespace) -> int:
    """Settle what the run may cost, then drive it to its end."""
    with existing_ledger(arguments) as ledger:
        run = ledger.runs.find(arguments.run)
        plan = plan_file.read_recorded(run.plan)
        job = jobs.load(plan.work.job)
        moment = _new_deadline(arguments.deadline, plan)
        store = open_store(run.output)
        folder = arguments.runs / run.id
        check_before(plan, job, arguments)
        if is_handed_over(ledger, run.id):
            if not arguments.pilot:
                check_no_pilot(ledger, run)
            news_of_pilot(ledger, store, run.id, say)
            run = ledger.runs.find(run.id)
        missing = find_missing_output(ledger, store, run, say=say)
        failed = find_failed(ledger, store, run, missing, say=say) if arguments.retry_failed else ()
        agreed = None
        if run.state != RunState.DONE or missing.lost or failed:  # before anything of the run is changed
            agreed = agree_to_cost(
                ledger,
                plan,
                job,
                RunPlace(store=store, output=run.output, folder=folder),
                cost_options(arguments),
                say=say,
                reopened=len(missing.shards) + len(failed),
            )
        elif arguments.budget is not None or arguments.max_cost is not None:
            say(f"run {run.id} is finished and costs nothing more: its budget stays as it was")
        elif moment is not None:
            say(f"run {run.id} is finished: its deadline stays as it was")
        run = reopen_missing(ledger, store, run, missing, folder, say=say)
        run = reopen_failed(ledger, store, run, failed, folder, say=say)
        if run.state == RunState.PLANNED:  # the launcher died before it had written the whole manifest
            run = create_run(ledger, plan, job, Path(plan.work.base), say=say)
        if agreed is not None:
            record_agreement(ledger, store, plan, agreed)
            if moment is not None:
                ledger.steering.set_deadline(run.id, moment, utc())
                ledger.runs.record_event(run.id, "deadline", f"{moment:%Y-%m-%d %H:%M} UTC", utc())
        if arguments.pilot:
            return send_pilot(ledger, store, run, job, agreed, arguments, folder)
        return drive_to_end(ledger, run, arguments.runs, job, arguments)


def _new_deadline(word: str | None, plan: SavedPlan) -> datetime | None:
    """The moment that --deadline names; None without it.

    Raises:
        Usage, Infeasible: it is in the past, or no machine could do anything until then.
    """
    if word is None:
        return None
    now = utc()
    moment = deadline_moment(word, now)
    check_deadline(moment, now, soonest_shard(fleet_groups(plan)))
    return moment
