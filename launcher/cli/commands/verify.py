"""`embedfleet verify`: check every receipt, file, id and vector of a run."""

import re
from argparse import Namespace

from launcher.cli.console import show, steps
from launcher.cli.open_ledger import existing_ledger
from launcher.errors import FailedRows, Problem
from launcher.fleet.create_run import header_of
from launcher.format import plural
from launcher.jobs import job as jobs
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from launcher.output.missing import check_output_there
from launcher.output.verification.plan_check import PlannedRun, planned_run
from launcher.output.verification.repeated_ids import REPEATED_IDS
from launcher.output.verification.shard_files import OTHER_FILE, UNREADABLE
from launcher.output.verification.verify import verify
from launcher.output.verification.verify_report import VerifyReport
from launcher.planning.saved import plan_file
from launcher.reports.terminal.runs.verify import verify_text
from tasks.formats.ids import ROUNDED
from tasks.protocol import manifest
from tasks.protocol.keys import dataset_key
from tasks.stores.open import open_store

DAMAGED = re.compile(rf"((?:data|_embedfleet)/\S+) (?:{UNREADABLE}|{OTHER_FILE})")
TOOK_ROUNDED = "the version that made this run took rounded ids as they are, so some of them are wrong"


def _next_step(run: Run, report: VerifyReport) -> str:
    """What helps against the faults of a report."""
    if all(fault.startswith(dataset_key(run.id)) for fault in report.faults):
        return f"embedfleet finish {run.id} writes the list of files again, from the receipts"
    if report.fault_count == len(report.faults) and all(REPEATED_IDS in fault for fault in report.faults):
        return (
            "every row was embedded once; make corpus.id unique and embed again, or leave it out: "
            "ids are then the file and the position (of a WebDataset its keys, so name another)"
        )
    if all(fault.startswith("no vector can be compared") for fault in report.faults):
        return f"put the model of the run back; or embedfleet verify {run.id} --no-embed checks all but the vectors"
    if damaged := next((found[1] for fault in report.faults if (found := DAMAGED.search(fault))), None):
        return f"restore {damaged} and what else is damaged, or delete it: embedfleet resume {run.id} then embeds again"
    missing = any(fault.endswith((" is missing", "has no receipt")) for fault in report.faults)
    if missing or run.state != RunState.DONE:
        return f"embedfleet resume {run.id} embeds again what is missing; else embed into a new output path"
    again = "embed into a new output path"
    rounded = any(ROUNDED in fault for fault in report.faults)
    return f"{TOOK_ROUNDED}; write them as integers or text and {again}" if rounded else again


def _not_finished(run: Run, report: VerifyReport) -> Problem:
    """The error for a run whose shards are good as far as they are done."""
    left = plural(report.shards - report.shards_done, "shard")
    goes_on = run.state in (RunState.RUNNING, RunState.DRAINING)
    first = (
        f"embedfleet status {run.id} says how far it is"
        if goes_on
        else f"embedfleet resume {run.id} embeds the rest"
    )
    return Problem(
        f"run {run.id} is not finished: {left} of {report.shards:,} left; no fault in those that are done",
        hint=f"{first}; then verify again",
    )


def _planned(ledger: Ledger, run: Run) -> PlannedRun | None:
    """The run as this ledger knows it; None where it holds no shards yet."""
    shards = ledger.shards.progress(run.id).shards
    if not shards:
        return None
    plan = plan_file.read_recorded(run.plan)
    header = header_of(plan, jobs.load(plan.work.job), shards)
    ids = (shard.id for shard in ledger.shards.of_run(run.id))
    return planned_run(header, ids, finished=run.state == RunState.DONE)


def run(arguments: Namespace) -> int:
    """Check the output of a run and print the report.

    Raises:
        Problem: the output has faults, or the run is not finished.
        FailedRows: the output is good, and some shards could not be embedded.
    """
    with existing_ledger(arguments) as ledger:
        run = ledger.runs.find(arguments.run)
        planned = _planned(ledger, run)
        store = open_store(run.output)
        try:
            header = manifest.read_header(store, run.id)
        except manifest.RunNotFound:
            check_output_there(store, run.id, ledger.shards.each_receipt(run.id))
            raise
    with steps("checking shards") as step:
        report = verify(
            store,
            header,
            arguments.seed,
            embed_again=not arguments.no_embed,
            progress=step,
            planned=planned,
        )
    show(report, verify_text, as_json=arguments.json)
    if report.fault_count:
        raise Problem(
            f"{plural(report.fault_count, 'fault')} in run {run.id}; the first: {report.faults[0]}",
            hint=_next_step(run, report),
        )
    if not report.finished:
        raise _not_finished(run, report)
    if report.failed_shards:
        raise FailedRows(
            f"{len(report.failed_shards)} of {plural(report.shards, 'shard')} were not embedded; "
            f"{report.failed_shards[0]}",
            hint="plan and launch again, when the input is as you want it: a changed corpus is a new run",
        )
    return 0
