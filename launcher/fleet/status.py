"""How a run stands now: from the ledger, and from the store where there is news.

Asking drives nothing. Where no launcher is at work, what became of its machines is written down; nothing is started.
Light on purpose: `embedfleet status` imports no planner, no controller and no library of numbers.
"""

import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from launcher.costs.run_costs import rates_of, spent_so_far
from launcher.documents.load_status import LoadStatus
from launcher.documents.status import PilotStatus, StatusReport, WorkerState, WorkerSummary
from launcher.documents.truncation import truncation_of
from launcher.errors import Problem
from launcher.fleet.budget.recorded_spend import note_recorded
from launcher.fleet.monitoring.cost_status import cost_status, longest_chunk, projected_usd
from launcher.fleet.monitoring.heartbeats import summarize
from launcher.fleet.monitoring.spot_prices import SpotPriceRecorder
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.run_context import context_of, track_machines
from launcher.fleet.run_lock import RunLocked, run_lock
from launcher.fleet.scheduling.states import ALIVE
from launcher.fleet.steering.course_status import course_status, is_driven
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Machine, Run
from launcher.loading.progress.load_status import read_load_status
from launcher.planning.saved import plan_file
from tasks.clock import utc


@dataclass(frozen=True, slots=True)
class _StoreState:
    """What only the store knows of a run; without a store, nothing."""

    tokens_open: int = 0  # of shards without a receipt
    workers: WorkerSummary = field(default_factory=lambda: summarize([]))
    unreadable: tuple[str, ...] = ()
    load: LoadStatus | None = None


def status_of(
    ledger: Ledger,
    run: str,
    observer: StoreObserver | None,
    folder: Path | None = None,
    *,
    pilot: PilotStatus | None = None,
    launcher_known: bool = True,
) -> StatusReport:
    """The state of a run now. Without an observer, what only the store knows is left out.

    `folder` is the run's own, where a launcher that drives it holds a lock; None: no launcher here does. `pilot`: the
    last word of a launcher elsewhere. `launcher_known`: else the run is read by its output path alone, and one may.
    """
    if observer:
        observer.read_receipts()
        observer.read_heartbeats()
    row, machines, progress = ledger.runs.find(run), ledger.machines.of_run(run), ledger.shards.progress(run)
    now = utc()
    alive = {machine.name for machine in machines if machine.state in ALIVE}
    seen = _StoreState() if observer is None else _store_state(observer, run, alive)
    usd = spent_so_far(ledger, run, now) if machines else None
    expected = plan_file.read_recorded(row.plan).profile.tokens
    rates = rates_of(ledger, run, now, usd=usd, tokens_open=seen.tokens_open, expected=expected)
    cost = cost_status(ledger, run, now, rates)
    driven = (pilot is not None and pilot.drives) or (folder is not None and is_driven(folder, run))
    works = any(machine.state in ALIVE and machine.ready is not None for machine in machines)
    course = course_status(ledger, row, rates, now, driven=driven, works=works)
    projected = projected_usd(cost, course)
    return StatusReport(
        run=run,
        state=row.state.value,
        at=now,
        shards=progress.shards,
        shards_done=progress.shards_done,
        shards_failed=progress.shards_failed,
        documents=progress.documents,
        chunks=progress.chunks,
        tokens=progress.tokens,
        tokens_expected=progress.tokens_expected,
        failed_rows=progress.failed_rows,
        output_bytes=progress.output_bytes,
        seconds=rates.seconds,
        tokens_per_second=rates.tokens_per_second,
        seconds_left=rates.seconds_left if alive else None,
        usd=usd,
        workers=tuple(map(_worker_state, machines)),
        usd_known=cost.usd_known,
        usd_committed=cost.usd_committed,
        usd_per_hour=cost.usd_per_hour,
        usd_projected=projected,
        budget=cost.budget,
        preemptions=cost.preemptions,
        places=cost.places,
        stages=seen.workers.stages,
        slowest=seen.workers.slowest,
        advice=seen.workers.advice,
        signs=seen.workers.signs,
        truncation=truncation_of(
            progress.tokens,
            progress.tokens_cut,
            longest_chunk(ledger, run),
            usd=projected.p50 if projected else None,
        ),
        unreadable=seen.unreadable,
        usd_per_million_tokens=rates.usd_per_million_tokens,
        tokens_open=rates.tokens_open,
        share=rates.share,
        course=course,
        load=seen.load,
        launcher_known=launcher_known,
        pilot=pilot,
    )


def _store_state(observer: StoreObserver, run: str, alive: Collection[str]) -> _StoreState:
    """What the store says of a run beside its receipts. `alive`: machines that have not ended."""
    return _StoreState(
        tokens_open=observer.tokens_open(alive) if alive else 0,
        workers=summarize(observer.heartbeats.read()),
        unreadable=tuple(sorted(observer.unreadable)),
        load=read_load_status(observer.store, run),
    )


def _worker_state(machine: Machine) -> WorkerState:
    return WorkerState(
        name=machine.name,
        state=machine.state.value,
        handle=machine.handle,
        ready=machine.ready is not None,
        reason=machine.reason,
    )


def settle_if_unattended(
    ledger: Ledger,
    run: Run,
    observer: StoreObserver | None,
    folder: Path,
    prices: SpotPriceRecorder,
    say: Callable[[str], None],
) -> None:
    """Where no launcher is at work, write down what became of the machines and what they cost."""
    if observer is None:
        return
    with contextlib.suppress(RunLocked), run_lock(folder, run.id, tries=0):
        context = context_of(ledger, run, observer, folder)
        try:
            track_machines(context).reconcile()
            if context.rented:
                prices.record(utc())
        except Problem as problem:
            if not context.rented:
                raise
            # the store still says how many shards are done
            say(f"what became of rented machines is not known: {problem}")
        try:
            note_recorded(ledger, observer.store, run.id, utc())
        except Problem as problem:
            say(str(problem))
