"""A run's messages while a launcher drives it: from the ledger, every few seconds, to where the job's `notify` says."""

import contextlib
import time
from collections.abc import Callable, Generator
from datetime import datetime
from decimal import Decimal

from launcher.costs.run_costs import budget_status_of, rates_of
from launcher.fleet.monitoring.webhook import RunSnapshot, webhook_sender
from launcher.fleet.monitoring.webhook_post import webhook_url
from launcher.fleet.orphan_check import ORPHAN_EVENT
from launcher.fleet.progress import ProgressSnapshot
from launcher.fleet.scheduling.states import ALIVE
from launcher.fleet.steering.course_status import course_status
from launcher.fleet.steering.deadline import current_deadline
from launcher.jobs.job import Job
from launcher.ledger.ledger import Ledger
from launcher.planning.saved import plan_file

CHECK_INTERVAL_SECONDS = 5.0  # each check asks the ledger a few questions

Watch = Callable[[ProgressSnapshot], None]


def check_notify(job: Job) -> None:
    """Check the address that the job's `notify` names, before anything is made or rented.

    Raises:
        Usage: the environment has none, or what it has is none.
    """
    webhook_url(job.notify)


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
                update(run_snapshot(ledger, run, job, clock(), snapshot.rates.tokens_open))

        try:
            yield watch_and_notify
        finally:
            update(run_snapshot(ledger, run, job, clock()))


def run_snapshot(ledger: Ledger, run: str, job: Job, now: datetime, tokens_open: int = 0) -> RunSnapshot:
    """What messages are decided by."""
    row, progress = ledger.runs.find(run), ledger.shards.progress(run)
    money = budget_status_of(ledger, run, now)
    rates = rates_of(
        ledger,
        run,
        now,
        usd=money.spent if money.complete else None,
        tokens_open=tokens_open,
        expected=plan_file.read_recorded(row.plan).profile.tokens,
    )
    machines = ledger.machines.of_run(run, set(ALIVE))
    net = next((d.reason for d in ledger.steering.decisions(run) if d.what == "net"), "")
    return RunSnapshot(
        run=run,
        shards=progress.shards,
        done=progress.shards_done,
        bound=money.spent_and_committed,
        known=money.spent,
        rates=rates,
        budget=current_budget(ledger, run, job),
        deadline=current_deadline(ledger, row, job),
        now=now,
        state=row.state.value,
        orphans=tuple(e.text.split(":")[0] for e in ledger.runs.events(run) if e.kind == ORPHAN_EVENT),
        # a launcher is at work: it asks
        course=course_status(
            ledger, row, rates, now, driven=True, works=any(m.ready is not None for m in machines)
        ),
        finished=progress.last_finished,
        net=net,
        on_demand=sum(1 for m in machines if m.purchase == "on-demand"),
    )


def current_budget(ledger: Ledger, run: str, job: Job) -> Decimal | None:
    """The latest budget that was set for this run, else the job's `limits.budget`."""
    known = ledger.costs.budget(run)
    return job.limits.budget if known is None else known
