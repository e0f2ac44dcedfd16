"""Capacity is counted in GPUs, by type, purchase kind and place, and what was not seen is assumed and says so."""

import csv
from datetime import date
from importlib.resources import files
from io import StringIO

from pricing.capacity import ASSUMED_GPUS, basis_of, capacity, obtainable
from pricing.gpu import canonical


def test_l4s_of_a_region_are_those_of_the_published_run() -> None:
    assert capacity(
        "slurm", "east", "L4", spot=True
    ).assumed  # a run on rented clouds says nothing of a cluster
    seen = capacity("gcp", "us-central1", "L4", spot=True)
    assert (seen.gpus, seen.assumed) == (406 // 12, False)
    assert "406" in seen.source


def test_evidence_that_names_no_place_is_inferred_and_says_so() -> None:
    """The published run does not say in which regions of which cloud its L4s were, nor how many of them were spot."""
    for cloud, spot in (("aws", False), ("aws", True), ("gcp", False), ("gcp", True)):
        found = capacity(cloud, "eu-west-1", "L4", spot=spot)
        assert found.basis == "inferred"
        assert found.source.startswith("inferred: 406 L4s at once in 12 regions")
    assert capacity("aws", "us-east-1", "H200", spot=True).basis == "assumed"
    assert basis_of("a probe of this region", assumed=False) == "seen"


def test_what_was_seen_of_one_type_and_purchase_kind_says_nothing_of_others() -> None:
    assert not capacity("aws", "us-east-1", "V100", spot=True).assumed
    for cloud, gpu, spot in (("aws", "H200", True), ("aws", "V100", False), ("gcp", "V100", True)):
        other = capacity(cloud, "us-east-1", gpu, spot=spot)
        assert (other.gpus, other.assumed) == (ASSUMED_GPUS, True)
        assert other.source.startswith("assumed")


def test_one_machine_is_counted_on_however_large() -> None:
    assert obtainable("aws", "us-east-1", "GB200", spot=False, least=72).gpus == 72
    assert obtainable("aws", "us-east-1", "H200", spot=True, least=8).gpus == ASSUMED_GPUS


def test_row_of_a_market_of_single_hosts_is_one_machine() -> None:
    assert obtainable("vast", "France, FR, EU", "A5000", spot=False, least=1, most=4).gpus == 4


def test_every_row_of_evidence_has_a_known_gpu_a_source_and_a_date() -> None:
    text = files("pricing").joinpath("snapshot", "capacity.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(StringIO(text)):
        assert canonical(row["gpu"]) == row["gpu"]
        assert row["source"]
        assert date.fromisoformat(row["as_of"]) < date(2027, 1, 1)
        assert int(row["gpus"]) > 0
