"""Try again what failed of a run and may succeed another time: `embedfleet resume RUN --retry-failed`.

That is a shard which was set aside as a whole (workers died of it, or its file was another one), and a shard with rows
that the engine failed on or that could not be read. Rows whose bytes are wrong stay set aside: they will not get better.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from launcher.fleet.recovery.planned_inputs import check_planned_inputs
from launcher.fleet.recovery.put_back import put_back_shards
from launcher.fleet.run_lock import run_lock
from launcher.format import plural, verb
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from launcher.output.missing import MissingOutput
from launcher.planning.saved import plan_file
from tasks.clock import utc
from tasks.formats.rows import BadRow
from tasks.protocol import manifest
from tasks.protocol.receipt import Receipt
from tasks.stores.base import Store

REASON = "what failed is tried again"
ENGINE_REASONS = (
    "the engine gave no finite vector",
    "the engine failed on it",
)  # of versions without `retry`


def find_failed(
    ledger: Ledger, store: Store, run: Run, missing: MissingOutput, *, say: Callable[[str], None]
) -> Sequence[Receipt]:
    """The receipts of shards that failed in a way that may pass, and whose output is there. Changes nothing."""
    lost = {one.shard for one in missing.lost}
    failed = [
        one for one in ledger.shards.each_receipt(run.id) if one.shard not in lost and may_succeed(store, one)
    ]
    if not failed:
        say(f"nothing of run {run.id} failed in a way that another attempt may mend")
    return failed


def reopen_failed(
    ledger: Ledger,
    store: Store,
    run: Run,
    failed: Sequence[Receipt],
    folder: Path,
    *,
    say: Callable[[str], None],
) -> Run:
    """Let the shards of these receipts wait again; return the run as it is then. Starts nothing.

    `folder` is the run's own, for its lock.

    Raises:
        Problem: the corpus or the model is not what it was, and nothing was put back.
        RunLocked: another launcher is at work on it.
    """
    if not failed:
        return run
    with run_lock(folder, run.id):
        check_planned_inputs(plan_file.read_recorded(run.plan), manifest.read_header(store, run.id))
        put_back_shards(store, run.id, failed, REASON)
        ledger.shards.reopen(run.id, failed)
        said = f"{plural(len(failed), 'shard')} with failures {verb(len(failed), 'is', 'are')} tried again"
        ledger.runs.record_event(run.id, "retry", said, utc())
        if run.state == RunState.DONE:
            ledger.runs.set_state(run.id, RunState.STOPPED, utc())
        say(said)
    return ledger.runs.find(run.id)


def may_succeed(store: Store, receipt: Receipt) -> bool:
    """Whether another attempt at a shard may do better than this receipt."""
    if receipt.fault is not None:
        return True
    return any(_has_retryable_row(store, key) for key in receipt.quarantines)


def _has_retryable_row(store: Store, key: str) -> bool:
    stream = store.get(key)
    if stream is None:
        return False
    with stream:
        for line in stream:
            try:
                row = msgspec.convert(json.loads(line), BadRow)
            except (ValueError, RecursionError):
                continue
            if row.retry or row.reason.startswith(ENGINE_REASONS):
                return True
    return False
