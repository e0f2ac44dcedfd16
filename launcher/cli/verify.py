"""`embedfleet verify`: check every receipt, file, id and vector of a run."""

from argparse import Namespace

from launcher.cli.console import show, steps
from launcher.cli.open_ledger import existing_ledger
from launcher.errors import FailedRows, Problem
from launcher.ledger.records import RunState
from launcher.output.verify import verify
from launcher.reports.terminal.verify import verify_text
from tasks.protocol import manifest
from tasks.stores.open import open_store


def run(arguments: Namespace) -> int:
    """Check the output of a run and print the report.

    Raises:
        Problem: the output has faults.
        FailedRows: the output is good, and some shards could not be embedded.
    """
    with existing_ledger(arguments) as ledger:
        run = ledger.runs.find(arguments.run)
    store = open_store(run.output)
    header = manifest.read_header(store, run.id)
    with steps("checking shards") as step:
        report = verify(store, header, arguments.seed, embed_again=not arguments.no_embed, progress=step)
    show(report, verify_text, as_json=arguments.json)
    if report.fault_count:
        raise Problem(
            f"{report.fault_count} faults in run {run.id}; the first: {report.faults[0]}",
            hint="embed into a new output path"
            if run.state == RunState.DONE
            else f"embedfleet resume {run.id} if shards are missing; else embed into a new output path",
        )
    if report.failed_shards:
        raise FailedRows(
            f"{len(report.failed_shards)} of {report.shards} shards were not embedded; {report.failed_shards[0]}",
            hint="plan and launch again, when the input is as you want it: a changed corpus is a new run",
        )
    return 0
