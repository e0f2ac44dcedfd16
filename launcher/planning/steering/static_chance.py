"""The chance that the planned machines alone are late, were they not steered. Pure.

By draws of what their own places may have (`static_fleet`): SkyPilot asks for each again after it was taken, and nothing
else comes in its place.
"""

from collections.abc import Sequence
from datetime import datetime

from launcher.money import SECONDS_PER_HOUR
from launcher.planning.estimates.estimate import Estimate
from launcher.planning.estimates.quantiles import HoursQuantiles
from launcher.planning.optimizer.search import Requirements
from launcher.planning.steering.envelope import kinds_of_fleet
from launcher.planning.steering.static_fleet import LateChance, StaticWork, late_chance
from launcher.planning.steering.steering_forecast import chance_late_at, kind_of
from launcher.steering.market.priors import PastRun, priors_of


def static_chance_late(
    chosen: Estimate, requirements: Requirements, now: datetime, past: Sequence[PastRun] = ()
) -> LateChance | None:
    """None: there is no deadline, nothing is rented, or a price is unknown. `past`: earlier runs."""
    if requirements.deadline_hours is None:
        return None
    kinds = kinds_of_fleet(chosen.allocations)
    if kinds is None:
        return None
    tokens = requirements.tokens
    found = late_chance(
        [kind_of(number, kind) for number, kind in enumerate(kinds)],
        StaticWork(tokens.mid, tokens.high, requirements.deadline_hours * SECONDS_PER_HOUR),
        priors_of(past, now),
    )
    hours = HoursQuantiles(chosen.hours.low, chosen.hours.mid, chosen.hours.high)
    said = [chance_late_at(one, hours, requirements) or 0.0 for one in (found.mean, found.low, found.high)]
    return LateChance(*said)
