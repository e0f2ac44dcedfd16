"""How a run stands now, for whoever asks: from the ledger, and from the store where there is news.

Asking drives nothing. Where no launcher is at work, what became of its workers is written down; nothing is started.
"""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launcher.costs.run_costs import machine_times, spent_so_far, working_seconds
from launcher.errors import Problem
from launcher.fleet.controller import Controller
from launcher.fleet.monitoring.cost_status import money_of
from launcher.fleet.monitoring.heartbeats import pace_of
from launcher.fleet.monitoring.machine_tracker import MachineTracker
from launcher.fleet.monitoring.spot_prices import SpotPriceRecorder
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.provisioner import provision
from launcher.fleet.run_lock import RunLocked, run_lock
from launcher.fleet.states import ALIVE
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run
from tasks.clock import utc
from tasks.protocol import manifest
from tasks.stores.base import Store


def observer_of(ledger: Ledger, store: Store, run: Run) -> StoreObserver | None:
    """Who looks at the store; None while the run has no manifest yet."""
    try:
        eye = StoreObserver(store, ledger, manifest.read_header(store, run.id))
    except manifest.RunNotFound:
        return None
    eye.load_known()
    return eye


def status_of(ledger: Ledger, run: str, eye: StoreObserver | None) -> dict[str, Any]:
    """The state of a run as JSON, schema embedfleet/status/1. Unknown is null; money is a string."""
    if eye:
        eye.read_receipts()
        eye.read_heartbeats()
    row, progress, now = ledger.runs.find(run), ledger.shards.progress(run), utc()
    machines = ledger.machines.of_run(run)
    times = machine_times(ledger, run)
    seconds = working_seconds(times, now) or None
    rate = progress.tokens / seconds if seconds and progress.tokens else None
    expected = progress.tokens_expected
    up = any(m.state in ALIVE for m in machines)
    known = up and rate and expected is not None and expected > progress.tokens
    left = (expected - progress.tokens) / rate if known and rate and expected is not None else None
    spent = spent_so_far(ledger, run, now) if machines else None
    money = money_of(ledger, run, now, progress.tokens, expected, rate)
    return {
        "schema": "embedfleet/status/1",
        "run": run,
        "state": row.state.value,
        "at": now.isoformat(),
        "shards": progress.shards,
        "shards_done": progress.shards_done,
        "shards_failed": progress.shards_failed,
        "documents": progress.documents,
        "chunks": progress.chunks,
        "tokens": progress.tokens,
        "tokens_expected": expected,
        "failed_rows": progress.failed_rows,
        "output_bytes": progress.output_bytes,
        "seconds": seconds,
        "tokens_per_second": rate,
        "seconds_left": left,
        "usd": None if spent is None else str(spent),
        "workers": [
            {"name": m.name, "state": m.state.value, "handle": m.handle, "ready": m.ready is not None, "reason": m.reason}
            for m in machines
        ],
    } | money | pace_of(eye.heartbeats.read() if eye else [])  # fmt: skip


def settle_if_unattended(
    ledger: Ledger,
    run: Run,
    eye: StoreObserver | None,
    folder: Path,
    history: SpotPriceRecorder,
    say: Callable[[str], None],
) -> None:
    """Where no launcher is at work, write down what became of the workers and what they cost; else it does so itself."""
    if eye:
        with contextlib.suppress(RunLocked), run_lock(folder, run.id, tries=0):
            census = tracker_of(ledger, run, eye, folder)
            try:
                census.reconcile()
                if census.workers is not None:
                    history.record(utc())
            except Problem as problem:
                if census.workers is None:
                    raise
                say(
                    f"what became of rented machines is not known: {problem}"
                )  # the store still tells how far it is


def tracker_of(ledger: Ledger, run: Run, eye: StoreObserver, folder: Path) -> MachineTracker:
    """Who looks after this run's machines while no launcher does."""
    hired = provision(json.loads(run.plan), run.output, eye.store, folder)
    return Controller(ledger, eye, hired.backend, hired.groups, None, lambda _glance: None).census
