"""The chance to be late of machines that are not steered."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from launcher.planning.estimates.estimate import NO_CHARGES, Allocation, Candidate
from launcher.planning.optimizer.search import Requirements, estimate_fleet
from launcher.planning.steering.static_chance import static_chance_late
from launcher.planning.steering.static_fleet import LateChance
from launcher.steering.market.priors import PastRun
from launcher.steering.situation import Belief
from tests.support.candidates import candidate, sure

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SPOT = candidate(spot=True, usd_per_hour=Decimal("0.3"))
ON_DEMAND = candidate(region="us-east4")


def chance(
    fleet: Sequence[tuple[Candidate, int]], hours: float | None = 4.0, past: Sequence[PastRun] = ()
) -> LateChance | None:
    """Of 36M tokens, ten machine-hours of the plain candidate, by so many machines of each kind."""
    requirements = Requirements(tokens=sure(36e6), charges=NO_CHARGES, deadline_hours=hours)
    machines = sum(count for _, count in fleet)
    chosen = estimate_fleet(
        [Allocation(one, count, 36e6 * count / machines) for one, count in fleet], requirements
    )
    return static_chance_late(chosen, requirements, NOW, past)


def known(
    fleet: Sequence[tuple[Candidate, int]], hours: float = 4.0, past: Sequence[PastRun] = ()
) -> LateChance:
    found = chance(fleet, hours, past)
    assert found is not None
    assert 0.0 <= found.low <= found.mean <= found.high <= 1.0
    return found


def seen(candidate: Candidate, falls: float, returns: float) -> PastRun:
    """An earlier run of yesterday that saw a place for four days: falls and returns an hour."""
    place = f"{candidate.cloud}/{candidate.region}"
    belief = Belief(falls=48 * falls, hours_up=48, returns=48 * returns, hours_down=48)
    return PastRun({(place, candidate.gpu, "spot"): belief}, NOW - timedelta(days=1))


def test_one_spot_place_that_needs_most_of_the_time_is_probably_late() -> None:
    """Recorded places are up for two fifths to two thirds of the time; three machines need 3.3 of 4 hours."""
    assert 0.8 < known([(SPOT, 3)]).mean < 1.0


def test_time_and_places_make_it_less_likely() -> None:
    places = [replace(SPOT, region=region) for region in ("us-west1", "us-west4", "us-east1", "us-south1")]
    assert known([(SPOT, 3)], 40.0).mean < 0.4 < known([(SPOT, 3)]).mean
    assert known([(place, 2) for place in places]).mean < known([(SPOT, 8)]).mean < known([(SPOT, 3)]).mean


def test_markets_that_nobody_has_seen_differ_and_the_range_says_so() -> None:
    found = known([(SPOT, 3)], 8.0)
    assert found.high - found.low > 0.4


def test_what_earlier_runs_saw_of_the_place_moves_the_chance_and_narrows_its_range() -> None:
    unseen = known([(SPOT, 3)], 8.0)
    good = known([(SPOT, 3)], 8.0, [seen(SPOT, 0.05, 2.0)])
    bad = known([(SPOT, 3)], 8.0, [seen(SPOT, 2.0, 0.1)])
    assert good.mean < 0.5 * unseen.mean
    assert bad.mean > 0.5 + 0.5 * unseen.mean
    assert max(one.high - one.low for one in (good, bad)) < unseen.high - unseen.low


def test_another_place_of_the_cloud_and_gpu_tells_something_and_one_of_another_gpu_nothing() -> None:
    unseen = known([(SPOT, 3)], 8.0)
    neighbour = replace(SPOT, region="us-east1")
    assert known([(SPOT, 3)], 8.0, [seen(neighbour, 2.0, 0.1)]).mean > unseen.mean + 0.02
    assert known([(SPOT, 3)], 8.0, [seen(replace(neighbour, gpu="H100"), 2.0, 0.1)]) == unseen


def test_machines_on_demand_are_late_as_often_as_they_are_refused() -> None:
    assert known([(ON_DEMAND, 4)], 6.0).mean < 0.2
    assert known([(ON_DEMAND, 3)], 3.0).mean == pytest.approx(1.0)  # three machines need 3.3 hours


def test_nothing_is_said_without_a_deadline_or_a_price_or_on_this_machine() -> None:
    assert chance([(SPOT, 3)], None) is None
    assert chance([(replace(SPOT, usd_per_hour=None), 3)]) is None
    assert chance([(replace(SPOT, cloud="local", region="local"), 1)]) is None
