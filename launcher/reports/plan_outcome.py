"""The outcome of a finished run beside its plan, as the ledger keeps it for later plans.

Pure. A figure that does not compare is None: the hours of a run that was stopped for a while, or of a laptop that slept;
the dollars of a run of which something has no price.
"""

import numpy as np

from launcher.costs.analysis.plan_accuracy import RunFigures, fleet_speed, group_accuracies, plan_outcome
from launcher.costs.usage.work_done import WorkDone
from launcher.ledger.records import PlanOutcome, RunState
from launcher.money import SECONDS_PER_HOUR
from launcher.planning.estimates.past_runs import place_of
from launcher.reports.report import Report
from launcher.throughput.calibration import GAP_SECONDS

# Kinds of events. After these the run is not the one that was planned: shards were done again, or its past is unknown.
CHANGED = frozenset({"retry", "output gone", "rebuilt"})
PAUSED = frozenset({"stopped", "stop", "down", "left"})  # after these nobody may have worked for any time


def outcome_of(report: Report) -> PlanOutcome | None:
    """The outcome of a run; None while it is not finished, or where it is not the run that was planned."""
    kinds = {event.kind for event in report.events}
    finished = report.done.last_finished()
    if report.plan is None or report.state != RunState.DONE or finished is None or kinds & CHANGED:
        return None
    plan = report.plan
    paused = bool(kinds & PAUSED) or (place_of(plan.lots[0].cloud) == "local" and _slept(report.done))
    accuracies = group_accuracies(plan, report.spend, report.machines, report.done)
    seconds = report.rates.seconds
    figures = RunFigures(
        run=report.run,
        finished=finished,
        hours=None if paused or seconds is None else seconds / SECONDS_PER_HOUR,
        usd=None if report.unpriced else report.spend.usd,
        speed=fleet_speed(plan, accuracies),
    )
    return plan_outcome(plan, figures)


def _slept(work: WorkDone) -> bool:
    """Whether no worker of this machine worked for longer than waiting takes."""
    order = np.argsort(work.started, kind="stable")
    until = np.maximum.accumulate(work.finished[order])
    return bool((work.started[order][1:] - until[:-1] > GAP_SECONDS * 10**6).any())
