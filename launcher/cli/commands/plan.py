"""`embedfleet plan` and `embedfleet diff`: make a plan and compare two plans. Both spend nothing."""

import json
import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from rich.console import RenderableType

from launcher.cli.console import say, show, show_text
from launcher.evaluation.known import known_evaluation, proposal
from launcher.files import write
from launcher.jobs.job import Job
from launcher.jobs.parse import read_job
from launcher.planning import plan as plans
from launcher.planning import planner
from launcher.planning.offers.price_book import book_of
from launcher.planning.request import PlanOptions
from launcher.planning.saved import plan_file
from launcher.planning.saved.plan_file import plan_in
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.reports.terminal.plans.plan import plan_text
from launcher.reports.terminal.plans.plan_screen import plan_screen
from tasks.clock import utc
from tasks.stores.base import StoreError
from tasks.stores.open import open_store


def plan(arguments: Namespace) -> int:
    """Plan a job, print the plan, and write it where --output and --html say."""
    job, base = read_job(arguments.job)
    job = steered(job, arguments)
    plan = plans.saved_plan_of(planner.make_plan(job, base, plan_options(arguments), utc(), say))
    body = plan_file.dump(plan)
    if arguments.output:
        write(arguments.output, json.dumps(body, indent=1) + "\n")
        say(f"plan written to {arguments.output}")
    if arguments.html:
        from launcher.reports.html.plan_page.plan import plan_page  # noqa: PLC0415 - few plans are wanted as a page

        write(arguments.html, plan_page(plan))
        say(f"page written to {arguments.html}")
    if arguments.md:
        from launcher.reports.plan_markdown import plan_md  # noqa: PLC0415 - few plans are wanted as Markdown

        show_text(plan_md(plan))
        return 0
    if line := _cheaper_vectors(job, base, plan, offline=arguments.offline):
        say(line)
    show(body if arguments.json else plan, plan_form(sys.stdout, whole=arguments.all), as_json=arguments.json)
    return 0


def _cheaper_vectors(job: Job, base: Path, plan: SavedPlan, *, offline: bool) -> str | None:
    """Which cheaper vectors keep enough, where an earlier run of this model was evaluated; else how to find out.

    Only where vectors will be loaded into a store, or another run lies in the output path.
    """
    if job.output is None:
        return None
    path = job.output.path if "://" in job.output.path else str((base / job.output.path).absolute())
    found = None
    if not offline if "://" in path else Path(path).is_dir():
        with suppress(StoreError):
            found = known_evaluation(open_store(path), job.model, plan.work.model_fingerprint)
    if found is not None:
        return proposal(found)
    if job.sink is None:
        return None
    return "which dtype and dimensions keep your recall: embedfleet evaluate RUN --queries ... --qrels ... --keep 0.99"


def steered(job: Job, arguments: Namespace) -> Job:
    """The job, steered as --steer says."""
    return replace(job, steer=arguments.steer) if arguments.steer else job


def plan_form(stream: TextIO, *, whole: bool) -> Callable[[SavedPlan], RenderableType]:
    """How a plan is shown: on a terminal as one screen, elsewhere and with --all as a whole."""
    return plan_text if whole or not stream.isatty() else plan_screen


def plan_options(arguments: Namespace) -> PlanOptions:
    """What the command line and the ledger add to a job.

    Prices come from the book that --price-book names, else from the user's own, else from the snapshot; measured speeds,
    cold starts, the outcomes of finished runs and what steered runs saw of places from the ledger, if there is one.
    """
    found = book_of(arguments.price_book, offline=arguments.offline)
    if found.trouble:
        say(f"your own price book is ignored: {found.trouble}")
    path: Path = arguments.runs / "ledger.db"
    if not path.exists():
        return PlanOptions(
            on=arguments.on,
            probe_seconds=arguments.probe,
            loss_seconds=arguments.measure_loss,
            count_repeats=getattr(arguments, "count_repeats", False),
            offers=found.offers,
        )
    # A first plan has no ledger, and what reads one takes a tenth of the plan's time.
    from launcher.fleet.provisioning.past_runs import past_steered_runs  # noqa: PLC0415
    from launcher.ledger.ledger import Ledger  # noqa: PLC0415

    with Ledger.open(path) as ledger:
        return PlanOptions(
            on=arguments.on,
            probe_seconds=arguments.probe,
            loss_seconds=arguments.measure_loss,
            count_repeats=getattr(arguments, "count_repeats", False),
            offers=found.offers,
            speeds=ledger.speeds.matching(),
            cold_starts=ledger.machines.cold_starts(),
            outcomes=ledger.outcomes.all(),
            steered=past_steered_runs(ledger, utc()),
        )


def diff(arguments: Namespace) -> int:
    """Print what differs between two saved plans."""
    from launcher.planning.saved import plan_diff, plan_diff_document  # noqa: PLC0415 - a plan compares nothing
    from launcher.reports.terminal.plans.plan_diff import diff_text  # noqa: PLC0415

    one, other = (plan_in(path) for path in (arguments.one, arguments.other))
    document = plan_diff.diff_plans(one, other)
    if arguments.md:
        from launcher.reports.plan_markdown import diff_md  # noqa: PLC0415 - as above

        show_text(diff_md(document))
        return 0
    show(plan_diff_document.dump(document) if arguments.json else document, diff_text, as_json=arguments.json)
    return 0
