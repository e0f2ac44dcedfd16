"""Offers as candidates: what is left out, speed, cold start, and what a machine costs."""

from datetime import date

import pytest

from launcher.ledger.records import ColdStart, MeasuredSpeed
from launcher.planning.offers.candidates import (
    find_candidates,
    run_charges,
)
from launcher.throughput import model_shapes
from launcher.throughput.predict import predict
from pricing import preemption, provisioning
from pricing.charges.storage import DISK_GB
from pricing.gpu import gpu
from tests.launcher.planning.offers.contexts import NOW, QWEN, SMALL, context, offer

# --- what is left out


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        ("gpus: [H100]", "limits.gpus"),
        ("clouds: [gcp]", "limits.clouds"),
        ("regions: ['eu-*']", "limits.regions"),
        ("spot: only", "limits.spot"),
    ],
)
def test_what_a_limit_leaves_out_is_counted_under_its_name(limits: str, left: str) -> None:
    found = find_candidates([offer(), offer(zone="us-east-1a")], context(f"limits: {{{limits}}}"))
    assert (found.candidates, found.left_out) == ((), {left: 2})


def test_spot_is_left_out_where_it_is_never_wanted() -> None:
    found = find_candidates([offer(), offer(spot=True)], context("limits: {spot: never}"))
    assert [candidate.spot for candidate in found.candidates] == [False]
    assert found.left_out == {"limits.spot": 1}


def test_gpu_may_be_named_by_any_of_its_names() -> None:
    assert len(find_candidates([offer()], context("limits: {gpus: [nvidia-l4]}")).candidates) == 1


def test_region_is_named_by_a_pattern() -> None:
    found = find_candidates(
        [offer(), offer(region="eu-west-1")], context("limits: {regions: ['us-*', 'ca-*']}")
    )
    assert [candidate.region for candidate in found.candidates] == ["us-east-1"]


@pytest.mark.parametrize(("name", "has"), [("T4", "7.5"), ("A100-80GB", "8.0"), ("A10G", "8.6")])
def test_gpu_that_does_not_compute_in_fp8_is_left_out_with_the_reason(name: str, has: str) -> None:
    found = find_candidates([offer(gpu=name), offer(gpu="L4")], context("precision: fp8"))
    assert [candidate.gpu for candidate in found.candidates] == ["L4"]
    assert found.left_out == {f"fp8 needs compute capability 8.9 (Ada, Hopper or newer); {name} has {has}": 1}


def test_gpu_without_the_memory_is_left_out_with_its_numbers() -> None:
    found = find_candidates([offer(gpu="T4", instance_type="g4dn.xlarge")], context(model=QWEN))
    assert found.candidates == ()
    (why,) = found.left_out
    assert why.startswith("needs 16.")
    assert "T4 has 14.4 GB" in why


def test_many_small_gpus_do_not_make_a_large_one() -> None:
    """A worker a GPU: eight T4 hold eight models, not one of eight times the size."""
    found = find_candidates([offer(gpu="T4", gpus=8.0, instance_type="g4dn.metal")], context(model=QWEN))
    assert found.candidates == ()


def test_slice_of_a_gpu_has_a_slice_of_its_memory_and_its_speed() -> None:
    whole, half = find_candidates(
        [offer(gpu="A10"), offer(gpu="A10", gpus=0.5, instance_type="b")], context()
    ).candidates
    assert half.tokens_per_second.mid == pytest.approx(whole.tokens_per_second.mid / 2)
    assert find_candidates([offer(gpu="A10", gpus=0.5)], context(model=QWEN)).candidates == ()


def test_every_offer_is_a_candidate_or_is_counted() -> None:
    offers = [offer(), offer(gpu="T4"), offer(gpu="V100"), offer(spot=True), offer(cloud="gcp", region="x")]
    found = find_candidates(offers, context("limits: {clouds: [aws], spot: never}", model=QWEN))
    assert len(found.candidates) + sum(found.left_out.values()) == len(offers)


# --- what a kind is


def test_speed_of_the_job_file_is_taken_as_it_is() -> None:
    (found,) = find_candidates([offer(gpus=4.0)], context("speed: {L4: 897}", model=QWEN)).candidates
    assert (found.tokens_per_second.low, found.tokens_per_second.high) == (4 * 897, 4 * 897)
    assert found.speed_source == "the job file"


def test_predicted_speed_is_an_engines_own_less_what_the_pipeline_takes() -> None:
    (found,) = find_candidates([offer()], context()).candidates
    engine = predict(model_shapes.shape(SMALL), gpu("L4"), "vllm", [(1.0, 102.0)])
    assert engine is not None
    assert found.tokens_per_second.mid == pytest.approx(0.94 * engine.tokens_per_second.mid)
    assert found.tokens_per_second.low == pytest.approx(0.91 * engine.tokens_per_second.low)
    assert found.speed_source.startswith("predicted: ")


def test_engine_that_the_project_measured_loses_to_the_pipeline_as_well() -> None:
    """The measurement is of the engine alone, and not of a worker that reads and writes."""
    (found,) = find_candidates([offer(gpu="H200")], context(model="BAAI/bge-large-en-v1.5")).candidates
    assert found.speed_source.startswith("measured, H200, 2026-11-28, random weights")
    assert found.tokens_per_second.mid / found.gpus == pytest.approx(328_965 * 0.94, rel=0.05)


def test_speed_on_a_gpu_without_flash_attention_says_so_in_the_plan() -> None:
    (found,) = find_candidates([offer(gpu="T4")], context(model=SMALL)).candidates
    assert found.speed_source.endswith(
        "; T4 has neither FlashAttention nor bfloat16: float16, and attention by slower kernels, more so on long texts; "
        "vllm was not measured on it"
    )
    (given,) = find_candidates([offer(gpu="T4")], context("speed: {T4: 5000}", model=SMALL)).candidates
    assert given.speed_source == "the job file"


def test_measured_speed_replaces_a_predicted_one() -> None:
    lengths = {"lengths": [[1.0, 102.0]]}
    speeds = MeasuredSpeed(SMALL, "L4", "vllm", 90_000.0, 100_000.0, 110_000.0, "run x", NOW, lengths)
    (found,) = find_candidates([offer(gpus=2.0)], context(speeds=(speeds,))).candidates
    assert found.tokens_per_second.mid == 200_000
    assert found.speed_source.startswith("measured 2026-11-23")


def test_speed_is_that_of_the_engine_of_the_job() -> None:
    (found,) = find_candidates([offer()], context("engine: torch")).candidates
    ours = predict(model_shapes.shape(SMALL), gpu("L4"), "torch", [(1.0, 102.0)])
    assert ours is not None
    assert found.tokens_per_second.mid == pytest.approx(0.94 * ours.tokens_per_second.mid)


def test_cold_start_is_boot_setup_download_engine_and_the_first_texts() -> None:
    (found,) = find_candidates([offer()], context(model=QWEN)).candidates
    parameters = model_shapes.shape(QWEN).params_total
    boot = provisioning.cold_start("aws")
    parts = (
        (boot.seconds_low, boot.seconds_mid, boot.seconds_high),
        provisioning.download_seconds(parameters),
        provisioning.engine_start("vllm", parameters),
        provisioning.FIRST_SHARD_SECONDS,
    )
    by_hand = [sum(part[end] for part in parts) for end in range(3)]
    assert [found.cold_start.low, found.cold_start.mid, found.cold_start.high] == pytest.approx(by_hand)
    assert (found.launch.low, found.launch.mid, found.launch.high) == boot.boot


def test_controller_starts_before_any_machine_and_spot_waits_for_capacity() -> None:
    there, spot = find_candidates([offer(), offer(spot=True)], context()).candidates
    assert (there.ahead.mid, spot.ahead.mid) == (180, 240)
    assert spot.ahead.high == 300 + 555


def test_measured_start_holds_the_engine_already() -> None:
    """What was measured ends when the engine is ready, so only the first texts come on top."""
    starts = [ColdStart(QWEN, "aws", "L4", 400.0)] * 5
    (found,) = find_candidates([offer()], context(model=QWEN, cold_starts=starts)).candidates
    assert found.cold_start.mid == 400 + provisioning.FIRST_SHARD_SECONDS[1]


def test_controller_is_charged_until_it_stops_by_itself() -> None:
    there = context()
    charges = run_charges(there, find_candidates([offer()], there).candidates)
    assert charges.controller_after == 60 + 10 * 60


def test_prices_of_spot_and_of_marketplaces_float() -> None:
    offers = [offer(), offer(spot=True), offer(cloud="vast", region="x")]
    assert [found.floats for found in find_candidates(offers, context()).candidates] == [False, True, True]


def test_only_spot_has_preemptions() -> None:
    there, gone = find_candidates([offer(), offer(spot=True)], context()).candidates
    assert there.hazard.high == 0
    known = preemption.preemption_rate("aws", "us-east-1", "g6.xlarge", "L4")
    assert (gone.hazard.low, gone.hazard.mid, gone.hazard.high) == (
        known.per_hour_low,
        known.per_hour_mid,
        known.per_hour_high,
    )


def test_price_age_is_in_days() -> None:
    (found,) = find_candidates([offer()], context()).candidates
    assert found.price_age_days == 22
    assert found.price_source == "a test, 2026-11-01"


def test_oldest_price_dates_the_candidates() -> None:
    found = find_candidates([offer(), offer(region="b", as_of=date(2026, 7, 30))], context())
    assert found.oldest == date(2026, 7, 30)


def test_disk_is_paid_by_the_hour() -> None:
    (found,) = find_candidates([offer()], context()).candidates
    weights = (
        2 * model_shapes.shape(SMALL).params_total / 10**9
    )  # GB, beside the system, the engine and the shards
    assert float(found.disk_usd_per_hour or 0) == pytest.approx(0.08 * (DISK_GB + weights) / 730)
    (elsewhere,) = find_candidates([offer(cloud="runpod", region="eu")], context()).candidates
    assert elsewhere.disk_usd_per_hour is None
