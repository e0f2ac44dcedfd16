"""What a launcher needs to steer a run: from its plan and its job. Drives nothing."""

from collections.abc import Callable, Sequence
from datetime import datetime

from launcher.fleet.monitoring.quotes import QuoteRecorder
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.fleet.steering.deadline import current_deadline
from launcher.fleet.steering.run_steering import RunSteering, SteeringOptions
from launcher.jobs.job import Job
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run
from launcher.money import SECONDS_PER_HOUR
from launcher.planning.estimates.estimate import SHARD_SECONDS
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.planning.steering.place_priors import prior_beliefs
from launcher.steering.situation import Limits, Quota, WhenShort

MOST_PROBES = 2  # machines that may be asked for beside a full fleet, to replace dearer ones


def steering_of(
    ledger: Ledger,
    run: Run,
    plan: SavedPlan,
    job: Job,
    groups: Sequence[FleetGroup],
    *,
    say: Callable[[str], None],
) -> RunSteering | None:
    """The steering of a run; None where its plan is not steered."""
    if plan.steering is None:
        return None

    def deadline() -> datetime | None:
        return current_deadline(ledger, run, job)

    return RunSteering(
        ledger=ledger,
        run=run.id,
        groups=groups,
        options=steering_options(plan, job, groups),
        deadline=deadline,
        started=run.created,
        quotes=QuoteRecorder(ledger, groups, say, discounts=job.discounts),
    )


def steering_options(plan: SavedPlan, job: Job, groups: Sequence[FleetGroup]) -> SteeringOptions:
    """What plan and job say of steering. `groups` are the kinds that may be rented from here.

    Raises:
        ValueError: the plan is not steered.
    """
    if plan.steering is None:
        raise ValueError(f"the plan of {plan.run} is not steered")
    found, first = plan.steering, len(plan.lots)
    envelope = found.envelope
    there = {group.number for group in groups}
    quotas = tuple(
        Quota(frozenset(first + n for n in one.kinds) & there, one.gpus) for one in envelope.quotas
    )
    tokens, interval = plan.profile.tokens, plan.profile.interval.get("tokens")
    seconds = (found.hours or plan.totals.hours).p50 * SECONDS_PER_HOUR
    return SteeringOptions(
        policy=found.policy,
        limits=Limits(
            machines=envelope.machines,
            on_demand=envelope.on_demand,
            quotas=quotas,
            probes=0 if job.limits.machines is not None else MOST_PROBES,
        ),
        when_short=WhenShort(job.limits.when_short),
        planned_seconds=seconds,
        tokens_expected=float(tokens),
        tokens_p90=None if interval is None else float(interval[1]),
        shard_seconds=_shard_seconds(plan, groups),
        agreed_usd=None if plan.usd_p90 is None else float(plan.usd_p90),
        beliefs=prior_beliefs(found.priors),
    )


def _shard_seconds(plan: SavedPlan, groups: Sequence[FleetGroup]) -> float:
    """How long a shard takes on the slowest worker, at the slow end; as plans cut them where the plan does not say."""
    speeds = [
        speed / max(1, group.workers)
        for group in groups
        if (speed := group.tokens_per_second_p10 or group.tokens_per_second)
    ]
    if plan.work.shard_tokens is None or not speeds:
        return SHARD_SECONDS
    return plan.work.shard_tokens / min(speeds)
