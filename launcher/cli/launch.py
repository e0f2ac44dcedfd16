"""`embedfleet launch` and `embedfleet resume`: carry out a plan to its end, and write the report."""

import json
import sys
from argparse import Namespace
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from launcher.cli.confirm import confirm, rehearsal
from launcher.cli.console import show
from launcher.cli.open_ledger import existing_ledger
from launcher.cli.plan import choices_of
from launcher.cli.progress import say, screen
from launcher.corpus.inspect import output_path
from launcher.costs.run_costs import report_of, standing_of
from launcher.errors import FailedRows, Problem, Usage
from launcher.files import read, write
from launcher.fleet.controller import Controller, run_lock
from launcher.fleet.create_run import create_run, unchanged_corpus
from launcher.fleet.monitoring.spot_prices import SpotPriceRecorder
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.notifications import current_budget, notifying
from launcher.fleet.orphan_check import await_teardown
from launcher.fleet.provisioner import check_access, is_rented, provision, task_specs
from launcher.fleet.task_specs import check_reachable, task_yamls
from launcher.jobs import job as jobs
from launcher.jobs.job import Job
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from launcher.output.dataset import write_dataset
from launcher.planning import plan as plans
from launcher.planning import planner
from launcher.reports.html.report import render
from launcher.reports.report import to_json
from launcher.reports.terminal.plan import plan_text
from launcher.reports.terminal.report import report_text
from launcher.throughput.calibration import learn
from tasks.clock import utc
from tasks.protocol import manifest
from tasks.protocol.keys import dataset_key
from tasks.stores.base import Store
from tasks.stores.open import open_store


def launch(arguments: Namespace) -> int:
    path: Path = arguments.plan
    text = read(path)
    choices = choices_of(arguments, arguments.on)
    if text.lstrip().startswith("{"):
        try:
            body = plans.check(json.loads(text))
        except ValueError as error:
            raise plans.BadPlan(f"{path} is not JSON: {error}", hint="name a plan or a job file") from error
        job, base = jobs.load(body["work"]["job"]), Path(body["work"]["base"])
        if arguments.refresh:
            body = plans.to_json(planner.make(job, base, choices, utc(), say))
    else:
        job, base = jobs.parse(text, where=path.name), path.absolute().parent
        body = plans.to_json(planner.make(job, base, choices, utc(), say))
        show(body, plan_text, as_json=False, stream=sys.stderr)
    if arguments.dry_run:
        print(rehearsal(body, task_specs(body, output_path(job, base), arguments.secret)), end="")  # noqa: T201 - the data
        return 0
    if body["work"]["corpus"] is None:
        raise Problem(
            "the corpus is only declared: there is nothing to embed", hint="give corpus.path in the job file"
        )
    if is_rented(body):
        check_reachable(body, output_path(job, base))
    unchanged_corpus(body, job, base)
    with Ledger.open(arguments.runs / "ledger.db") as ledger:
        run = ledger.run(body["run"])
        if run is None or run.state == RunState.PLANNED:
            if is_rented(body):
                check_access(body)
                confirm(body, yes=arguments.yes, most=arguments.max_cost)
            run = create_run(ledger, body, job, base, say=say)
            if arguments.max_cost is not None:  # never more than the job allows: what is set last holds
                said = (arguments.max_cost, job.limits.budget)
                ledger.set_budget(run.id, min(usd for usd in said if usd is not None), utc())
        else:
            say(f"run {run.id} is {run.state.lower()} already: going on with it")
        return _carry_on(ledger, run, arguments.runs, job, arguments)


def resume(arguments: Namespace) -> int:
    with existing_ledger(arguments) as ledger:
        run = ledger.find(arguments.run)
        body: dict[str, Any] = json.loads(run.plan)
        job = jobs.load(body["work"]["job"])
        if arguments.budget is not None:
            _raise(ledger, run, arguments.budget)
        if run.state == RunState.PLANNED:  # its launcher died before the manifest was whole
            run = create_run(ledger, body, job, Path(body["work"]["base"]), say=say)
        return _carry_on(ledger, run, arguments.runs, job, arguments)


def _raise(ledger: Ledger, run: Run, budget: Decimal) -> None:
    """Set another budget for a run; one that is used up already is refused."""
    spent = standing_of(ledger, run.id, utc()).spent
    if budget <= spent:
        raise Usage(
            f"a budget of ${budget} is used up already: ${spent:.4f} are spent",
            hint=f"embedfleet resume {run.id} --budget DOLLARS, with more than that",
        )
    ledger.set_budget(run.id, budget, utc())
    ledger.note(run.id, "budget", f"${budget} from now on", utc())


def _carry_on(ledger: Ledger, run: Run, runs: Path, job: Job, arguments: Namespace) -> int:
    """Drive the run to its end, then say how it went. The job's limits may be newer than the run's plan."""
    body: dict[str, Any] = json.loads(run.plan)
    folder = runs / run.id
    store = open_store(run.output)
    header = manifest.read_header(store, run.id)
    eye = StoreObserver(store, ledger, header)
    with run_lock(folder, run.id):
        write(folder / "plan.json", json.dumps(body, indent=1) + "\n")
        eye.recall()
        eye.receipts()
        before = ledger.find(run.id)
        if eye.finished and before.state == RunState.DONE:
            say(f"run {run.id} is finished: nothing to do")
        else:
            check_access(body)
            hired = provision(body, run.output, store, folder, arguments.secret)
            if not is_rented(body):
                manifest.within_reach(header)
            for name, text in task_yamls(hired.recipes).items():
                write(folder / name, text)
            follow, prove = _besides(ledger, run, body)
            try:
                with screen(body) as shown, notifying(ledger, run.id, job, shown, utc) as watch:
                    left = Controller(
                        ledger, StoreObserver(store, ledger, header), hired.cloud, hired.lots, current_budget(ledger, run.id, job),
                        watch, say, body["profile"]["tokens"], arguments.detach, follow, prove,
                    ).go()  # fmt: skip
            finally:
                learn(ledger, run.id, body, utc())
            if left:
                say(left)
                return 0
        if not store.list(dataset_key(run.id)):
            write_dataset(store, header, ledger.receipts(run.id))
    return _finish(ledger, store, run.id, folder)


def _besides(
    ledger: Ledger, run: Run, body: dict[str, Any]
) -> tuple[Callable[[datetime], None], Callable[[Callable[[], bool]], None]]:
    """What a drive of rented machines does besides: it follows their prices, and proves that they went."""
    if not is_rented(body):
        return lambda _now: None, lambda _hurried: None
    history = SpotPriceRecorder(ledger, run.id, say)

    def prove(hurried: Callable[[], bool]) -> None:
        await_teardown(ledger, run, body, say, hurried)
        history.look(utc(), every=timedelta(0))  # to the end of those that have just gone

    return history.look, prove


def _finish(ledger: Ledger, store: Store, run: str, folder: Path) -> int:
    body = to_json(report_of(ledger, store, run, utc()))
    write(folder / "report.html", render(body))
    write(folder / "report.json", json.dumps(body, indent=1) + "\n")
    show(body, report_text, as_json=False)
    say(f"report: {folder / 'report.html'}")
    failed, faults = body["work"]["failed_rows"], body["work"]["failed_shards"]
    if faults:
        first = next(r for r in ledger.receipts(run) if r.fault)
        raise FailedRows(
            f"{faults:,} of {body['work']['shards']:,} shards failed; shard {first.position}: {first.fault}",
            hint="plan and launch again, when the input is as you want it: a changed corpus is a new run",
        )
    if failed:
        raise FailedRows(
            f"{failed:,} rows could not be embedded; {body['work']['documents']:,} documents were",
            hint=f"embedfleet report {run} --json, or the page, lists them with file, position and reason",
        )
    return 0
