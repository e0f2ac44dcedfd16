"""Egress, storage and the controller of candidates, by where the data lies, and what has no price."""

import csv
from decimal import Decimal
from importlib.resources import files
from io import StringIO

import pytest

from launcher.jobs import parse
from launcher.planning.estimates.unpriced import is_egress_priced
from launcher.planning.offers.candidates import (
    UNKNOWN_REGION,
    DataLocation,
    data_locations,
    find_candidates,
    location_of,
    obtainable_gpus,
    output_bytes,
    run_charges,
)
from pricing.charges import egress, storage
from tests.launcher.planning.offers.contexts import AWS, SMALL, WEST, context, offer

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
