"""A run's messages while somebody drives it: what `notify` is told, from the ledger, now and then."""

import contextlib
import json
import time
from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from decimal import Decimal

from launcher.costs.run_costs import machine_times, standing_of, working_seconds
from launcher.fleet.monitoring.webhook import RunSnapshot, webhook_sender, webhook_url
from launcher.fleet.orphan_check import ORPHAN_EVENT
from launcher.fleet.progress import ProgressSnapshot
from launcher.jobs.job import Job
from launcher.ledger.ledger import Ledger
from launcher.planning.plan_reader import at

CHECK_INTERVAL_SECONDS = 5.0  # seconds between looks: each asks the ledger a few questions


@contextlib.contextmanager
def notifying(
    ledger: Ledger,
    run: str,
    job: Job,
    watch: Callable[[ProgressSnapshot], None],
    clock: Callable[[], datetime],
) -> Generator[Callable[[ProgressSnapshot], None], None, None]:
    """A watcher that shows what `watch` shows, and sends what is due to where the job says."""
    url = webhook_url(job.notify)
    with webhook_sender(ledger, run, url, clock) as hear:
        if url is None:
            yield watch
            return
        last = [0.0]

        def seen(glance: ProgressSnapshot) -> None:
            watch(glance)
            if time.monotonic() - last[0] >= CHECK_INTERVAL_SECONDS:
                last[0] = time.monotonic()
                hear(run_snapshot(ledger, run, job, clock()))

        try:
            yield seen
        finally:
            hear(run_snapshot(ledger, run, job, clock()))


def run_snapshot(ledger: Ledger, run: str, job: Job, now: datetime) -> RunSnapshot:
    row, progress = ledger.runs.find(run), ledger.shards.progress(run)
    money = standing_of(ledger, run, now)
    seconds = working_seconds(machine_times(ledger, run), now)
    expected = progress.tokens_expected or at(json.loads(row.plan), "profile", "tokens")
    left = None
    if seconds and progress.tokens and expected:
        left = max(0.0, expected - progress.tokens) * seconds / progress.tokens / 3600
    return RunSnapshot(
        run=run,
        shards=progress.shards,
        done=progress.shards_done,
        bound=money.bound,
        spent=money.spent,
        budget=current_budget(ledger, run, job),
        hours_left=left,
        deadline=deadline_of(job, row.created),
        now=now,
        state=row.state.value,
        orphans=tuple(e.text.split(":")[0] for e in ledger.runs.events(run) if e.kind == ORPHAN_EVENT),
    )


def current_budget(ledger: Ledger, run: str, job: Job) -> Decimal | None:
    """As it was set last for this run, else the job's."""
    return ledger.costs.budget(run) or job.limits.budget


def deadline_of(job: Job, created: datetime) -> datetime | None:
    """The moment by which the job wants it done."""
    if job.limits.deadline_at:
        return datetime.fromisoformat(job.limits.deadline_at)
    hours = job.limits.deadline_hours
    return None if hours is None else created + timedelta(hours=hours)
