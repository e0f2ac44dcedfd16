"""The benchmark of predicted against published speeds: its sums, and what it finds where the points are at hand."""

import csv
from math import log
from pathlib import Path
from typing import Any

import pytest

from benchmarks.speed import POINTS, by, leave_one_out, measure, one_share_of_peak, ours_of, points, summary
from launcher.throughput.predict import ERROR_FACTOR
from launcher.throughput.spread import P90

ROW = {
    "id": "one-L4",
    "model": "BAAI/bge-large-en-v1.5",
    "gpu": "L4",
    "engine": "TEI",
    "dtype": "fp16",
    "seq_len": "449",
    "per_gpu_tokens_per_s": "62192.4",
    "mfu": "0.3331",
    "peak_tflops_used": "121",
    "kind": "service",
    "fit": "1",
    "source": "one",
}


def rows(**changes: str) -> list[dict[str, str]]:
    return [ROW | changes]


def test_a_point_is_judged_by_the_engine_that_stands_for_its_own() -> None:
    found, passed = points(rows(engine="Infinity"))
    assert ([p.engine for p in found], passed) == (["tei"], {})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"gpu": "CPU"}, "no GPU CPU"),
        ({"engine": "fastembed"}, "engine fastembed"),
        ({"model": "nobody/knows"}, "unknown model 'nobody/knows'"),
        ({"gpu": "MI210"}, "no ceiling of MI210"),
        ({"mfu": "0.9947"}, "a share of peak of 0.9947 is a mistake"),
    ],
)
def test_a_point_that_cannot_be_judged_is_listed_with_the_reason(change: dict[str, str], why: str) -> None:
    found, passed = points(rows(**change))
    assert found == []
    assert why in passed["one-L4"]


@pytest.mark.parametrize("change", [{"kind": "kernel"}, {"fit": "0"}])
def test_only_services_that_are_fit_to_use_are_judged(change: dict[str, str]) -> None:
    assert points(rows(**change)) == ([], {})


def test_an_error_of_a_fifth_both_ways_has_no_bias() -> None:
    (point,) = points(rows())[0]
    found = summary([(point, log(1.25)), (point, -log(1.25))])
    assert (found["bias"], found["rms_factor"], found["covered"]) == (1.0, 1.25, 1.0)
    assert found["median_error"] == pytest.approx((0.2 + 0.25) / 2, abs=1e-3)


def test_a_point_beyond_p90_is_not_covered() -> None:
    (point,) = points(rows())[0]
    edge = P90 * log(ERROR_FACTOR)
    assert summary([(point, edge * 0.999), (point, edge * 1.001)])["covered"] == 0.5


def test_a_source_is_predicted_from_the_others_only() -> None:
    found, _ = points([*rows(), *rows(id="two-L4", source="two", per_gpu_tokens_per_s="1000")])
    out = {point.id: speed for point, speed in leave_one_out(found, one_share_of_peak)}
    assert out == {"one-L4": pytest.approx(1000), "two-L4": pytest.approx(62192.4)}


def test_errors_are_told_by_group() -> None:
    found, _ = points([*rows(), *rows(id="two-A10", gpu="A10")])
    assert sorted(by([(p, 0.0) for p in found], lambda p: p.gpu.name)) == ["A10", "L4"]


def test_a_prediction_of_the_benchmark_is_that_of_the_product() -> None:
    (point,) = points(rows())[0]
    assert ours_of(point) == pytest.approx(58_478, rel=1e-3)


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    if not Path(POINTS).is_file():
        pytest.skip(f"no published points at {POINTS}")
    with POINTS.open(encoding="utf-8", newline="") as file:
        return measure(list(csv.DictReader(file)))


def test_the_model_beats_one_share_of_peak_for_all(report: dict[str, Any]) -> None:
    assert report["left_out"]["median_error"] < report["one_share_of_peak_left_out"]["median_error"]
    assert report["left_out"]["rms_factor"] < report["one_share_of_peak_left_out"]["rms_factor"]


def test_the_interval_covers_about_8_of_10_sources_left_out(report: dict[str, Any]) -> None:
    assert report["left_out"]["covered"] >= 0.8
    assert report["left_out"]["covered_each_source_alike"] >= 0.6


def test_the_constants_in_use_are_near_those_that_fit_these_points(report: dict[str, Any]) -> None:
    for name in ("fused", "unfused", "float32"):
        assert report["in_use"][name] == pytest.approx(report["fitted_on_all"][name], rel=0.15)


def test_a_ceiling_is_derived_to_within_a_fifth(report: dict[str, Any]) -> None:
    assert report["ceilings"]["rms_factor"] < 1.2
