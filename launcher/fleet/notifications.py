"""A run's messages while a launcher drives it: from the ledger, every few seconds, to where the job's `notify` says."""

import contextlib
import time
from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from decimal import Decimal

from launcher.costs.run_costs import budget_status_of, machine_times, working_seconds
from launcher.fleet.monitoring.webhook import RunSnapshot, webhook_sender
from launcher.fleet.monitoring.webhook_post import webhook_url
from launcher.fleet.orphan_check import ORPHAN_EVENT
from launcher.fleet.progress import ProgressSnapshot
from launcher.jobs.job import Job
from launcher.ledger.ledger import Ledger
from launcher.money import SECONDS_PER_HOUR
from launcher.planning import plan_file

CHECK_INTERVAL_SECONDS = 5.0  # each check asks the ledger a few questions

Watch = Callable[[ProgressSnapshot], None]


@contextlib.contextmanager
def notifying(
    ledger: Ledger, run: str, job: Job, watch: Watch, clock: Callable[[], datetime]
) -> Generator[Watch, None, None]:
    """Yield a watcher that calls `watch`, and sends the messages that are due to the job's webhook."""
    url = webhook_url(job.notify)
    with webhook_sender(ledger, run, url, clock) as update:
        if url is None:
            yield watch
            return
        checked = [0.0]

        def watch_and_notify(snapshot: ProgressSnapshot) -> None:
            watch(snapshot)
            if time.monotonic() - checked[0] >= CHECK_INTERVAL_SECONDS:
                checked[0] = time.monotonic()
                update(run_snapshot(ledger, run, job, clock()))

        try:
            yield watch_and_notify
        finally:
            update(run_snapshot(ledger, run, job, clock()))


def run_snapshot(ledger: Ledger, run: str, job: Job, now: datetime) -> RunSnapshot:
    """What messages are decided by."""
    row, progress = ledger.runs.find(run), ledger.shards.progress(run)
    money = budget_status_of(ledger, run, now)
    seconds = working_seconds(machine_times(ledger, run), now)
    expected = progress.tokens_expected or plan_file.read_recorded(row.plan).profile.tokens
    left = None
    if seconds and progress.tokens and expected:
        left = max(0.0, expected - progress.tokens) * seconds / progress.tokens / SECONDS_PER_HOUR
    return RunSnapshot(
        run=run,
        shards=progress.shards,
        done=progress.shards_done,
        bound=money.spent_and_committed,
        spent=money.spent,
        budget=current_budget(ledger, run, job),
        hours_left=left,
        deadline=deadline_of(job, row.created),
        now=now,
        state=row.state.value,
        orphans=tuple(e.text.split(":")[0] for e in ledger.runs.events(run) if e.kind == ORPHAN_EVENT),
    )


def current_budget(ledger: Ledger, run: str, job: Job) -> Decimal | None:
    """The latest budget that was set for this run, else the job's `limits.budget`."""
    known = ledger.costs.budget(run)
    return job.limits.budget if known is None else known


def deadline_of(job: Job, created: datetime) -> datetime | None:
    """When the job is to be done; None: it has no deadline."""
    if job.limits.deadline_at:
        return datetime.fromisoformat(job.limits.deadline_at)
    hours = job.limits.deadline_hours
    return None if hours is None else created + timedelta(hours=hours)
