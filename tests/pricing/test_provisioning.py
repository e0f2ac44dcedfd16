import csv
from decimal import Decimal
from importlib.resources import files

import pytest

from pricing.provisioning import (
    cold_start,
    download_seconds,
    engine_start,
    jobs_controller,
)


def snapshot() -> dict[str, dict[str, str]]:
    text = files("pricing").joinpath("snapshot", "cold_start.csv").read_text(encoding="utf-8")
    return {row["cloud"]: row for row in csv.DictReader(text.splitlines())}


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
def test_cold_start_is_boot_plus_setup(cloud: str) -> None:
    start, row = cold_start(cloud), snapshot()[cloud]
    expected = [float(row[f"boot_{end}"]) + float(row[f"setup_{end}"]) for end in ("low", "mid", "high")]
    assert [start.seconds_low, start.seconds_mid, start.seconds_high] == expected


def test_cold_start_of_an_unmeasured_cloud_is_assumed() -> None:
    assert cold_start("hyperstack") == cold_start("vast")
    assert cold_start("hyperstack").source.startswith("boot: assumed")


def test_every_cold_start_is_in_its_interval_and_sourced() -> None:
    for cloud in ("aws", "azure", "gcp", "lambda", "runpod"):
        boot = cold_start(cloud)
        assert 0 < boot.seconds_low < boot.seconds_mid < boot.seconds_high
        assert "setup: assumed" in boot.source


def test_seven_billion_parameters_take_about_a_minute() -> None:
    low, mid, high = download_seconds(7_000_000_000)
    assert (round(low), round(mid), round(high)) == (21, 56, 152)


def test_download_time_is_proportional_to_bytes() -> None:
    assert download_seconds(10**9, 4)[1] == 2 * download_seconds(10**9, 2)[1]


@pytest.mark.parametrize(
    ("cloud", "family"), [("aws", "m6i."), ("azure", "Standard_D4s"), ("gcp", "n2-standard-4")]
)
def test_jobs_controller_has_a_price_and_a_source(cloud: str, family: str) -> None:
    found = jobs_controller(cloud)
    assert found is not None
    assert found.instance_type.startswith(family)
    assert Decimal("0.1") < found.usd_per_hour < Decimal("0.4")
    assert "SkyPilot" in found.source


def test_controller_without_a_price_is_unknown() -> None:
    assert jobs_controller("lambda") is None


@pytest.mark.parametrize(
    ("parameters", "seconds"), [(22_700_000, 26.9), (335_000_000, 36.5), (7_610_000_000, 70.4)]
)
def test_engine_start_is_what_was_measured(parameters: int, seconds: float) -> None:
    assert engine_start("vllm", parameters)[1] == pytest.approx(seconds)


def test_engine_start_grows_with_the_model_and_differs_by_engine() -> None:
    assert engine_start("vllm", 1_000_000)[1] == pytest.approx(
        26.9
    )  # none is quicker than the smallest measured
    assert 36.5 < engine_start("vllm", 3 * 10**9)[1] < 70.4 < engine_start("vllm", 14 * 10**9)[1]
    assert engine_start("torch", 335_000_000)[1] == pytest.approx(9.5)


def test_an_engine_that_compiles_takes_longer_to_start() -> None:
    packed, torch = engine_start("packed", 335_000_000), engine_start("torch", 335_000_000)
    assert packed[0] == torch[0]  # where the machine has kept the compiled code
    assert packed[1] > torch[1]
    assert packed[2] > torch[2]
