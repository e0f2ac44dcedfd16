import itertools

import pytest

from launcher.costs.usage.metering import meter
from launcher.costs.usage.time_series import BINS, fleet_series, spent_series
from tests.support.machine_lives import START, at, machine


def test_spent_ends_at_the_metered_cost() -> None:
    machines = [machine(), machine("w1", started=50, ended=100, price="7.2")]
    spend = meter(machines, [], [], at(500))
    points = spent_series(machines, spend.lives, START, 100, at(500))
    assert len(points) == BINS + 1
    assert points[-1].usd == pytest.approx(float(spend.known_usd))


def test_spent_never_falls() -> None:
    machines = [machine(started=20, ended=60)]
    points = spent_series(machines, meter(machines, [], [], at(500)).lives, START, 100, at(500))
    assert all(a.usd <= b.usd for a, b in itertools.pairwise(points))


def test_fleet_counts_machines_by_place() -> None:
    series = fleet_series(
        [machine(), machine("w1"), machine("w2", place="here", ended=50)], START, 100, at(500)
    )
    assert series.places == ("aws/us-east-1", "here")
    assert series.points[0] == (2, 1)
    assert series.points[-1] == (2, 0)


def test_places_beyond_seven_are_shown_together() -> None:
    machines = [machine(f"w{i}", place=f"place-{i}", ended=100 + i) for i in range(9)]
    series = fleet_series(machines, START, 100, at(500))
    assert len(series.places) == 8
    assert series.places[-1] == "elsewhere"
