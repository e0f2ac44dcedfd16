import csv
import gzip
from collections import defaultdict
from itertools import pairwise
from math import exp, factorial, sqrt

import pytest

from pricing.preemption import ON_DEMAND, PreemptionEvidence, evidence, preemption_rate
from tests.support.paths import SHARED

PROBES = SHARED / "traces" / "spot_availability.csv.gz"
EVENTS = SHARED / "traces" / "l4_spot_events_aws_2025-12.csv"
ADVISOR = SHARED / "facts" / "aws_spot_advisor_2025-06-28.csv"
HELD_HOURS = 27  # of the run that the events are of, as it was published


def row(region: str, instance_type: str) -> PreemptionEvidence:
    [found] = [e for e in evidence() if (e.region, e.instance_type) == (region, instance_type)]
    return found


def traced(gpu: str) -> dict[str, list[tuple[int, float]]]:
    """Falls and hours of each trace of one zone, by region."""
    if not PROBES.exists():
        pytest.skip("the traces that the figures were computed from are not here")
    counts: dict[tuple[str, str, float], list[int]] = defaultdict(list)
    with gzip.open(PROBES, "rt", encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if line["accelerator"] == gpu:
                key = (line["source"], line["zone"], float(line["gap_seconds"]))
                counts[key].append(int(line["available"]))
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for (_, zone, gap), seen in counts.items():
        falls = sum(max(0, a - b) for a, b in pairwise(seen))
        hours = sum(seen[:-1]) * gap / 3_600
        if hours:
            found[zone[:-1]].append((falls, hours))
    return found


def rate(pairs: list[tuple[int, float]]) -> float:
    return sum(f for f, _ in pairs) / sum(h for _, h in pairs)


@pytest.mark.parametrize("region", ["us-east-1", "us-east-2", "us-west-2", "*"])
def test_rate_of_v100_is_that_of_the_traces(region: str) -> None:
    found = traced("V100")
    pairs = [p for r, ps in found.items() if region in (r, "*") for p in ps]
    known = row(region, "p3.2xlarge").rate
    assert known.per_hour_mid == pytest.approx(rate(pairs), abs=5e-5)
    assert known.per_hour_low == pytest.approx(min(f / h for f, h in pairs), abs=5e-5)
    assert known.per_hour_high == pytest.approx(max(f / h for f, h in pairs), abs=5e-5)


def test_rate_of_four_l4s_is_ten_preemptions_in_27_hours() -> None:
    if not EVENTS.exists():
        pytest.skip("the events that the figure was computed from are not here")
    with EVENTS.open(encoding="utf-8", newline="") as file:
        lost = sum(line["type"] == "preemption" for line in csv.DictReader(file))
    assert lost == 10
    assert row("*", "g6.12xlarge").rate.per_hour_mid == pytest.approx(lost / HELD_HOURS, abs=5e-5)


def test_low_end_is_the_rate_with_ten_preemptions_in_one_of_ten_runs() -> None:
    expected = row("*", "g6.12xlarge").rate.per_hour_low * HELD_HOURS
    fewer = sum(exp(-expected) * expected**n / factorial(n) for n in range(10))
    assert 1 - fewer == pytest.approx(0.1, abs=1e-3)


def test_high_end_of_four_l4s_is_that_of_probes_in_all_zones() -> None:
    pairs = [p for ps in traced("L4:4").values() for p in ps]
    assert row("*", "g6.12xlarge").rate.per_hour_high == pytest.approx(rate(pairs), abs=5e-5)


def test_spot_advisor_ranks_regions_differently_than_probes() -> None:
    if not ADVISOR.exists():
        pytest.skip("the advisor's table is not here")
    with ADVISOR.open(encoding="utf-8", newline="") as file:
        buckets = {
            line["region"]: int(line["rate_bucket"])
            for line in csv.DictReader(file)
            if line["instance_type"] == "g6.12xlarge"
        }
    seen = traced("L4:4")
    assert buckets["eu-central-1"] < buckets["us-east-2"]
    assert rate(seen["eu-central-1"]) > 2 * rate(seen["us-east-2"])


def test_measured_rate_of_a_region_is_used() -> None:
    assert preemption_rate("aws", "us-east-1", "p3.2xlarge", "V100") == row("us-east-1", "p3.2xlarge").rate


def test_rate_of_all_regions_is_used_elsewhere() -> None:
    assert preemption_rate("aws", "eu-west-1", "p3.2xlarge", "V100") == row("*", "p3.2xlarge").rate


def test_measured_rate_is_the_high_end_for_other_machines_with_the_gpu() -> None:
    borrowed = preemption_rate("gcp", "us-central1", "g2-standard-4", "L4")
    assert borrowed.per_hour_high == row("*", "g6.12xlarge").rate.per_hour_mid
    assert borrowed.per_hour_mid == pytest.approx(sqrt(borrowed.per_hour_low * borrowed.per_hour_high))
    assert borrowed.source.startswith("at most that of aws g6.12xlarge: ")


def test_gpu_without_evidence_gets_a_wide_assumed_interval() -> None:
    assumed = preemption_rate("runpod", "US", "1x_H100", "H100")
    assert assumed.source == "assumed"
    assert assumed.per_hour_high > 30 * assumed.per_hour_low


def test_assumed_high_end_is_the_mean_of_measured_rates() -> None:
    assumed = preemption_rate("runpod", "US", "1x_H100", "H100")
    v100, l4 = row("*", "p3.2xlarge").rate, row("*", "g6.12xlarge").rate
    assert assumed.per_hour_high == pytest.approx(sqrt(v100.per_hour_mid * l4.per_hour_mid), abs=5e-5)
    assert assumed.per_hour_mid == pytest.approx(sqrt(assumed.per_hour_low * assumed.per_hour_high), abs=5e-5)


def test_every_rate_is_in_its_interval_and_sourced() -> None:
    for one in evidence():
        assert 0 < one.rate.per_hour_low <= one.rate.per_hour_mid <= one.rate.per_hour_high
        assert one.rate.source
        assert one.rate.as_of
        assert one.method


def test_on_demand_rate_is_assumed_zero() -> None:
    assert (ON_DEMAND.per_hour_low, ON_DEMAND.per_hour_mid, ON_DEMAND.per_hour_high) == (0, 0, 0)
    assert "taken as never" in ON_DEMAND.source
