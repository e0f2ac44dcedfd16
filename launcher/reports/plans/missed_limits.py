"""Whether a fleet beside the chosen one misses the deadline or budget at P90: it may be cheaper only for that. Pure."""

from datetime import datetime

from launcher.jobs.job import JobLimits
from launcher.money import SECONDS_PER_HOUR
from launcher.planning.estimates.unpriced import bound_usd
from launcher.planning.saved.saved_alternatives import AlternativeFleet, FrontierPoint, SingleTypeFleet
from launcher.planning.saved.saved_plan import SavedPlan


def deadline_hours(plan: SavedPlan, limits: JobLimits) -> float | None:
    """Hours from the making of the plan to the deadline; None if there is none."""
    if limits.deadline_at is None:
        return limits.deadline_hours
    return (datetime.fromisoformat(limits.deadline_at) - plan.created).total_seconds() / SECONDS_PER_HOUR


def missed_limits(
    plan: SavedPlan, limits: JobLimits, fleet: AlternativeFleet | FrontierPoint | SingleTypeFleet
) -> str:
    """The limits that a fleet does not keep at P90, in words; empty where it keeps them."""
    deadline, usd = deadline_hours(plan, limits), fleet.usd.p90
    late = deadline is not None and fleet.hours.p90 > deadline
    dear = limits.budget is not None and usd is not None and usd + bound_usd(fleet.unpriced) > limits.budget
    return ", ".join(word for word, missed in (("late", late), ("over budget", dear)) if missed)
