"""Embed again what has vanished of a run: its whole output, or single files that somebody or a lifecycle rule deleted.

The manifest is written again from the recorded plan. Shards without a receipt wait again in the ledger. A shard whose
receipt is there and whose file is not is put back by a mark in the store (`tasks.protocol.retry`): nothing is deleted.
Money that was spent stays in the ledger, as work that was lost.
"""

from collections.abc import Callable
from pathlib import Path

from launcher.fleet.create_run import create_run
from launcher.fleet.recovery.planned_inputs import check_planned_inputs
from launcher.fleet.recovery.put_back import by_slab, put_back_shards
from launcher.fleet.run_lock import run_lock
from launcher.jobs import job as jobs
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from launcher.output.missing import MissingOutput, find_missing
from launcher.planning.saved import plan_file
from tasks.clock import utc
from tasks.protocol import lease, manifest
from tasks.stores.base import Store

REASON = "its vectors are gone from the output path"


def find_missing_output(
    ledger: Ledger, store: Store, run: Run, *, say: Callable[[str], None]
) -> MissingOutput:
    """What of a run is gone, and say so. Changes nothing, so that its cost can be agreed to before."""
    if run.state == RunState.PLANNED:
        return MissingOutput(run.id, 0, 0)
    missing = find_missing(store, run.id, ledger.shards.each_receipt(run.id))
    if missing:
        say(f"the output of run {run.id} is gone or incomplete: {missing}; what is missing is embedded again")
    return missing


def reopen_missing(
    ledger: Ledger,
    store: Store,
    run: Run,
    missing: MissingOutput,
    folder: Path,
    *,
    say: Callable[[str], None],
) -> Run:
    """Let the shards wait again whose output is gone, and return the run as it is then. Rents and starts nothing.

    `folder` is the run's own, for its lock.

    Raises:
        Problem: the corpus or the model is not what it was, and nothing was put back.
        RunLocked: another launcher is at work on it.
    """
    if not missing:
        return run
    with run_lock(folder, run.id):
        plan = plan_file.read_recorded(run.plan)
        if missing.manifest:
            create_run(ledger, plan, jobs.load(plan.work.job), Path(plan.work.base), say=say)
        check_planned_inputs(plan, manifest.read_header(store, run.id))
        _reopen(ledger, store, run, missing)
    return ledger.runs.find(run.id)


def _reopen(ledger: Ledger, store: Store, run: Run, missing: MissingOutput) -> None:
    ledger.runs.record_event(run.id, "output gone", str(missing), utc())
    for slab, receipts in by_slab(missing.receipts).items():
        newest = lease.survey(store, run.id, slab).newest
        ledger.shards.reopen(run.id, [one for one in receipts if one.shard in newest])
        ledger.shards.reopen(run.id, [one for one in receipts if one.shard not in newest], leases_gone=True)
    put_back_shards(store, run.id, missing.shards, REASON)
    ledger.shards.reopen(run.id, missing.shards)
    if missing.lost and run.state == RunState.DONE:
        ledger.runs.set_state(run.id, RunState.STOPPED, utc())
