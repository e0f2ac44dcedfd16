"""The speed of machines, from the plan and what was measured."""

from math import exp

import pytest

from launcher.steering.pace import SpeedSample, measured_speeds, speed_now
from launcher.steering.situation import Speed


def test_speed_before_any_measurement_is_the_plans() -> None:
    assert speed_now(1_000, 800, None) == (1_000, 800)


def test_measurement_narrows_with_machines_and_minutes() -> None:
    one = measured_speeds([SpeedSample("L4", "a", 0.8, 1)])["L4"]
    many = measured_speeds([SpeedSample("L4", f"m{n}", 0.8, 1) for n in range(16)])["L4"]
    long = measured_speeds([SpeedSample("L4", f"m{n}", 0.8, 60) for n in range(16)])["L4"]
    assert one.ratio == many.ratio == pytest.approx(0.8)
    assert one.spread == pytest.approx(0.112, abs=0.001)
    assert one.spread > many.spread > long.spread
    assert many.machines == 16


def test_surer_samples_weigh_more_and_types_are_kept_apart() -> None:
    found = measured_speeds(
        [SpeedSample("L4", "a", 1.0, 100), SpeedSample("L4", "b", 0.5, 0.2), SpeedSample("H100", "c", 2.0, 5)]
    )
    assert 0.9 < found["L4"].ratio < 1.0
    assert found["H100"].ratio == pytest.approx(2.0)
    assert measured_speeds([SpeedSample("L4", "a", 0.0, 5), SpeedSample("L4", "a", 1.0, 0)]) == {}


def test_sure_plan_is_not_made_worse_by_one_noisy_minute() -> None:
    speed, slow = speed_now(1_000, 1_000, Speed(0.95, 0.11))
    assert speed == pytest.approx(998, abs=1)
    assert slow > 970


def test_plan_that_is_contradicted_does_not_count() -> None:
    speed, slow = speed_now(1_000, 990, Speed(0.5, 0.03, 8))
    assert speed == pytest.approx(500)
    assert slow == pytest.approx(500 * exp(-1.2816 * 0.03))


def test_unsure_plan_gives_way_to_what_was_measured() -> None:
    speed, slow = speed_now(1_000, 640, Speed(0.8, 0.03, 8))
    assert speed == pytest.approx(800, rel=0.01)
    assert 760 < slow < speed
