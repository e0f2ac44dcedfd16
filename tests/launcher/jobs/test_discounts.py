"""The `discounts` of a job file, and its `limits.opt_in`."""

from decimal import Decimal

import pytest

from launcher.jobs.job import dump, load
from launcher.jobs.parse import parse
from launcher.jobs.yaml_fields import BadJob
from pricing.account.discounts import Discount

BASE = "name: a\ncorpus: texts\nmodel: BAAI/bge-small-en-v1.5\noutput: vectors\n"


def discounts(text: str) -> tuple[Discount, ...]:
    return parse(f"{BASE}discounts: {text}\n").discounts


def mistakes(text: str) -> list[str]:
    with pytest.raises(BadJob) as refusal:
        parse(f"{BASE}{text}\n")
    return [m.what for m in refusal.value.mistakes]


def test_discounts_are_read_in_their_order() -> None:
    text = "[{cloud: aws, off: 20%, gpu: nvidia-l4, region: 'us-*'}, {cloud: gcp, off: 12.5 %, covers: all}]"
    assert discounts(text) == (
        Discount("aws", off=Decimal("0.2"), gpu="L4", region="us-*"),
        Discount("gcp", off=Decimal("0.125"), covers="all"),
    )


def test_negotiated_price_is_that_of_one_instance_type() -> None:
    (found,) = discounts("[{cloud: aws, usd_per_hour: $2.50, instance_type: p5.4xlarge}]")
    assert found == Discount("aws", usd_per_hour=Decimal("2.50"), instance_type="p5.4xlarge")
    assert mistakes("discounts: [{cloud: aws, usd_per_hour: 2.5}]") == ["missing"]


@pytest.mark.parametrize("off", ["0.2", "20", "0%", "100%", "120%", "-5%", "20%%", "a lot"])
def test_share_is_per_cent_between_nothing_and_everything(off: str) -> None:
    (what,) = mistakes(f'discounts: [{{cloud: aws, off: "{off}"}}]')
    assert "per cent from 0.01 to 99" in what


@pytest.mark.parametrize("text", ["{cloud: aws}", "{cloud: aws, off: 5%, usd_per_hour: 1, instance_type: a}"])
def test_discount_is_a_share_or_a_price_and_not_both(text: str) -> None:
    assert any("either off" in what for what in mistakes(f"discounts: [{text}]"))


def test_unknown_gpu_and_cloud_of_a_discount_are_mistakes() -> None:
    assert len(mistakes("discounts: [{cloud: awss, off: 5%, gpu: L44}]")) == 2


def test_job_with_discounts_and_places_is_written_and_read_back() -> None:
    job = parse(f"{BASE}limits: {{opt_in: [eu-south-2]}}\ndiscounts: [{{cloud: aws, off: 20%}}]\n")
    assert load(dump(job)) == job


def test_job_without_them_is_written_as_before_they_existed() -> None:
    plain = dump(parse(BASE))
    assert "discounts" not in plain
    assert "opt_in" not in plain["limits"]


@pytest.mark.parametrize(
    ("written", "read"),
    [("true", ("*",)), ("false", ()), ("eu-south-2", ("eu-south-2",)), ("[a, b-*]", ("a", "b-*"))],
)
def test_opt_in_is_all_none_or_patterns(written: str, read: tuple[str, ...]) -> None:
    assert parse(f"{BASE}limits: {{opt_in: {written}}}\n").limits.opt_in == read


def test_misspelt_gpu_of_a_discount_is_named_with_what_was_meant() -> None:
    with pytest.raises(BadJob, match="no GPU 'L44' is known; did you mean L4"):
        parse(f"{BASE}discounts: [{{cloud: aws, off: 20%, gpu: L44}}]\n")
