"""The simulator of fleets against sums done by hand, the drawn quotes, and the counting of intervals."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from benchmarks.interval_coverage.__main__ import SIZES, coverage, measure
from benchmarks.interval_coverage.simulator import (
    CONTROLLER_IDLE_HOURS,
    LAUNCH_HOURS,
    PARALLEL_LAUNCHES,
    TEARDOWN_HOURS,
    MachineKind,
    run,
)
from benchmarks.interval_coverage.world import key_of, view_of
from pricing.offer import Offer

NOW = datetime(2026, 11, 29, tzinfo=UTC)
OFFER = Offer(
    cloud="gcp", region="us-central1", zone=None, instance_type="g2-standard-4", gpu="L4", gpus=1.0, vcpus=4,
    memory_gb=16.0, spot=True, usd_per_hour=Decimal("0.5"), as_of=date(2026, 11, 1), source="a test",
)  # fmt: skip


def kind(count: int = 1, hazard: float = 0.0, **changes: float) -> MachineKind:
    made = MachineKind(
        count=count,
        tokens_per_hour=1e6,
        usd_per_hour=2.0,
        preemptions_per_hour=hazard,
        start_hours=lambda: 0.25,
        wait_hours=lambda: 0.0,
    )
    return replace(made, **changes)


def test_one_machine_takes_its_start_and_its_work() -> None:
    came = run([kind()], 2e6, random.Random(1))
    assert came.hours == pytest.approx(2.25)
    assert came.machine_hours == pytest.approx(2.25 + TEARDOWN_HOURS)
    assert came.machine_usd == pytest.approx(2 * (2.25 + TEARDOWN_HOURS))
    assert came.controller_hours == pytest.approx(2.25 + CONTROLLER_IDLE_HOURS)
    assert came.preemptions == 0


def test_machines_wait_for_the_controller_and_are_not_paid_for_it() -> None:
    came = run([kind()], 2e6, random.Random(1), controller_start=0.5)
    assert came.hours == pytest.approx(2.75)
    assert came.machine_hours == pytest.approx(2.25 + TEARDOWN_HOURS)
    assert came.controller_hours == pytest.approx(2.75 + CONTROLLER_IDLE_HOURS)


def test_two_machines_share_the_work() -> None:
    assert run([kind(2)], 2e6, random.Random(1)).hours == pytest.approx(1.25, abs=1 / 60)


def test_a_slow_machine_does_less_of_it() -> None:
    fleet = [kind(), kind(tokens_per_hour=3e6)]
    assert run(fleet, 4e6, random.Random(1)).hours == pytest.approx(1.25, abs=1 / 60)


def test_machines_are_launched_sixteen_at_a_time() -> None:
    waves = 10
    came = run([kind(waves * PARALLEL_LAUNCHES)], 1e3, random.Random(1))
    assert came.hours == pytest.approx(0.25 + 1e-3, abs=1e-3)  # the first wave does all of it
    paid_each = 0.25 + TEARDOWN_HOURS
    assert came.machine_hours < waves * PARALLEL_LAUNCHES * paid_each
    long = run([kind(waves * PARALLEL_LAUNCHES)], 160e6, random.Random(1))
    assert long.hours == pytest.approx(1.25 + (waves - 1) * LAUNCH_HOURS / 2, abs=0.03)


def test_preemption_costs_new_starts_and_no_work_is_lost_for_good() -> None:
    came = [run([kind(4, hazard=1.0)], 20e6, random.Random(seed)) for seed in range(40)]
    mean = sum(one.hours for one in came) / len(came)
    lost = 0.25 + 0.5 / 60  # by preemption: a start, and half a shard of a minute
    assert mean == pytest.approx(0.25 + 5 * (1 + lost), rel=0.06)
    assert 15 < sum(one.preemptions for one in came) / len(came) < 35


def test_waiting_for_capacity_delays_a_machine_and_costs_nothing() -> None:
    came = run([kind(wait_hours=lambda: 3.0)], 1e6, random.Random(1))  # pyright: ignore[reportArgumentType] # a drawer
    assert came.hours == pytest.approx(4.25)
    assert came.machine_hours == pytest.approx(1.25 + TEARDOWN_HOURS)


def test_planner_sees_older_spot_quotes_and_exact_list_prices() -> None:
    listed = replace(OFFER, spot=False, usd_per_hour=Decimal("0.8"))
    places = [replace(OFFER, region=f"region-{n}") for n in range(200)]
    view = view_of([listed, *places], random.Random(3), NOW)
    assert view.offers[0].usd_per_hour == Decimal("0.8")
    assert view.true_usd[key_of(places[7])] == 0.5
    quotes = [float(offer.usd_per_hour) for offer in view.offers[1:]]
    assert sum(quotes) / len(quotes) < 0.5  # they were lower on GCP
    assert len(set(quotes)) > 100
    assert all(offer.as_of <= NOW.date() for offer in view.offers)


def test_coverage_counts_below_and_above() -> None:
    spread = (1.0, 2.0, 3.0)
    found = coverage([(spread, 0.5), (spread, 2.0), (spread, 2.5), (spread, 4.0), (spread, 3.0)])
    assert (found["inside"], found["below"], found["above"], found["of_p50"]) == (0.6, 0.2, 0.2, 1.25)


@pytest.mark.slow
def test_worlds_are_planned_and_carried_out() -> None:
    found = measure(SIZES["200M tokens"], worlds=2, runs=3)
    assert (found["runs"], found["worlds_without_a_plan"]) == (6, 0)
    for figure in ("hours", "usd"):
        parts = found[figure]
        assert parts["inside"] + parts["below"] + parts["above"] == pytest.approx(1, abs=0.002)
        assert 0.2 < parts["of_p50"] < 5
    again = measure(SIZES["200M tokens"], worlds=2, runs=3)
    assert again == found  # the draws have a seed
