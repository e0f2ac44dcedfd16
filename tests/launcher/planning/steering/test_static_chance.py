"""The chance to be late of machines that are not steered."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from launcher.jobs.job import DeclaredCorpus, Job, JobLimits
from launcher.planning.estimates.estimate import NO_CHARGES, Allocation, Candidate
from launcher.planning.optimizer.search import Requirements, estimate_fleet
from launcher.planning.steering.static_chance import static_chance_late
from tests.support.candidates import candidate, sure

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SPOT = candidate(spot=True, usd_per_hour=Decimal("0.3"))
ON_DEMAND = candidate(region="us-east4")


def chance(fleet: Sequence[tuple[Candidate, int]], hours: float | None = 4.0) -> float | None:
    """Of 36M tokens, ten machine-hours of the plain candidate, by so many machines of each kind."""
    requirements = Requirements(tokens=sure(36e6), charges=NO_CHARGES, deadline_hours=hours)
    machines = sum(count for _, count in fleet)
    chosen = estimate_fleet(
        [Allocation(one, count, 36e6 * count / machines) for one, count in fleet], requirements
    )
    job = Job("reviews", DeclaredCorpus(1, ((1.0, 1.0),)), "hash", limits=JobLimits(deadline_hours=hours))
    return static_chance_late(job, chosen, requirements, NOW)


def known(fleet: Sequence[tuple[Candidate, int]], hours: float = 4.0) -> float:
    found = chance(fleet, hours)
    assert found is not None
    return found


def test_one_spot_place_that_needs_most_of_the_time_is_probably_late() -> None:
    """Recorded places are up for two fifths to two thirds of the time; three machines need 3.3 of 4 hours."""
    assert 0.8 < known([(SPOT, 3)]) < 1.0


def test_time_and_places_make_it_less_likely() -> None:
    places = [replace(SPOT, region=region) for region in ("us-west1", "us-west4", "us-east1", "us-south1")]
    assert known([(SPOT, 3)], 40.0) < 0.4 < known([(SPOT, 3)])
    assert known([(place, 2) for place in places]) < known([(SPOT, 8)]) < known([(SPOT, 3)])


def test_machines_on_demand_are_late_as_often_as_they_are_refused() -> None:
    assert known([(ON_DEMAND, 4)], 6.0) < 0.2
    assert known([(ON_DEMAND, 3)], 3.0) == pytest.approx(1.0)  # three machines need 3.3 hours


def test_nothing_is_said_without_a_deadline_or_a_price_or_on_this_machine() -> None:
    assert chance([(SPOT, 3)], None) is None
    assert chance([(replace(SPOT, usd_per_hour=None), 3)]) is None
    assert chance([(replace(SPOT, cloud="local", region="local"), 1)]) is None
