"""Offers as candidates: speed, cold start and costs; what is left out, and what is not priced."""

import csv
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.resources import files
from io import StringIO
from typing import Any

import pytest

from launcher.corpus.samples.profile import declared_profile
from launcher.jobs import parse
from launcher.ledger.records import ColdStart, MeasuredSpeed
from launcher.planning.estimates.unpriced import is_egress_priced
from launcher.planning.offers.candidates import (
    UNKNOWN_REGION,
    CandidateContext,
    DataLocation,
    data_locations,
    find_candidates,
    location_of,
    obtainable_gpus,
    output_bytes,
    run_charges,
)
from launcher.throughput import model_shapes
from launcher.throughput.predict import predict
from pricing import preemption, provisioning
from pricing.charges import egress, storage
from pricing.charges.storage import DISK_GB
from pricing.gpu import gpu
from pricing.offer import Offer

QWEN = "Alibaba-NLP/gte-Qwen2-7B-instruct"
SMALL = "BAAI/bge-small-en-v1.5"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
AWS, WEST = DataLocation("aws", "us-east-1"), DataLocation("aws", "us-west-2")


def offer(**changes: Any) -> Offer:
    fields: dict[str, Any] = {
        "cloud": "aws",
        "region": "us-east-1",
        "zone": None,
        "instance_type": "g6.xlarge",
        "gpu": "L4",
        "gpus": 1.0,
        "vcpus": 4,
        "memory_gb": 16.0,
        "spot": False,
        "usd_per_hour": Decimal("0.805"),
        "as_of": date(2026, 11, 1),
        "source": "a test",
    }
    return Offer(**fields | changes)


def context(
    more: str = "", model: str = SMALL, documents: int = 1_000_000, **changes: Any
) -> CandidateContext:
    text = f"name: a\ncorpus: {{documents: {documents}, tokens_per_document: 102}}\nmodel: {model}\n{more}\n"
    profile = declared_profile(documents, [(1.0, 102.0)], None, None)
    return CandidateContext(
        job=parse.parse(text),
        shape=model_shapes.shape(model),
        model=model,
        profile=profile,
        now=NOW,
        **changes,
    )


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


# --- egress


def test_egress_within_a_region_is_free() -> None:
    (found,) = find_candidates([offer()], context(corpus=AWS, output=AWS)).candidates
    assert found.egress_usd_per_token == 0


def test_egress_between_a_local_zone_and_its_region_is_not_free_and_bounded() -> None:
    near = offer(region="us-west-2", zone="usw2-lax1-az1")
    job = context("limits: {opt_in: true}", corpus=WEST, output=WEST)
    (found,) = find_candidates([near], job).candidates
    assert found.egress_usd_per_token is None
    assert found.egress_missing is not None
    assert found.egress_missing > 0
    (inside,) = find_candidates([offer(region="us-west-2", zone="usw2-az1")], job).candidates
    assert (inside.egress_usd_per_token, inside.egress_missing) == (0, 0)


def test_egress_is_unknown_without_the_regions_of_the_data() -> None:
    made = find_candidates([offer()], context())
    assert made.candidates[0].egress_usd_per_token is None
    assert "egress: set corpus.region and output.region in the job file" in made.not_priced


def test_only_missing_regions_are_asked_for() -> None:
    assert (
        "egress: set output.region in the job file"
        in find_candidates([offer()], context(corpus=AWS)).not_priced
    )


def test_texts_leave_their_region_and_vectors_come_back() -> None:
    """102M tokens are 408 MB of text; a million vectors of 384 x 4 bytes and 12 beside are 1.548 GB."""
    (found,) = find_candidates([offer(region="us-west-2")], context(corpus=AWS, output=AWS)).candidates
    gb = Decimal(408_000_000 + 1_548_000_000) / 2**30
    by_hand = gb * Decimal("0.02")  # AWS, region to region
    assert found.egress_usd_per_token is not None
    assert float(found.egress_usd_per_token * 102_000_000) == pytest.approx(float(by_hand))


def test_vectors_for_this_machine_leave_over_the_internet() -> None:
    here = DataLocation("local", "local")
    (found,) = find_candidates([offer()], context(corpus=here, output=here)).candidates
    out = egress.internet_usd("aws", "us-east-1", Decimal(1_548_000_000) / 2**30)
    assert out is not None
    assert found.egress_usd_per_token is not None
    assert float(found.egress_usd_per_token * 102_000_000) == pytest.approx(float(out))


def test_cloud_whose_egress_has_no_price_is_named() -> None:
    made = find_candidates([offer(cloud="vast", region="x")], context(corpus=AWS, output=AWS))
    assert not is_egress_priced(made.candidates[0])
    assert any(
        why.startswith("egress from or to some regions of vast: no price known") for why in made.not_priced
    )


def test_known_leg_is_kept_and_the_other_has_the_dearest_known_price_as_its_bound() -> None:
    """The texts leave AWS at $0.09 a GiB; what Vast asks for the vectors is not known."""
    (found,) = find_candidates([offer(cloud="vast", region="x")], context(corpus=AWS, output=AWS)).candidates
    assert found.egress_usd_per_token is not None
    assert found.egress_missing is not None
    texts, vectors = 408_000_000 / 2**30 * 0.09, 1.548 * 0.155  # the dearest list: AWS us-gov-west-1
    assert float(found.egress_usd_per_token * 102_000_000) == pytest.approx(texts)
    assert float(found.egress_missing * 102_000_000) == pytest.approx(vectors)


def test_no_leg_costs_more_than_the_bound_of_an_unknown_one() -> None:
    dearest, _ = egress.dearest()
    text = files("pricing").joinpath("snapshot", "egress.csv").read_text(encoding="utf-8")
    assert dearest == max(Decimal(row["usd_per_gb"]) for row in csv.DictReader(StringIO(text)))
    for cloud, region in (("aws", "af-south-1"), ("gcp", "asia-east1"), ("azure", "brazilsouth")):
        usd = egress.internet_usd(cloud, region, Decimal(7))
        assert usd is not None
        assert usd <= 7 * dearest


def test_disk_without_a_price_has_the_dearest_known_one_as_its_bound() -> None:
    (known,) = find_candidates([offer(cloud="gcp", region="us-central1")], context()).candidates
    (unknown,) = find_candidates([offer(cloud="vast", region="x")], context()).candidates
    assert (unknown.disk_usd_per_hour, unknown.disk_at_most) == (None, known.disk_usd_per_hour)


# --- what the whole run costs


def test_vectors_are_kept_where_the_output_lies() -> None:
    found = run_charges(context(documents=10_000_000, output=AWS), [])
    assert found.storage == storage.storage_month_usd(
        "aws", "us-east-1", 10_000_000 * (384 * 4 + 12)
    )  # and an id


def test_billion_vectors_of_1024_floats_are_4096_gigabytes_and_their_ids_12() -> None:
    job = "output: {path: out, dimensions: 1024}"
    assert output_bytes(context(job, model="BAAI/bge-m3", documents=10**9)) == (4_096 + 12) * 10**9
    half = "output: {path: out, dimensions: 256, dtype: float16}"
    assert output_bytes(context(half, model="BAAI/bge-m3", documents=10**9)) == (512 + 12) * 10**9


def test_storage_on_this_machine_is_free() -> None:
    assert run_charges(context(output=DataLocation("local", "local")), []).storage == 0


def test_storage_is_unknown_without_the_region_of_the_output() -> None:
    made = find_candidates([offer()], context())
    assert run_charges(context(), []).storage is None
    assert "storage of the vectors: set output.region in the job file" in made.not_priced


def test_controller_is_the_cheapest_of_the_clouds_that_have_one() -> None:
    def controller(*clouds: str) -> Decimal | None:
        offers = [offer(cloud=cloud, region=cloud) for cloud in clouds]
        return run_charges(context(), find_candidates(offers, context()).candidates).controller_usd_per_hour

    assert controller("gcp") == Decimal("0.1942")
    assert controller("vast", "gcp", "aws") == Decimal("0.192")
    assert controller("vast") is None


def test_controller_that_has_no_price_is_named() -> None:
    found = find_candidates([offer(cloud="vast", region="x")], context(corpus=AWS, output=AWS))
    assert [why for why in found.not_priced if "controller" in why]


def test_where_everything_has_a_price_nothing_is_named() -> None:
    assert find_candidates([offer()], context(corpus=AWS, output=AWS)).not_priced == ()


def test_without_candidates_nothing_is_not_priced() -> None:
    assert find_candidates([], context()).not_priced == ()


def test_more_l4_than_other_gpus_are_known_obtainable() -> None:
    found = obtainable_gpus(
        find_candidates([offer(), offer(gpu="H100", instance_type="p5")], context()).candidates
    )
    assert found == {("aws", "us-east-1", "L4", False): 33, ("aws", "us-east-1", "H100", False): 16}


# --- places


def test_location_is_the_jobs_region() -> None:
    assert location_of("s3://bucket/x", "aws/us-west-2") == WEST
    assert location_of("s3://bucket/x", "r2") == DataLocation("r2", "*")


def test_local_path_is_on_this_machine() -> None:
    assert location_of("texts/*.jsonl", None) == DataLocation("local", "local")


def test_scheme_of_a_bucket_gives_its_cloud_and_not_its_region() -> None:
    assert location_of("s3://bucket/x", None) == DataLocation("aws", UNKNOWN_REGION)
    assert location_of("gs://bucket/x", None) == DataLocation("gcp", UNKNOWN_REGION)


def test_egress_to_a_bucket_of_unknown_region_is_unknown() -> None:
    made = find_candidates([offer()], context(corpus=AWS, output=DataLocation("aws", UNKNOWN_REGION)))
    assert made.candidates[0].egress_usd_per_token == 0  # the texts, which are in the region
    assert made.candidates[0].egress_missing is None
    assert "egress: set output.region in the job file" in made.not_priced


def test_places_of_a_job() -> None:
    text = "name: a\ncorpus: {path: 's3://b/x', region: aws/us-east-1}\nmodel: hash\noutput: out\n"
    assert data_locations(parse.parse(text)) == (AWS, DataLocation("local", "local"))


def test_declared_corpus_has_no_location_without_a_region() -> None:
    assert data_locations(context().job) == (None, None)
    said = parse.parse(
        f"name: a\ncorpus: {{documents: 1, tokens_per_document: 1, region: aws/us-east-1}}\nmodel: {SMALL}\n"
    )
    assert data_locations(said) == (AWS, None)
