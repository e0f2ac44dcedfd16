from decimal import Decimal

import pytest

from pricing.provisioning import (
    cold_start,
    download_seconds,
    jobs_controller,
    obtainable_machines,
    obtainable_source,
)


@pytest.mark.parametrize(
    ("cloud", "seconds"),
    [("aws", (161, 290, 510)), ("gcp", (135, 277, 515)), ("azure", (220, 390, 650))],
)
def test_a_machine_starts_in_what_its_boot_and_setup_take(cloud: str, seconds: tuple[int, int, int]) -> None:
    boot = cold_start(cloud)
    assert (boot.seconds_low, boot.seconds_mid, boot.seconds_high) == seconds


def test_a_cloud_nobody_timed_starts_in_a_time_that_says_it_is_assumed() -> None:
    assert cold_start("hyperstack") == cold_start("vast")
    assert cold_start("hyperstack").source.startswith("boot: assumed")


def test_every_cold_start_lies_in_its_interval_with_a_source() -> None:
    for cloud in ("aws", "azure", "gcp", "lambda", "runpod"):
        boot = cold_start(cloud)
        assert 0 < boot.seconds_low < boot.seconds_mid < boot.seconds_high
        assert "setup: assumed" in boot.source


def test_seven_billion_parameters_are_fetched_in_a_minute_or_so() -> None:
    low, mid, high = download_seconds(7_000_000_000)
    assert (round(low), round(mid), round(high)) == (21, 56, 152)


def test_twice_the_bytes_take_twice_as_long() -> None:
    assert download_seconds(10**9, 4)[1] == 2 * download_seconds(10**9, 2)[1]


@pytest.mark.parametrize(
    ("cloud", "kind", "price"),
    [
        ("aws", "m6i.xlarge", "0.192"),
        ("azure", "Standard_D4s_v5", "0.192"),
        ("gcp", "n2-standard-4", "0.1942"),
    ],
)
def test_the_jobs_controller_is_what_skypilot_starts(cloud: str, kind: str, price: str) -> None:
    found = jobs_controller(cloud)
    assert found is not None
    assert (found.instance_type, found.usd_per_hour) == (kind, Decimal(price))


def test_the_controller_of_a_cloud_we_have_no_price_for_is_unknown() -> None:
    assert jobs_controller("lambda") is None


def test_a_region_gives_as_many_l4s_as_the_published_run_had_of_each() -> None:
    assert obtainable_machines("gcp", "us-central1", "L4", spot=True) == 406 // 12
    assert "406" in obtainable_source("L4")


def test_a_gpu_nobody_had_many_of_is_capped_at_an_assumed_number() -> None:
    assert obtainable_machines("lambda", "us-east-1", "B200", spot=False) == 16
    assert obtainable_source("B200").startswith("assumed")
