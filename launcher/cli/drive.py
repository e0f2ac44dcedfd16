"""Drive a run to its end, then write and print its report: what `launch` and `resume` share."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

from launcher import __version__
from launcher.cli.console import say, show, show_json
from launcher.cli.progress import screen
from launcher.cli.sink_loader import SinkLoader, not_loaded_too, sink_loader
from launcher.documents.encode import json_pieces
from launcher.documents.launch import detached_document, done_document
from launcher.errors import DeadlineMissed, FailedRows
from launcher.files import write
from launcher.fleet.controller import Callbacks, Controller, Options
from launcher.fleet.monitoring.spot_prices import recorder_of
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.notifications import notifying
from launcher.fleet.orphan_check import await_teardown, find_remaining, none_unknown
from launcher.fleet.progress import ProgressSnapshot
from launcher.fleet.provisioning.launch_prices import launch_priced
from launcher.fleet.provisioning.provisioner import check_access, is_rented, provision, usable_groups
from launcher.fleet.provisioning.task_specs import task_yamls
from launcher.fleet.recovery.planned_inputs import check_planned_inputs, other_readers
from launcher.fleet.run_context import RunContext
from launcher.fleet.run_lock import run_lock
from launcher.fleet.status import status_of
from launcher.fleet.steering.deadline import current_deadline, late_by
from launcher.fleet.steering.steering_setup import steering_of
from launcher.format import at_least, duration, plural, verb
from launcher.jobs.job import Job
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import COMMAND_EVENT, VERSION_EVENT, Run, RunState
from launcher.output.dataset import write_dataset
from launcher.output.missing import check_output_there
from launcher.planning.saved import plan_file
from launcher.planning.saved.run_setup import run_setup_of
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.reports.assemble import report_of
from launcher.reports.document import ReportDocument
from launcher.reports.html.report_page.report import report_page
from launcher.reports.plan_outcome import outcome_of
from launcher.reports.report_json import report_document
from launcher.reports.sections.run_facts import load_line
from launcher.reports.terminal.runs.report import report_text
from launcher.throughput.calibration import record_run_speed
from tasks.clock import utc
from tasks.protocol import manifest
from tasks.protocol.keys import dataset_key
from tasks.stores.base import Store
from tasks.stores.open import open_store

AGAIN = "for new and changed files plan the job again, and to embed all of it again set another output.path"


def drive_to_end(
    ledger: Ledger,
    run: Run,
    runs: Path,
    job: Job,
    arguments: Namespace,
    *,
    each_look: Callable[[], None] = lambda: None,
) -> int:
    """Start machines until every shard has its receipt, then report; return the exit status.

    `job` gives the limits and may be newer than the plan that the run was created with. `each_look` is called after every
    look of the controller.

    Raises:
        FailedRows: the run is finished, and some rows or shards could not be embedded.
        DeadlineMissed: the run is finished, after its deadline.
        NotLoaded: the run is finished, and the job's sink does not have all of it.
    """
    with sink_loader(job, run, runs, say) as sink:
        return _drive_to_end(_DrivenRun(ledger, run, runs / run.id, job, arguments, sink, each_look))


@dataclass(frozen=True, slots=True)
class _DrivenRun:
    """A run that is driven: its ledger and folder on this laptop, the job, the command line, and what looks beside it."""

    ledger: Ledger
    run: Run
    folder: Path
    job: Job
    arguments: Namespace
    sink: SinkLoader
    each_look: Callable[[], None]


def _drive_to_end(driven: _DrivenRun) -> int:
    ledger, run = driven.ledger, driven.run
    store = open_store(run.output)
    header = manifest.read_header(store, run.id)
    observer = StoreObserver(store, ledger, header)
    observer.check_shards()
    with run_lock(driven.folder, run.id):
        write(driven.folder / "plan.json", plan_file.indented(run.plan))
        observer.load_known()
        observer.read_receipts()
        # as this or another launcher left it
        check_output_there(store, run.id, ledger.shards.each_receipt(run.id))
        if observer.finished and ledger.runs.find(run.id).state == RunState.DONE:
            say(f"run {run.id} is finished: nothing to do; {AGAIN}")
            has_dataset = bool(store.list(dataset_key(run.id)))
        else:
            what_continues = _drive(driven)
            if what_continues:
                _show_what_continues(driven, observer, what_continues)
                return 0
            check_output_there(store, run.id, ledger.shards.each_receipt(run.id))  # as it is now
            has_dataset = False
        if not has_dataset:
            write_dataset(store, header, ledger.shards.each_receipt(run.id))
    problem = _finish(driven, store)
    not_loaded_too(problem, driven.sink.finish(), say)
    return 0


def _show_what_continues(driven: _DrivenRun, observer: StoreObserver, what_continues: str) -> None:
    """Say what works on without this launcher; with --json, the state of the run, too."""
    run = driven.run
    for line in what_continues.splitlines():
        say(line)
    if driven.job.sink is not None:
        say(f"the sink is not loaded meanwhile: embedfleet load {run.id} --follow does, from any machine")
    if driven.arguments.json:
        status = status_of(driven.ledger, run.id, observer, driven.folder)
        show_json(detached_document(status, run.output, what_continues))


def _drive(driven: _DrivenRun) -> str | None:
    """Drive a run that has shards left; return None when it is done, or with --detach what continues without us."""
    ledger, run, job = driven.ledger, driven.run, driven.job
    plan = plan_file.read_recorded(run.plan)
    store = open_store(run.output)
    header = manifest.read_header(store, run.id)
    check_access(plan)
    ledger.runs.record_event(run.id, COMMAND_EVENT, driven.arguments.command_line, utc())
    ledger.runs.record_event(run.id, VERSION_EVENT, __version__, utc())
    provisioned = provision(plan, run.output, store, driven.folder, driven.arguments.secret)
    check_planned_inputs(plan, header)
    if changed := other_readers(plan, header):
        say(changed)
    for name, text in task_yamls(provisioned.specs).items():
        write(driven.folder / name, text)
    record_prices, await_gone = _rented_callbacks(ledger, run, plan)
    groups = launch_priced(ledger, run.id, plan, usable_groups(plan, provisioned.groups))
    context = RunContext(
        ledger=ledger,
        observer=StoreObserver(store, ledger, header),
        backend=provisioned.backend,
        groups=groups,
    )
    options = Options(
        budget=job.limits.budget,
        p90=plan.usd_p90,
        tokens=plan.profile.tokens,
        detach=driven.arguments.detach,
    )
    try:
        with screen() as shown, notifying(ledger, run.id, job, shown, utc) as watch:

            def watch_and_load(snapshot: ProgressSnapshot) -> None:
                watch(snapshot)
                driven.sink.look()
                driven.each_look()

            callbacks = Callbacks(
                watch=watch_and_load,
                say=say,
                record_prices=record_prices,
                all_gone=lambda: none_unknown(ledger, run, plan),
                await_teardown=await_gone,
            )
            steering = steering_of(ledger, run, plan, job, groups, say=say)
            return Controller(context, options, callbacks, steering=steering).drive()
    finally:
        record_run_speed(ledger, run.id, run_setup_of(plan), utc())


def _rented_callbacks(
    ledger: Ledger, run: Run, plan: SavedPlan
) -> tuple[Callable[[datetime], None], Callable[[Callable[[], bool]], None]]:
    """What the controller does for rented machines in addition: record spot prices, and check that all are gone."""
    if not is_rented(plan):
        return lambda _now: None, lambda _hurried: None
    history = recorder_of(ledger, run, say)

    def await_gone(hurried: Callable[[], bool]) -> None:
        await_teardown(ledger, run.id, lambda: find_remaining(ledger, run, plan), say=say, hurried=hurried)
        # prices up to the end of the machines that have just gone
        history.record(utc(), interval=timedelta(0))

    return history.record, await_gone


def _finish(driven: _DrivenRun, store: Store) -> FailedRows | DeadlineMissed | None:
    """Record how the plan came true, write and print the report; return what it lacks."""
    ledger, run, folder = driven.ledger, driven.run, driven.folder
    found = report_of(ledger, store, run.id, utc(), vectors=True)
    if outcome := outcome_of(found):
        ledger.outcomes.record(outcome)
    report = report_document(found)
    page, saved = folder / "report.html", folder / "report.json"
    write(page, report_page(report))
    write(saved, chain(json_pieces(report), "\n"))
    problem = _shortcoming(ledger, run, report, deadline=current_deadline(ledger, run, driven.job))
    if driven.arguments.json:
        status = status_of(ledger, run.id, None)
        line = load_line(run.output, run.id)
        show_json(done_document(status, run.output, problem, saved=saved, page=page, load=line))
    else:
        show(report, report_text, as_json=False)
    say(f"report: {page}")
    return problem


def _shortcoming(
    ledger: Ledger, run: Run, report: ReportDocument, *, deadline: datetime | None
) -> FailedRows | DeadlineMissed | None:
    """What a finished run lacks: rows or shards that could not be embedded, else its deadline; None: nothing."""
    failed, faults = report.work.failed_rows, report.work.failed_shards
    if faults:
        first = next(r for r in ledger.shards.each_receipt(run.id) if r.fault)
        return FailedRows(
            f"{faults:,} of {plural(report.work.shards, 'shard')} failed; shard {first.position}: {first.fault}",
            hint="plan and launch again, when the input is as you want it: a changed corpus is a new run",
        )
    if failed:
        return FailedRows(
            f"{at_least(report.work.cut_short)}{plural(failed, 'row')} could not be embedded; "
            f"{plural(report.work.documents, 'document')} {verb(report.work.documents, 'was', 'were')}",
            hint=f"embedfleet report {run.id} --json, or the page, lists them with file, position and reason",
        )
    if late := late_by(ledger, run.id, deadline):
        return DeadlineMissed(
            f"run {run.id} is done, {duration(late.total_seconds())} after its deadline",
            hint=f"embedfleet report {run.id} says what it waited for",
        )
    return None
