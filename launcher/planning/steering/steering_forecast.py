"""What a steered fleet is expected to cost and to take: the plan's section `steering`, from its envelope. Pure.

The forecast is the one that the launcher makes at its first look, before any machine was asked for: a plan and the first
line of `status` say the same.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from math import exp, log

from launcher.errors import Infeasible
from launcher.format import money
from launcher.jobs.job import Job, Steer, deadline_of, load, steer_of
from launcher.money import SECONDS_PER_HOUR, decimal_of_float
from launcher.planning.estimates.estimate import Candidate, Estimate, tail_seconds
from launcher.planning.estimates.launching import TEARDOWN_SECONDS
from launcher.planning.estimates.quantiles import HoursQuantiles, UsdQuantiles
from launcher.planning.estimates.unpriced import with_bounds
from launcher.planning.offers.machine_groups import rounded
from launcher.planning.optimizer.search import Requirements
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.planning.saved.steering_plan import (
    Envelope,
    PlacePrior,
    ShareQuantiles,
    SteeredKind,
    SteeringPlan,
)
from launcher.planning.steering.assumptions import assumptions
from launcher.planning.steering.envelope import envelope_of
from launcher.planning.steering.place_priors import (
    place_key,
    place_priors,
    prior_assumption,
    prior_beliefs,
)
from launcher.planning.steering.steered_costs import SteeredCosts, steered_costs
from launcher.steering.course import Forecast
from launcher.steering.decide import decide
from launcher.steering.forecast import LONGEST_HOURS, P90_SIGMAS
from launcher.steering.market.priors import PastRun
from launcher.steering.market.refusals import ASSUMED_SHARE
from launcher.steering.market.supply import normal_cdf
from launcher.steering.situation import (
    Kind,
    Limits,
    Quota,
    Situation,
    Steering,
    WhenShort,
)

STEERED: tuple[Steer, ...] = ("autopilot", "on-demand")
BESIDE = ("disk", "egress", "storage", "controller")  # items of a steered run that its machines are not


def steering_plan(
    job: Job,
    candidates: Sequence[Candidate],
    requirements: Requirements,
    chosen: Estimate,
    now: datetime,
    past: Sequence[PastRun] = (),
) -> SteeringPlan | None:
    """How the fleet will be steered; None where it is not, or where nothing has a price. `past`: earlier runs here.

    Raises:
        Infeasible: `limits.when_short: deadline`, and the budget does not hold the P90.
    """
    policy = steer_of(job, rented=chosen.main_candidate.cloud != "local")
    if policy not in STEERED:
        return None
    envelope = envelope_of(
        candidates,
        requirements,
        policy=policy,
        planned_machines=chosen.machines,
        on_demand=job.limits.on_demand,
        unpriced_egress="egress" in chosen.unpriced,
    )
    if envelope is None:
        return None
    priors = place_priors(envelope, past, now)
    plan = SteeringPlan(
        policy=policy,
        usd=UsdQuantiles(None, None, None),
        hours=None,
        on_demand_share=None,
        chance_late=None,
        chance_over_budget=None,
        assumes=(
            *assumptions(envelope, candidates, requirements),
            *([prior_assumption(priors, envelope, past, now)] if priors else []),
        ),
        envelope=envelope,
        priors=priors,
    )
    forecast = first_forecast(job, policy, envelope, requirements, chosen, now, priors)
    if forecast is not None:
        plan = _with_forecast(plan, forecast, candidates, requirements, chosen)
    _check_deadline_is_paid(job, plan, requirements)
    return plan


def _with_forecast(
    plan: SteeringPlan,
    forecast: Forecast,
    candidates: Sequence[Candidate],
    requirements: Requirements,
    chosen: Estimate,
) -> SteeringPlan:
    """The plan with the dollars, the hours and the chances that are expected."""
    least_usd, least_hours = _least(plan.envelope, candidates, requirements)
    hours = _hours(forecast, plan.envelope, requirements, chosen)
    hours = None if hours is None else _not_sooner(hours, least_hours)
    costs = steered_costs(
        forecast,
        plan.envelope,
        with_bounds(candidates),
        charges=requirements.charges,
        tokens=requirements.tokens.mid,
        machines=max(forecast.usd_to_finish_p50, least_usd),
        hours=hours or HoursQuantiles(chosen.hours.low, chosen.hours.mid, chosen.hours.high),
    )
    usd = _usd(forecast, chosen, costs)
    return replace(
        plan,
        usd=usd,
        items={name: rounded(item) for name, item in costs.items.items()},
        unpriced={name: rounded(most) for name, most in costs.unpriced.items()},
        hours=hours,
        on_demand_share=_share(forecast),
        chance_late=chance_late_at(forecast.chance_late, hours, requirements),
        chance_over_budget=_chance_over(usd, requirements.budget),
    )


def first_forecast(
    job: Job,
    policy: Steer,
    envelope: Envelope,
    requirements: Requirements,
    chosen: Estimate,
    now: datetime,
    priors: Sequence[PlacePrior],
) -> Forecast | None:
    """What is expected before any machine was asked for."""
    hours = requirements.deadline_hours
    return _forecast(
        job,
        envelope,
        policy=policy,
        tokens=(requirements.tokens.mid, requirements.tokens.high),
        deadline=None if hours is None else now + timedelta(hours=hours),
        budget=requirements.budget,
        hours=chosen.hours.mid,
        now=now,
        priors=priors,
    )


def p90_at(plan: SavedPlan, envelope: Envelope, now: datetime) -> Decimal | None:
    """The P90 of a saved plan with its safety net at the prices of `envelope`, were it launched now; None: unknown.

    The plan's own, times what the forecast at these prices is of the forecast at the plan's; what the whole run costs
    beside machines does not move.
    """
    if plan.steering is None or plan.usd_p90 is None:
        return None
    before, after = (
        saved_forecast(plan, plan.steering.policy, kinds, now) for kinds in (plan.steering.envelope, envelope)
    )
    if before is None or after is None:
        return None
    items = plan.steering.items or plan.totals.items  # of an older plan, those of its static fleet
    beside = sum((items.get(name) or Decimal(0) for name in BESIDE), Decimal(0))
    known = before.usd_to_finish_p90 + beside
    return round(plan.usd_p90 * (after.usd_to_finish_p90 + beside) / known, 6) if known > 0 else None


def saved_forecast(plan: SavedPlan, policy: Steer, envelope: Envelope, now: datetime) -> Forecast | None:
    """What is expected of a saved plan that is launched now, with the kinds of this envelope."""
    job, tokens = load(plan.work.job), plan.profile.tokens
    interval = plan.profile.interval.get("tokens")
    hours = plan.totals.hours if plan.steering is None else plan.steering.hours or plan.totals.hours
    return _forecast(
        job,
        envelope,
        policy=policy,
        tokens=(float(tokens), float(tokens if interval is None else interval[1])),
        deadline=deadline_of(job, now),
        budget=job.limits.budget,
        hours=hours.p50,
        now=now,
        priors=() if plan.steering is None else plan.steering.priors,
    )


def _forecast(
    job: Job,
    envelope: Envelope,
    *,
    policy: Steer,
    tokens: tuple[float, float],
    deadline: datetime | None,
    budget: Decimal | None,
    hours: float,
    now: datetime,
    priors: Sequence[PlacePrior],
) -> Forecast | None:
    """The forecast of the launcher's first look. `tokens`: P50 and P90. `hours`: the horizon without a deadline."""
    situation = Situation(
        now=now,
        kinds=[kind_of(number, kind) for number, kind in enumerate(envelope.kinds)],
        machines=(),
        tokens_left=tokens[0],
        steering=Steering(
            started=now,
            deadline=deadline,
            tokens_left_p90=tokens[1],
            beliefs=prior_beliefs(priors),
            limits=Limits(
                machines=envelope.machines,
                on_demand=envelope.on_demand,
                quotas=tuple(Quota(frozenset(one.kinds), one.gpus) for one in envelope.quotas),
            ),
            policy=policy,
            when_short=WhenShort(job.limits.when_short),
            planned_seconds=hours * SECONDS_PER_HOUR,
            obtainable=ASSUMED_SHARE,
        ),
        budget=None if budget is None else float(budget),
    )
    return decide(situation).course.forecast


def kind_of(number: int, kind: SteeredKind) -> Kind:
    """A kind of an envelope as steering sees it."""
    return Kind(
        number=number,
        key=place_key(kind),
        cap=kind.machines,
        usd_per_hour=float(kind.usd_per_hour),
        tokens_per_second=kind.tokens_per_second,
        tokens_per_second_p10=kind.tokens_per_second_p10,
        cold_start=kind.cold_start_seconds,
        cold_start_p90=kind.cold_start_seconds_p90,
        gpus=kind.gpus_per_machine,
        workers=kind.workers,
        egress_usd_per_token=kind.egress_usd_per_token,
        may_start=kind.machines,
    )


def _least(
    envelope: Envelope, candidates: Sequence[Candidate], requirements: Requirements
) -> tuple[Decimal, HoursQuantiles]:
    """USD of one machine that starts, does all the work and ends, where that is the cheapest; hours of all at once.

    The forecast counts tokens, of which a tiny job has next to none: it still waits for a controller and pays a start.
    """
    kinds = {(k.cloud, k.region, k.zone, k.instance_type, k.spot) for k in envelope.kinds}
    rented = [c for c in candidates if (c.cloud, c.region, c.zone, c.instance_type, c.spot) in kinds]
    tokens = requirements.tokens.mid
    usd = min(
        (c.usd_per_hour or Decimal(0))
        * decimal_of_float(
            (tokens / c.tokens_per_second.mid + c.cold_start.mid + tail_seconds(c) + TEARDOWN_SECONDS)
            / SECONDS_PER_HOUR
        )
        for c in rented
    )
    soonest = min(rented, key=lambda c: c.ahead.mid + c.cold_start.mid)
    work = tokens / (max(c.tokens_per_second.mid for c in rented) * envelope.machines)
    low, middle, high = (
        (ahead + start + tail_seconds(soonest) + work) / SECONDS_PER_HOUR
        for ahead, start in (
            (soonest.ahead.low, soonest.cold_start.low),
            (soonest.ahead.mid, soonest.cold_start.mid),
            (soonest.ahead.high, soonest.cold_start.high),
        )
    )
    return usd, HoursQuantiles(low, middle, high)


def _not_sooner(hours: HoursQuantiles, least: HoursQuantiles) -> HoursQuantiles:
    pairs = ((hours.p10, least.p10), (hours.p50, least.p50), (hours.p90, least.p90))
    return HoursQuantiles(*(round(max(pair), 4) for pair in pairs))


def _usd(forecast: Forecast, chosen: Estimate, costs: SteeredCosts) -> UsdQuantiles:
    """Dollars of the machines by the forecast, and of what is beside them.

    The forecast knows how much spot there may be and how fast machines are; the planned fleet knows the spread of its
    speed, start, preemption and prices. Both hold the speed, so the wider of the two is said.
    """
    p50 = (costs.items["machines"] or Decimal(0)) + costs.beside_p50
    up = _log_ratio(forecast.usd_to_finish_p90 + costs.beside_p90, p50)
    down = _log_ratio(p50, forecast.usd_to_finish_p10 + costs.beside_p10)
    if chosen.usd is not None:
        up = max(up, _log_ratio(chosen.usd.p90, chosen.usd.p50))
        down = max(down, _log_ratio(chosen.usd.p50, chosen.usd.p10))
    low, high = p50 * decimal_of_float(exp(-down)), p50 * decimal_of_float(exp(up))
    return UsdQuantiles(*(round(usd, 6) for usd in (low, p50, high)))


def _log_ratio(more: Decimal, less: Decimal) -> float:
    return log(float(more / less)) if more > less > 0 else 0.0


def _hours(
    forecast: Forecast, envelope: Envelope, requirements: Requirements, chosen: Estimate
) -> HoursQuantiles | None:
    """Hours by the forecast; where no spot is expected, those of machines on demand, as many as may be had."""
    low, p50, p90 = forecast.hours_p10, forecast.hours_p50, forecast.hours_p90
    if p50 >= LONGEST_HOURS:
        net = next((kind for kind in envelope.kinds if not kind.spot), None)
        if net is None or not envelope.on_demand:
            return None
        fleet, tokens = envelope.on_demand * SECONDS_PER_HOUR, requirements.tokens
        p50 = tokens.mid / net.tokens_per_second / fleet + net.cold_start_seconds / SECONDS_PER_HOUR
        p90 = tokens.high / net.tokens_per_second_p10 / fleet + net.cold_start_seconds_p90 / SECONDS_PER_HOUR
        low = p50 * min(1.0, chosen.hours.low / chosen.hours.mid) if chosen.hours.mid else p50
    return HoursQuantiles(round(low, 4), round(p50, 4), round(max(p50, p90), 4))


def chance_late_at(
    known: float | None, hours: HoursQuantiles | None, requirements: Requirements
) -> float | None:
    """The forecast's chance to be late; where the P50 itself is later than the deadline, at least what the hours say."""
    deadline = requirements.deadline_hours
    if known is None or hours is None or deadline is None or hours.p50 <= deadline:
        return _rounded(known)
    spread = log(hours.p50 / hours.p10) / P90_SIGMAS if hours.p50 > hours.p10 > 0 else 0.0
    return _rounded(max(known, normal_cdf(log(hours.p50 / deadline) / spread) if spread else 1.0))


def _chance_over(usd: UsdQuantiles, budget: Decimal | None) -> float | None:
    """The chance that the dollars exceed the budget, log-normal between their P50 and P90; None: not known."""
    if budget is None or usd.p50 is None or usd.p90 is None or usd.p50 <= 0:
        return None
    spread = _log_ratio(usd.p90, usd.p50) / P90_SIGMAS
    if not spread:
        return float(usd.p50 > budget)
    return _rounded(1 - normal_cdf(log(float(budget / usd.p50)) / spread))


def _share(forecast: Forecast) -> ShareQuantiles:
    return ShareQuantiles(round(min(1.0, max(0.0, forecast.on_demand_share)), 4), None)


def _rounded(chance: float | None) -> float | None:
    return None if chance is None else round(min(1.0, max(0.0, chance)), 4)


def _check_deadline_is_paid(job: Job, plan: SteeringPlan, requirements: Requirements) -> None:
    """`when_short: deadline` promises both; a budget that does not hold the P90 with the net breaks it."""
    budget, high = requirements.budget, plan.usd.p90
    if job.limits.when_short != "deadline" or budget is None or high is None or high <= budget:
        return
    raise Infeasible(
        f"limits.when_short is deadline, and keeping it costs up to {money(high)} (P90) with the safety net; "
        f"limits.budget is {money(budget)}",
        hint=f"set limits.budget to {money(high)}, limits.deadline to a later time, or limits.when_short to late",
    )
