"""`embedfleet resume`: continue a run, whatever ended its launcher."""

from argparse import Namespace
from pathlib import Path

from launcher.cli.agree import agree_to_cost, cost_options, record_agreement
from launcher.cli.console import say
from launcher.cli.drive import drive_to_end
from launcher.cli.open_ledger import existing_ledger
from launcher.fleet.create_run import create_run
from launcher.fleet.missing_output import find_missing_output, reopen_missing
from launcher.fleet.retry_failed import find_failed, reopen_failed
from launcher.jobs import job as jobs
from launcher.ledger.records import RunState
from launcher.planning import plan_file
from tasks.stores.open import open_store


def resume(arguments: Namespace) -> int:
    """Settle what the run may cost, then drive it to its end."""
    with existing_ledger(arguments) as ledger:
        run = ledger.runs.find(arguments.run)
        plan = plan_file.read_recorded(run.plan)
        job = jobs.load(plan.work.job)
        store = open_store(run.output)
        folder = arguments.runs / run.id
        missing = find_missing_output(ledger, store, run, say=say)
        failed = find_failed(ledger, store, run, missing, say=say) if arguments.retry_failed else ()
        agreed = None
        if run.state != RunState.DONE or missing.lost or failed:  # before anything of the run is changed
            agreed = agree_to_cost(
                ledger,
                plan,
                job,
                store=store,
                output=run.output,
                folder=folder,
                options=cost_options(arguments),
                say=say,
                reopened=len(missing.shards) + len(failed),
            )
        run = reopen_missing(ledger, store, run, missing, folder, say=say)
        run = reopen_failed(ledger, store, run, failed, folder, say=say)
        if run.state == RunState.PLANNED:  # the launcher died before it had written the whole manifest
            run = create_run(ledger, plan, job, Path(plan.work.base), say=say)
        if agreed is not None:
            record_agreement(ledger, store, run.id, agreed)
        return drive_to_end(ledger, run, arguments.runs, job, arguments)
