"""`embedfleet resume`: continue a run, whatever ended its launcher."""

from argparse import Namespace
from decimal import Decimal
from pathlib import Path

from launcher.cli.console import say
from launcher.cli.drive import drive_to_end
from launcher.cli.open_ledger import existing_ledger
from launcher.costs.budget import used_up_message
from launcher.costs.run_costs import budget_status_of
from launcher.errors import Usage
from launcher.fleet.create_run import create_run
from launcher.jobs import job as jobs
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from launcher.planning import plan_file
from tasks.clock import utc


def resume(arguments: Namespace) -> int:
    """Set the budget if one is given, then drive the run to its end."""
    with existing_ledger(arguments) as ledger:
        run = ledger.runs.find(arguments.run)
        plan = plan_file.read_recorded(run.plan)
        job = jobs.load(plan.work.job)
        if arguments.budget is not None:
            _set_budget(ledger, run, arguments.budget)
        if run.state == RunState.PLANNED:  # the launcher died before it had written the whole manifest
            run = create_run(ledger, plan, job, Path(plan.work.base), say=say)
        return drive_to_end(ledger, run, arguments.runs, job, arguments)


def _set_budget(ledger: Ledger, run: Run, budget: Decimal) -> None:
    """Replace the budget of a run.

    Raises:
        Usage: the run has spent that much already.
    """
    spent = budget_status_of(ledger, run.id, utc()).spent
    if budget <= spent:
        raise Usage(
            used_up_message(budget, spent),
            hint=f"embedfleet resume {run.id} --budget DOLLARS, with more than that",
        )
    ledger.costs.set_budget(run.id, budget, utc())
    ledger.runs.record_event(run.id, "budget", f"${budget} from now on", utc())
