"""`embedfleet launch`: carry out a plan, or plan a job and carry that out."""

import sys
from argparse import Namespace
from decimal import Decimal
from pathlib import Path

from launcher.cli.confirm import check_max_cost, confirm_cost, dry_run_text
from launcher.cli.console import say, show, show_text
from launcher.cli.drive import drive_to_end
from launcher.cli.plan import plan_options
from launcher.corpus.inspect import output_path
from launcher.costs.run_costs import budget_status_of
from launcher.errors import Problem
from launcher.files import read
from launcher.fleet.create_run import check_unchanged_model, create_run, unchanged_corpus
from launcher.fleet.notifications import current_budget
from launcher.fleet.provisioner import check_access, is_rented, task_specs
from launcher.fleet.task_specs import check_reachable
from launcher.jobs import job as jobs
from launcher.jobs import parse
from launcher.jobs.job import Job
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import RunState
from launcher.planning import plan as plans
from launcher.planning import plan_file, planner
from launcher.planning.saved_plan import SavedPlan
from launcher.reports.terminal.plan import plan_text
from tasks.clock import utc


def launch(arguments: Namespace) -> int:
    """Check the plan against the corpus, ask before renting, create the run, and drive it to its end."""
    plan, job, base = _planned(arguments)
    if arguments.dry_run:
        show_text(dry_run_text(plan, task_specs(plan, output_path(job, base), arguments.secret)))
        return 0
    if plan.work.corpus is None:
        raise Problem(
            "the corpus is only declared: there is nothing to embed", hint="give corpus.path in the job file"
        )
    if is_rented(plan):
        check_reachable(plan, output_path(job, base))
    check_unchanged_model(plan)
    unchanged_corpus(plan, job, base)
    with Ledger.open(arguments.runs / "ledger.db") as ledger:
        run = ledger.runs.get(plan.run)
        if run is None or run.state == RunState.PLANNED:
            if is_rented(plan):
                check_access(plan)
                confirm_cost(plan, yes=arguments.yes, most=arguments.max_cost)
            elif arguments.max_cost is not None and plan.totals.usd.p90 is None:
                check_max_cost(plan, arguments.max_cost)
            run = create_run(ledger, plan, job, base, say=say)
        else:
            say(f"run {run.id} is {run.state.lower()} already: going on with it")
            if arguments.max_cost is not None and run.state != RunState.DONE:
                done = ledger.shards.progress(run.id)
                left = Decimal(done.shards - done.shards_done) / max(1, done.shards)
                spent = budget_status_of(ledger, run.id, utc()).spent
                check_max_cost(plan_file.read_recorded(run.plan), arguments.max_cost, spent=spent, left=left)
        if (
            arguments.max_cost is not None
        ):  # the latest budget is the one that holds: never above one set before
            limits = (arguments.max_cost, current_budget(ledger, run.id, job), job.limits.budget)
            ledger.costs.set_budget(run.id, min(usd for usd in limits if usd is not None), utc())
        return drive_to_end(ledger, run, arguments.runs, job, arguments)


def _planned(arguments: Namespace) -> tuple[SavedPlan, Job, Path]:
    """The plan of the file that is named, or of the job in it; the job; and the folder that its paths start from."""
    path: Path = arguments.plan
    text = read(path)
    options = plan_options(arguments)
    if text.lstrip().startswith("{"):
        try:
            plan = plan_file.read(text)
        except plan_file.BadPlan as error:
            raise plan_file.BadPlan(f"{path}: {error}", hint=error.hint) from error
        job, base = jobs.load(plan.work.job), Path(plan.work.base)
        if arguments.refresh:
            plan = plans.saved_plan_of(planner.make_plan(job, base, options, utc(), say))
    else:
        job, base = parse.parse(text, where=path.name), path.absolute().parent
        plan = plans.saved_plan_of(planner.make_plan(job, base, options, utc(), say))
        show(plan, plan_text, as_json=False, stream=sys.stderr)
    return plan, job, base
