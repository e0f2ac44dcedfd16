"""`embedfleet plan` and `embedfleet diff`: make a plan and compare two plans. Both spend nothing."""

import json
from argparse import Namespace
from pathlib import Path

from launcher.cli.console import say, show
from launcher.files import write
from launcher.jobs.parse import read_job
from launcher.ledger.ledger import Ledger
from launcher.planning import plan as plans
from launcher.planning import planner
from launcher.planning.plan_diff import diff_plans
from launcher.planning.plan_file import dump, plan_in
from launcher.planning.price_book import book_of
from launcher.reports.html.plan import plan_page
from launcher.reports.terminal.plan import plan_text
from launcher.reports.terminal.plan_diff import diff_text
from tasks.clock import utc


def plan(arguments: Namespace) -> int:
    job, base = read_job(arguments.job)
    plan = planner.make_plan(job, base, choices_of(arguments, arguments.on), utc(), say)
    body = plans.to_json(plan)
    if arguments.output:
        write(arguments.output, json.dumps(body, indent=1) + "\n")
        say(f"plan written to {arguments.output}")
    if arguments.html:
        write(arguments.html, plan_page(body))
        say(f"page written to {arguments.html}")
    show(body, plan_text, as_json=arguments.json)
    return 0


def choices_of(arguments: Namespace, on: str | None) -> planner.PlanOptions:
    """Prices from the book that was named, else the user's own, else the snapshot; and the speeds that runs had."""
    found = book_of(arguments.price_book, offline=arguments.offline)
    if found.trouble:
        say(f"your own prices are passed over: {found.trouble}")
    path: Path = arguments.runs / "ledger.db"
    if not path.exists():
        return planner.PlanOptions(on, arguments.probe, found.offers)
    with Ledger.open(path) as ledger:
        return planner.PlanOptions(
            on, arguments.probe, found.offers, ledger.speeds.matching(), ledger.machines.cold_starts()
        )


def diff(arguments: Namespace) -> int:
    one, other = (plan_in(path) for path in (arguments.one, arguments.other))
    show(diff_plans(dump(one), dump(other)), diff_text, as_json=arguments.json)
    return 0
