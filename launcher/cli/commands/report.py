"""`embedfleet report`: what a run did and cost, as tables, a page, JSON, CSV or Markdown; or of many runs; or a bill."""

from argparse import Namespace
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from launcher.cli.bill_files import read_bill
from launcher.cli.console import say, show, show_text
from launcher.cli.open_ledger import existing_ledger
from launcher.cli.options.types import moment
from launcher.cli.watched_run import watched_run
from launcher.costs.bills.reconcile import reconcile
from launcher.costs.usage.daily import cost_by_day
from launcher.errors import Problem, Usage
from launcher.files import write
from launcher.fleet.budget.recorded_spend import recorded_total
from launcher.fleet.monitoring.spot_prices import recorder_of
from launcher.fleet.monitoring.store_observer import observe_run
from launcher.fleet.status import settle_if_unattended
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run
from launcher.output.missing import find_missing
from launcher.planning.offers.price_book import book_of
from launcher.reports.assemble import report_of, store_locations
from launcher.reports.focus_csv import to_csv
from launcher.reports.html.report_page.report import report_page
from launcher.reports.lists.run_list import list_runs
from launcher.reports.markdown import report_md, run_list_md
from launcher.reports.plan_outcome import outcome_of
from launcher.reports.report import Report
from launcher.reports.report_json import report_document
from launcher.reports.terminal.runs.reconcile import reconcile_text
from launcher.reports.terminal.runs.report import report_text
from launcher.reports.terminal.runs.run_list import run_list_text
from launcher.reports.unknowns import unknown
from tasks.clock import utc
from tasks.stores.base import Store
from tasks.stores.open import open_store


def report(arguments: Namespace) -> int:
    """Write the page of a run and print its report; with --all or --since list runs, with --reconcile compare bills."""
    if (arguments.all or arguments.since) and (arguments.run or arguments.reconcile or arguments.csv):
        raise Usage(
            "--all and --since are about many runs", hint="leave RUN, --csv and --reconcile out, or these"
        )
    if arguments.reconcile:
        return _reconcile(arguments)
    if arguments.all or arguments.since:
        return _all(arguments)
    with watched_run(arguments) as watched:
        ledger, run = watched.ledger, watched.run
        found = current_report(ledger, run, watched.folder.parent, settle=watched.ours)
        if outcome := outcome_of(found):  # no launcher may have seen its end; a charge may have come since
            ledger.outcomes.record(outcome)
    document = report_document(found)
    page: Path = arguments.html or arguments.runs / run.id / "report.html"  # also of a run of another laptop
    write(page, report_page(document))
    if arguments.csv:
        show_text(to_csv(found))
    elif arguments.md:
        show_text(report_md(document))
    else:
        show(document, report_text, as_json=arguments.json)
    say(f"report: {page}")
    return 0


def current_report(
    ledger: Ledger,
    run: Run,
    runs: Path,
    *,
    prices: bool = True,
    vectors: bool = True,
    settle: bool = True,
) -> Report:
    """Build the report of a run as it is now.

    News is read from the store first; where the store cannot be reached, the report is made from the ledger alone.
    `prices` adds today's prices, which the counterfactuals need; `vectors` what a sample of the vectors looks like.
    `settle`: the run is this laptop's, which records what became of its machines.
    """
    store = observer = None
    try:
        store = open_store(run.output)
        observer = observe_run(ledger, store, run.id)
        if settle:
            settle_if_unattended(ledger, run, observer, runs / run.id, recorder_of(ledger, run, say), say)
        if observer:
            observer.read_receipts()
            observer.record_lost_leases()
        if missing := find_missing(store, run.id, ledger.shards.each_receipt(run.id)):
            say(f"the output is gone or incomplete: {missing}; embedfleet resume {run.id} embeds it again")
    except Problem as problem:
        say(f"from the ledger alone, for the store cannot be asked: {problem}")
        store = None
    offers = book_of(None, offline=False).offers if prices and run.place != "local" else ()
    unreadable = sorted(observer.unreadable) if observer else ()
    found = report_of(ledger, store, run.id, utc(), offers, unreadable, vectors=vectors)
    return found if store is None else replace(found, recorded_usd=_recorded(store, run.id))


def _recorded(store: Store, run: str) -> Decimal | None:
    """What launchers wrote down as spent; None where a record cannot be read, which those who rent refuse."""
    try:
        return recorded_total(store, run)
    except Problem as problem:
        say(str(problem))
        return None


def _all(arguments: Namespace) -> int:
    """Print one line for each run."""
    with existing_ledger(arguments) as ledger:
        document = list_runs(ledger, arguments.since and moment(arguments.since, utc()), utc())
    if arguments.md:
        show_text(run_list_md(document))
    else:
        show(document, run_list_text, as_json=arguments.json)
    if arguments.html:
        raise Usage("--all has no page", hint="use --json or --md")
    return 0


def _reconcile(arguments: Namespace) -> int:
    """Print the metered cost of each day next to what the bills say."""
    with existing_ledger(arguments) as ledger:
        run = ledger.runs.find(arguments.run)
        found = report_of(ledger, None, run.id, utc())
    bills = [read_bill(path, run.id) for path in arguments.reconcile]
    output = store_locations(found.plan)[1]
    cloud = output.cloud if output else "?"
    days = cost_by_day(found.machines, found.spend.lives, found.spend.others, found.updated, cloud)
    show(reconcile(run.id, days, bills, unknown(found)), reconcile_text, as_json=arguments.json)
    return 0
