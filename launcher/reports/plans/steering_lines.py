"""How a plan's fleet is steered, in words: limits, policy, what is expected, how likely it is late, what it may rent."""

from launcher.format import duration, hours_text, money, plain, plural, some_of
from launcher.jobs.job import JobLimits, load
from launcher.money import SECONDS_PER_HOUR
from launcher.planning.estimates.quantiles import HoursQuantiles, UsdQuantiles
from launcher.planning.pilot_machine import pilot_machine
from launcher.planning.saved.saved_plan import PlanTotals, SavedPlan
from launcher.planning.saved.steering_plan import Envelope, SteeringPlan
from launcher.reports.plans.cost_items import Items, missing_items, sum_text

POLICIES = {
    "autopilot": "spot, on demand as the safety net",
    "on-demand": "on demand alone, as many as the deadline needs",
}
ONLY_SPOT = "spot alone: nothing on demand may be rented"
ONLY_ON_DEMAND = "on demand alone"
UNSTEERED = "places may have no machines, and the hours take each to come; --steer autopilot asks elsewhere"
EXPECTED, STATIC = "expected", "static"  # the words of the steered run, and of the planned machines
COST = "cost"  # the items of what is expected
SHOWN_NAMES = 4  # GPU types and clouds by name
RARE = 0.001  # a chance below this is "fewer than 1 of 1,000 runs"


def steering_lines(plan: SavedPlan) -> list[tuple[str, str]]:
    """A word and its line for each thing to know. A plan that is not steered has its chance to be late, if known."""
    steering = plan.steering
    if steering is None:
        late = _late_static(plan.totals)
        return [] if not late else [("late", f"{late}: {UNSTEERED}")]
    limits = load(plan.work.job).limits
    lines: list[tuple[str, str]] = []
    if steering.expects:
        lines.append((EXPECTED, _expected(plan, steering)))
        if steering.items:
            lines.append((COST, _cost(steering)))
    lines += [("deadline", _limits(plan, limits)), ("steering", _policy(steering))]
    if _has_deadline(limits):
        lines.append(("late", _late(steering)))
    lines.append(("may rent", _envelope(steering.envelope, limits)))
    if steering.expects:
        lines.append((STATIC, _static(plan)))
    return lines


def is_steered(plan: SavedPlan) -> bool:
    """Whether the figures to expect are those of a steered run, and the planned machines but what a static one rents."""
    return plan.steering is not None and plan.steering.expects


def further_assumptions(plan: SavedPlan) -> tuple[str, ...]:
    """What the expectation assumes, beside what the line `late` says."""
    if plan.steering is None:
        return ()
    return plan.steering.assumes[1 if _has_deadline(load(plan.work.job).limits) else 0 :]


def _has_deadline(limits: JobLimits) -> bool:
    return limits.deadline_hours is not None or limits.deadline_at is not None


def chance_text(chance: float | None) -> str:
    """A chance as so many of 100 runs."""
    if chance is None:
        return "? of 100 runs"
    if chance < RARE:
        return "fewer than 1 of 1,000 runs"
    hundred = 100 * chance
    return f"{hundred:.1f} of 100 runs" if hundred < 0.95 else f"{hundred:.0f} of 100 runs"


def _limits(plan: SavedPlan, limits: JobLimits) -> str:
    """Deadline and budget, and on which machine a launcher would guard them that is not this laptop's."""
    deadline = "none"
    if limits.deadline_at is not None:
        deadline = limits.deadline_at
    elif limits.deadline_hours is not None:
        deadline = f"{duration(limits.deadline_hours * SECONDS_PER_HOUR)} from the launch"
    budget = "none" if limits.budget is None else money(limits.budget)
    return f"{deadline}; budget {budget}; --pilot: {pilot_machine(plan)}"


def _policy(steering: SteeringPlan) -> str:
    kinds = {kind.spot for kind in steering.envelope.kinds}
    what = POLICIES.get(steering.policy, "")
    if steering.policy == "autopilot" and kinds == {True}:
        what = ONLY_SPOT
    elif steering.policy == "autopilot" and kinds == {False}:
        what = ONLY_ON_DEMAND
    others = [name for name in ("autopilot", "static", "on-demand") if name != steering.policy]
    return f"{steering.policy} ({what}); others: --steer {' | '.join(others)}"


def _static(plan: SavedPlan) -> str:
    """What the planned machines would cost and take, were they rented whatever happens: with `--steer static`."""
    totals = plan.totals
    late = _late_static(totals)
    late = f"; late {late}" if late else ""
    condition = "it comes" if totals.machines == 1 else "all come"
    figures = _figures(totals.usd, totals.hours, totals.unpriced)
    return f"{plural(totals.machines, 'machine')}, if {condition}: {figures}{late}"


def _late_static(totals: PlanTotals) -> str:
    """How often the planned machines alone are late, over all markets and in good and bad ones; "": not known."""
    if totals.chance_late is None:
        return ""
    text = f"in {chance_text(totals.chance_late)}"
    if totals.chance_late_range is None:
        return text
    low, high = (f"{100 * chance:.0f}" for chance in totals.chance_late_range)
    return text if low == high else f"{text} ({low} to {high} by market: P10 to P90)"


def _figures(usd: UsdQuantiles, hours: HoursQuantiles, unpriced: Items) -> str:
    least = "at least " if unpriced else ""
    return (
        f"{least}{money(usd.p50)} (P90 {money(usd.p90)}), done in {hours_text(hours.p50)} "
        f"(P90 {hours_text(hours.p90)})"
    )


def _expected(plan: SavedPlan, steering: SteeringPlan) -> str:
    text = _figures(plan.expected_usd, plan.expected_hours, plan.expected_unpriced)
    share = steering.on_demand_share
    if share is not None:
        text += f"; on demand {share.p50:.0%} of the dollars".replace("%", " %")
        text += "" if share.p90 is None else f" (P90 {share.p90:.0%})".replace("%", " %")
    return text


def _cost(steering: SteeringPlan) -> str:
    """The items of what is expected, and those that lack a price."""
    missing = missing_items(steering.items, steering.unpriced)
    return sum_text(steering.items) + (f"; not in it: {', '.join(missing)}" if missing else "")


def _late(steering: SteeringPlan) -> str:
    text = f"in {chance_text(steering.chance_late)}"
    return f"{text}, if {plain(steering.assumes[0])}" if steering.assumes else text


def _envelope(envelope: Envelope, limits: JobLimits) -> str:
    regions = {(kind.cloud, kind.region) for kind in envelope.kinds}
    text = (
        f"{some_of([kind.gpu for kind in envelope.kinds], SHOWN_NAMES)} in {plural(len(regions), 'region')} of "
        f"{some_of([kind.cloud for kind in envelope.kinds], SHOWN_NAMES)}; at most {plural(envelope.machines, 'machine')}"
    )
    if any(kind.spot for kind in envelope.kinds):
        text += f", of which {envelope.on_demand} on demand" if envelope.on_demand else ", none on demand"
    return text + ("" if limits.budget is None else f"; never more than {money(limits.budget)}")
