"""The benchmark of policies: rows of known outcomes, and the recorded markets where they are present."""

import pytest

from benchmarks import simulate
from benchmarks.simulate import PROBES, generated, look_seconds, markets, run_cases, speed, table


def test_table_counts_runs_and_compares_with_uniform() -> None:
    found = run_cases([generated()], ["greedy", "uniform", "on-demand"], [2.0], range(1))
    rows = table(found)
    assert rows["greedy"]["2"]["runs"] == 2  # of two cold starts
    assert rows["greedy"]["2"]["late"] == 0
    assert rows["on-demand"]["2"]["share_of_on_demand"] == 1.0
    assert 1.0 <= rows["greedy"]["2"]["cost_over_hindsight"] < rows["on-demand"]["2"]["cost_over_hindsight"]
    over = rows["uniform"]["2"]["cost_over_hindsight"] - rows["greedy"]["2"]["cost_over_hindsight"]
    assert rows["greedy"]["2"]["points_under_uniform"] == pytest.approx(100 * over, abs=0.1)
    pairs = zip(found["uniform"], found["greedy"], strict=True)
    points = [100 * (other.outcome.usd - one.outcome.usd) / one.hindsight for other, one in pairs]
    error = abs(points[0] - points[1]) / 2 / 2**0.5  # of the mean of two runs
    assert rows["greedy"]["2"]["points_standard_error"] == pytest.approx(error, abs=0.01)


def test_speed_is_measured_on_whole_runs() -> None:
    assert speed(generated(), "greedy", runs=1)["looks_per_run"] > 24
    assert look_seconds(20, 1)["machines"] == 20


@pytest.mark.skipif(not PROBES.exists(), reason="the recorded traces are not here (../shared/traces)")
def test_recorded_markets_have_their_places_and_prices() -> None:
    found = {market.name: market for market in markets()}
    assert {name: len(market.traces.places) for name, market in found.items()} == {
        "v100-9-zones": 9,
        "v100-scarce": 9,
        "v100-us-east-1": 4,
        "v100-16-nodes": 3,
        "l4-10-zones": 10,
    }
    assert all(place.usd_per_hour is not None for market in found.values() for place in market.traces.places)
    assert max(place.available.max() for place in found["v100-scarce"].traces.places) == 3
    assert (
        simulate.row(run_cases([found["v100-9-zones"]], ["static"], [4.0], range(1))["static"])["runs"] == 2
    )
