"""The chance that the planned machines alone are late, were they not steered. Pure.

By the forecast of steered runs, with nothing to rent but the planned machines in their own places: SkyPilot asks for each
again after it was taken, and nothing else comes in its place.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from launcher.jobs.job import Job
from launcher.planning.estimates.estimate import Estimate
from launcher.planning.estimates.quantiles import HoursQuantiles
from launcher.planning.optimizer.search import Requirements
from launcher.planning.saved.steering_plan import Envelope
from launcher.planning.steering.envelope import kinds_of_fleet
from launcher.planning.steering.place_priors import place_priors
from launcher.planning.steering.steering_forecast import chance_late_at, first_forecast
from launcher.steering.priors import PastRun


def static_chance_late(
    job: Job, chosen: Estimate, requirements: Requirements, now: datetime, past: Sequence[PastRun] = ()
) -> float | None:
    """From 0 to 1; None: there is no deadline, nothing is rented, or a price is unknown. `past`: earlier runs."""
    if requirements.deadline_hours is None:
        return None
    kinds = kinds_of_fleet(chosen.allocations)
    if kinds is None:
        return None
    fleet = Envelope(
        kinds=kinds,
        machines=sum(kind.machines for kind in kinds),
        on_demand=sum(kind.machines for kind in kinds if not kind.spot),
    )
    # Whether it is late is asked as if the budget were enough: one that is not is told of by itself.
    found = first_forecast(
        job,
        "autopilot",
        fleet,
        replace(requirements, budget=None),
        chosen,
        now,
        place_priors(fleet, past, now),
    )
    if found is None:
        return None
    hours = HoursQuantiles(chosen.hours.low, chosen.hours.mid, chosen.hours.high)
    return chance_late_at(found.chance_late, hours, requirements)
