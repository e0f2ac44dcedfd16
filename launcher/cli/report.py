"""`embedfleet report` and `embedfleet compare`: what runs did and cost, in whatever form somebody wants to read it.

The shell around `report`, `focus`, `reconcile` and the renderers. `add` is called for every command line, so all else
is imported later.
"""

import argparse
import json
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launcher.errors import Problem, Usage

if TYPE_CHECKING:
    from launcher.ledger.ledger import Ledger
    from launcher.ledger.records import Run
    from launcher.reports.report import Report


Options = Callable[[argparse.ArgumentParser], None]


def add(commands: Any, run: Options, runs: Options) -> None:
    """Both commands among the others of `commands`; `run` gives one its RUN and --runs, `runs` only the latter."""
    report = commands.add_parser(
        "report", help="what a run did and cost, beside its plan, and where every dollar went"
    )
    run(report)
    report.add_argument(
        "--html", type=Path, metavar="FILE", help="write the page there (default: beside the run)"
    )
    form = report.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", action="store_true", help="print rows with the columns of FOCUS")
    form.add_argument("--md", action="store_true", help="print Markdown, for an issue or a wiki")
    report.add_argument(
        "--all", action="store_true", help="every run, a line each, and what they cost together"
    )
    report.add_argument(
        "--since",
        type=_since,
        metavar="WHEN",
        help="like --all, runs since a date, a moment, or 7d or 12h ago",
    )
    report.add_argument(
        "--reconcile", type=Path, nargs="+", metavar="FILE",
        help="beside the bill: AWS CUR, FOCUS 1.x or GCP billing export, Parquet or CSV",
    )  # fmt: skip
    compare = commands.add_parser("compare", help="two runs side by side, and what made one dearer")
    compare.add_argument("one", metavar="RUN")
    compare.add_argument("other", metavar="RUN")
    runs(compare)
    compare.add_argument("--json", action="store_true", help="print JSON")


def report(arguments: Namespace) -> int:
    if (arguments.all or arguments.since) and (arguments.run or arguments.reconcile or arguments.csv):
        raise Usage(
            "--all and --since are about many runs", hint="leave RUN, --csv and --reconcile out, or these"
        )
    if arguments.reconcile:
        return _reconcile(arguments)
    if arguments.all or arguments.since:
        return _all(arguments)
    from launcher.cli.console import show  # noqa: PLC0415
    from launcher.cli.progress import say  # noqa: PLC0415
    from launcher.files import write  # noqa: PLC0415
    from launcher.reports.focus_csv import to_csv  # noqa: PLC0415 - `--help` must not wait
    from launcher.reports.html.report import render  # noqa: PLC0415
    from launcher.reports.markdown import report_md  # noqa: PLC0415
    from launcher.reports.report import to_json  # noqa: PLC0415
    from launcher.reports.terminal.report import report_text  # noqa: PLC0415

    with ledger_of(arguments) as ledger:
        run = ledger.find(arguments.run)
        found = _look(ledger, run, arguments.runs)
    body = to_json(found)
    page: Path = arguments.html or arguments.runs / run.id / "report.html"
    write(page, render(body))
    if arguments.csv:
        print(to_csv(found), end="")  # noqa: T201 - the data
    elif arguments.md:
        print(report_md(body), end="")  # noqa: T201
    else:
        show(body, report_text, as_json=arguments.json)
    say(f"report: {page}")
    return 0


def compare(arguments: Namespace) -> int:
    from launcher.cli.console import show  # noqa: PLC0415
    from launcher.reports.report import to_json  # noqa: PLC0415
    from launcher.reports.run_list import beside, beside_text  # noqa: PLC0415

    with ledger_of(arguments) as ledger:
        runs = [ledger.find(name) for name in (arguments.one, arguments.other)]
        bodies = [to_json(_look(ledger, run, arguments.runs, prices=False)) for run in runs]
    show(beside(*bodies), beside_text, as_json=arguments.json)
    return 0


def ledger_of(arguments: Namespace) -> "Ledger":
    """The ledger that is there: looking for a run makes none."""
    from launcher.ledger.ledger import Ledger  # noqa: PLC0415

    path: Path = arguments.runs / "ledger.db"
    if not path.exists():
        raise Problem(
            f"no runs are kept in {arguments.runs.absolute()}",
            hint="go to the folder you launched from, or name its runs with --runs",
        )
    return Ledger.open(path)


def _look(ledger: "Ledger", run: "Run", runs: Path, *, prices: bool = True) -> "Report":
    """The report, after a look at the store for news where it can be reached; else from the ledger alone."""
    from launcher.cli.progress import say  # noqa: PLC0415
    from launcher.costs.run_costs import report_of  # noqa: PLC0415
    from launcher.fleet.monitoring.spot_prices import SpotHistory  # noqa: PLC0415
    from launcher.fleet.status import eye_of, settle  # noqa: PLC0415
    from launcher.planning.price_book import book_of  # noqa: PLC0415
    from tasks.clock import utc  # noqa: PLC0415
    from tasks.stores.open import open_store  # noqa: PLC0415

    store = None
    try:
        store = open_store(run.output)
        eye = eye_of(ledger, store, run)
        settle(ledger, run, eye, runs / run.id, SpotHistory(ledger, run.id, say), say)
        if eye:
            eye.receipts()
            eye.lost()
    except Problem as problem:
        say(f"from the ledger alone, for the store cannot be asked: {problem}")
        store = None
    offers = book_of(None, offline=False).offers if prices and run.place != "local" else ()
    return report_of(ledger, store, run.id, utc(), offers)


def _all(arguments: Namespace) -> int:
    from launcher.cli.console import show  # noqa: PLC0415
    from launcher.reports.run_list import listing, listing_md, listing_text  # noqa: PLC0415
    from tasks.clock import utc  # noqa: PLC0415

    with ledger_of(arguments) as ledger:
        body = listing(ledger, arguments.since and _moment(arguments.since, utc()), utc())
    if arguments.md:
        print(listing_md(body), end="")  # noqa: T201
    else:
        show(body, listing_text, as_json=arguments.json)
    if arguments.html:
        raise Usage("--all has no page", hint="use --json or --md")
    return 0


def _reconcile(arguments: Namespace) -> int:
    from launcher.cli.console import show  # noqa: PLC0415
    from launcher.costs.cloud_bill import read  # noqa: PLC0415
    from launcher.costs.daily import by_day  # noqa: PLC0415
    from launcher.costs.reconcile import reconcile  # noqa: PLC0415
    from launcher.costs.run_costs import places_of, report_of  # noqa: PLC0415
    from launcher.reports.report import unknown  # noqa: PLC0415
    from launcher.reports.run_list import reconcile_text  # noqa: PLC0415
    from tasks.clock import utc  # noqa: PLC0415

    with ledger_of(arguments) as ledger:
        run = ledger.find(arguments.run)
        found = report_of(ledger, None, run.id, utc())
    bills = [read(path, run.id) for path in arguments.reconcile]
    output = places_of(json.loads(run.plan))[1]
    cloud = output.cloud if output else "?"
    days = by_day(found.machines, found.spend.lives, found.spend.others, found.updated, cloud)
    show(reconcile(run.id, days, bills, unknown(found)), reconcile_text, as_json=arguments.json)
    return 0


def _since(word: str) -> str:
    """Checked here, so that a wrong one is a wrong command line; the clock is read later."""
    _moment(word, datetime(2026, 1, 1, tzinfo=UTC))
    return word


def _moment(word: str, now: datetime) -> datetime:
    units = {"d": timedelta(days=1), "h": timedelta(hours=1), "w": timedelta(weeks=1)}
    if word[-1:] in units and word[:-1].isdigit():
        return now - int(word[:-1]) * units[word[-1]]
    try:
        found = datetime.fromisoformat(word)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"give a date such as 2026-11-01, or 7d or 12h, not {word!r}"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
