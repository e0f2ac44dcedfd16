"""Where a run stands to its deadline: from the course that steering wrote last, else from its pace. Light, for `status`.

A static run is late by its pace: that of its working time while a machine works, and while none does that of its whole
time, which falls with every minute of waiting.
"""

from datetime import datetime, timedelta
from pathlib import Path

from launcher.costs.run_rates import TOKENS_PER_MILLION, RunRates
from launcher.documents.course import CourseStatus, LateMinutes, UsdToFinish
from launcher.fleet.run_lock import RunLocked, run_lock
from launcher.fleet.steering.deadline import current_deadline
from launcher.fleet.steering.looks import last_sleep
from launcher.jobs.job import load
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from launcher.ledger.steering_records import CourseRecord, decision_rows
from launcher.planning.saved import plan_file

DECISIONS = 5  # the last, in `status`
FRESH = timedelta(minutes=5)  # an older course says what was expected then, and is read as that
SECONDS_PER_MINUTE = 60.0
OVER = (RunState.DONE, RunState.STOPPED)


def is_driven(folder: Path, run: str) -> bool:
    """Whether a launcher on this laptop drives the run now."""
    if not (folder / "launcher.lock").exists():
        return False
    try:
        with run_lock(folder, run, tries=0):
            return False
    except RunLocked:
        return True


def course_status(
    ledger: Ledger, run: Run, rates: RunRates, now: datetime, *, driven: bool, works: bool
) -> CourseStatus | None:
    """Where the run stands; None where it has no deadline and is not steered.

    `driven`: a launcher is at work. `works`: a worker is ready now.
    """
    plan = plan_file.read_recorded(run.plan)
    deadline = current_deadline(ledger, run, load(plan.work.job))
    last = ledger.steering.latest_course(run.id)
    if deadline is None and plan.steering is None and last is None:
        return None
    over = run.state in OVER
    found = last if last is not None and (driven or over) and now - last.at <= FRESH else None
    return CourseStatus(
        at=now if found is None else found.at,
        budget_pressure=None if found is None else found.budget_pressure,
        late_minutes=_late(ledger, run, found, deadline, rates, now, works=works),
        chance_late=None if found is None or over else found.chance_late,
        usd_to_finish=UsdToFinish(None, None)
        if found is None or over
        else UsdToFinish(found.usd_to_finish_p50, found.usd_to_finish_p90, found.body.usd_to_finish_p10),
        usd_per_million_tokens=None
        if found is None or found.usd_per_token is None
        else found.usd_per_token * TOKENS_PER_MILLION,
        margin_minutes=None
        if found is None or over or found.margin_seconds is None
        else found.margin_seconds / SECONDS_PER_MINUTE,
        decisions=decision_rows(ledger.steering.decisions(run.id, last=DECISIONS)),
        deadline=deadline,
        steered=plan.steering is not None,
        steering=driven and plan.steering is not None,
        since=None if driven or run.state == RunState.DONE else _unattended_since(ledger, run, last),
        prior_places=0 if plan.steering is None else len(plan.steering.priors),
        asleep=last_sleep(ledger.runs.events(run.id)),
    )


def _late(
    ledger: Ledger,
    run: Run,
    found: CourseRecord | None,
    deadline: datetime | None,
    rates: RunRates,
    now: datetime,
    *,
    works: bool,
) -> LateMinutes:
    """Minutes after the deadline: as it was, as steering expects, or at this pace."""
    if deadline is None:
        return LateMinutes(None, None)
    if run.state == RunState.DONE:
        finished = ledger.shards.progress(run.id).last_finished
        late = None if finished is None else (finished - deadline).total_seconds() / SECONDS_PER_MINUTE
        return LateMinutes(late, late)
    if found is not None and found.late_p50 is not None:
        high = found.late_p90
        return LateMinutes(
            found.late_p50 / SECONDS_PER_MINUTE, None if high is None else high / SECONDS_PER_MINUTE
        )
    left = _seconds_left(rates, works=works)
    if left is None:
        return LateMinutes(None, None)
    spare = (deadline - now).total_seconds()
    return LateMinutes((left - spare) / SECONDS_PER_MINUTE, None)


def _seconds_left(rates: RunRates, *, works: bool) -> float | None:
    if works or rates.finished:
        return rates.seconds_left
    speed, expected = rates.tokens_per_second, rates.tokens_expected
    if not speed or expected is None:
        return None
    left = expected - rates.tokens_embedded
    return left / speed if left > 0 else None


def _unattended_since(ledger: Ledger, run: Run, last: CourseRecord | None) -> datetime | None:
    """Since when no launcher is at work: its last course, or what it said when it left."""
    moments = [
        event.at for event in ledger.runs.events(run.id) if event.kind in ("detached", "left", "stopped")
    ]
    if last is not None:
        moments.append(last.at)
    return max(moments, default=None)
