"""`embedfleet launch`: carry out a plan, or plan a job and carry that out."""

import sys
from argparse import Namespace
from pathlib import Path

from launcher.cli.agree import RunPlace, agree_to_cost, check_affordable, cost_options, record_agreement
from launcher.cli.commands.pilot import check_before, check_no_pilot, send_pilot
from launcher.cli.commands.plan import plan_form, plan_options, steered
from launcher.cli.console import say, show, show_json, show_text
from launcher.cli.drive import drive_to_end
from launcher.cli.dry_run import launch_preview, preview_text
from launcher.cli.sink import check_sink
from launcher.corpus.inspect import output_path
from launcher.diagnostics.store_checks import check_writable
from launcher.errors import Problem, Usage
from launcher.files import read
from launcher.fleet.create_run import check_unchanged_model, create_run, unchanged_corpus
from launcher.fleet.notifications import check_notify
from launcher.fleet.provisioning.provisioner import check_access, is_rented, task_specs
from launcher.fleet.recovery.missing_output import find_missing_output, reopen_missing
from launcher.jobs import job as jobs
from launcher.jobs import parse
from launcher.jobs.job import Job
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from launcher.output.missing import MissingOutput
from launcher.planning import plan as plans
from launcher.planning import planner
from launcher.planning.reach import check_reachable
from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_plan import SavedPlan
from tasks.clock import utc
from tasks.stores.base import Store
from tasks.stores.open import open_store


def launch(arguments: Namespace) -> int:
    """Check the plan against the corpus, ask before renting, create the run, and drive it to its end."""
    plan, job, base = _planned(arguments)
    output = _check_work(plan, job, base)
    if arguments.dry_run:
        return _dry_run(plan, job, output, arguments)
    check_sink(job)
    check_notify(job)
    check_before(plan, job, arguments)
    store = open_store(output)
    folder = arguments.runs / plan.run
    with Ledger.open(arguments.runs / "ledger.db") as ledger:
        missing = None
        known = ledger.runs.get(plan.run)
        if known is not None and known.state != RunState.PLANNED:
            plan = plan_file.read_recorded(known.plan)  # what will be rented
            missing = _missing_of(ledger, store, known, arguments)
        agreed = None
        if known is None or known.state != RunState.DONE or (missing and missing.lost):
            agreed = agree_to_cost(
                ledger,
                plan,
                job,
                RunPlace(store=store, output=output, folder=folder),
                cost_options(arguments),
                say=say,
                reopened=len(missing.shards) if missing else 0,
            )
        if known is not None and missing:
            known = reopen_missing(ledger, store, known, missing, folder, say=say)
        if known is None or known.state == RunState.PLANNED:
            known = create_run(ledger, plan, job, base, say=say)
        ledger.notes.set_tags(known.id, dict(arguments.tag))
        if arguments.note:
            ledger.notes.add(known.id, arguments.note, utc())
        if agreed is not None:
            record_agreement(ledger, store, plan, agreed)
        if arguments.pilot:
            return send_pilot(ledger, store, known, job, agreed, arguments, folder)
        return drive_to_end(ledger, known, arguments.runs, job, arguments)


def _missing_of(ledger: Ledger, store: Store, known: Run, arguments: Namespace) -> MissingOutput:
    """What is gone of the output of a run that was launched before."""
    if known.state != RunState.DONE:
        say(f"run {known.id} was launched before and is not finished: going on with it")
    if not arguments.pilot:
        check_no_pilot(ledger, known)
    return find_missing_output(ledger, store, known, say=say)


def _check_work(plan: SavedPlan, job: Job, base: Path) -> str:
    """Check that the planned machines can do the work as it is now; return the output path.

    Raises:
        Problem: the corpus is only declared, machines cannot see it, or the corpus or the model changed.
    """
    if plan.work.corpus is None:
        raise Problem(
            "the corpus is only declared: there is nothing to embed", hint="give corpus.path in the job file"
        )
    output = output_path(job, base)
    if is_rented(plan):
        check_reachable(plan, output)
    check_unchanged_model(plan)
    unchanged_corpus(plan, job, base)
    return output


def _dry_run(plan: SavedPlan, job: Job, output: str, arguments: Namespace) -> int:
    """Print what a launch would ask for, and refuse a plan that it would refuse. Leaves nothing, and rents nothing.

    The tasks can be read on a laptop without SkyPilot, too: what a launch from there lacks is only said.

    Raises:
        Problem: a launch would be refused.
    """
    check_sink(job)
    check_notify(job)
    check_before(plan, job, arguments)
    check_affordable(plan, job, cost_options(arguments), say)
    specs, refused = task_specs(plan, output, arguments.secret), None
    try:
        check_access(plan)
    except Problem as problem:
        refused = problem
    if refused is None and (stays := check_writable(output, plan.run)):
        say(f"{stays} stays in the output: it may not be deleted with these credentials")
    preview = launch_preview(plan, output, specs, refused)
    if arguments.json:
        show_json(preview)
    else:
        show_text(preview_text(preview))
    if refused is not None:
        say(f"a launch from here would be refused: {refused}; {refused.hint}")
    return 0


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
        if arguments.steer and not arguments.refresh:
            raise Usage(
                f"--steer {arguments.steer} changes what {path.name} may rent",
                hint=f"--refresh plans again; or plan JOB.yaml --steer {arguments.steer} -o plan.json",
            )
        if arguments.refresh:
            job = steered(job, arguments)
            plan = plans.saved_plan_of(planner.make_plan(job, base, options, utc(), say))
    else:
        job, base = steered(parse.parse(text, where=path.name), arguments), path.absolute().parent
        plan = plans.saved_plan_of(planner.make_plan(job, base, options, utc(), say))
        show(plan, plan_form(sys.stderr, whole=False), as_json=False, stream=sys.stderr)
    return plan, job, base
