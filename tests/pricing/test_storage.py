from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.storage import BITS_PER_DIMENSION, Dtype, storage_month_usd, storage_price, vector_bytes

BILLION = 10**9
dtypes = st.sampled_from(sorted(BITS_PER_DIMENSION))
dimensions = st.integers(1, 8192)


@pytest.mark.parametrize(
    ("cloud", "region", "price"),
    [
        ("aws", "us-east-1", "0.023"),
        ("aws", "sa-east-1", "0.0405"),
        ("azure", "eastus", "0.0208"),
        ("gcp", "us-central1", "0.020"),
        ("gcp", "europe-west2", "0.023"),
        ("gcp", "us", "0.026"),  # the multi-region
        ("r2", "auto", "0.015"),
    ],
)
def test_a_gigabyte_costs_its_list_price_for_a_month(cloud: str, region: str, price: str) -> None:
    rate = storage_price(cloud, region)
    assert rate is not None
    assert (rate.usd_per_gb_month, rate.assumed) == (Decimal(price), None)


def test_a_region_without_a_price_gets_one_that_says_it_is_assumed() -> None:
    rate = storage_price("azure", "japaneast")
    assert rate is not None
    assert rate.usd_per_gb_month == Decimal("0.02")
    assert (
        rate.assumed
        == "no price for azure japaneast: the median of 5 regions, that of koreacentral, is taken"
    )


def test_the_price_of_a_region_is_not_that_of_the_cheapest_one_by_default() -> None:
    cheapest, assumed = storage_price("azure", "westus2"), storage_price("azure", "japaneast")
    assert cheapest is not None
    assert assumed is not None
    assert assumed.usd_per_gb_month > cheapest.usd_per_gb_month


def test_the_storage_of_a_cloud_we_know_nothing_of_is_unknown() -> None:
    assert storage_price("nebius", "eu-north1") is None
    assert storage_month_usd("nebius", "eu-north1", 10**12) is None


def test_every_price_of_storage_is_dated_and_sourced() -> None:
    for cloud, region in (("aws", "us-east-1"), ("azure", "eastus"), ("gcp", "us-central1"), ("r2", "auto")):
        rate = storage_price(cloud, region)
        assert rate is not None
        assert date(2026, 6, 1) < rate.as_of <= date(2026, 11, 22)
        assert rate.source
        assert rate.kind


def test_frankfurt_is_priced_as_one_region_and_not_as_half_of_a_pair() -> None:
    # A published table has 0.0253 for europe-west3: the price of one side of a dual-region bucket.
    rate = storage_price("gcp", "europe-west3")
    assert rate is not None
    assert (rate.usd_per_gb_month, rate.assumed) == (Decimal("0.023"), None)


def test_a_tebibyte_at_aws_is_a_thousand_and_24_of_its_gigabytes() -> None:
    assert storage_month_usd("aws", "us-east-1", 2**40) == Decimal("23.552")


def test_a_terabyte_at_azure_is_a_thousand_of_its_gigabytes() -> None:
    assert storage_month_usd("azure", "eastus", 10**12) == Decimal("20.8")


@pytest.mark.parametrize(
    ("dtype", "terabytes"),
    [("float32", "4.096"), ("float16", "2.048"), ("int8", "1.028"), ("binary", "0.128")],
)
def test_a_billion_vectors_of_1024_numbers_take_so_many_terabytes(dtype: Dtype, terabytes: str) -> None:
    assert Decimal(vector_bytes(BILLION, 1024, dtype)) / 10**12 == Decimal(terabytes)


def test_a_matryoshka_vector_cut_to_a_quarter_takes_a_quarter() -> None:
    assert vector_bytes(BILLION, 256, "float32") * 4 == vector_bytes(BILLION, 1024, "float32")


def test_bits_are_packed_to_whole_bytes_of_each_vector() -> None:
    assert vector_bytes(3, 12, "binary") == 6


def test_no_vectors_take_no_bytes() -> None:
    assert vector_bytes(0, 1024, "float32") == 0


@given(count=st.integers(0, 10**12), size=dimensions, dtype=dtypes)
def test_vectors_take_the_same_together_as_apart(count: int, size: int, dtype: Dtype) -> None:
    assert vector_bytes(count, size, dtype) == count * vector_bytes(1, size, dtype)


@given(size=dimensions, dtype=dtypes)
def test_more_dimensions_never_take_less(size: int, dtype: Dtype) -> None:
    assert vector_bytes(1, size + 1, dtype) >= vector_bytes(1, size, dtype)


@given(size=st.integers(8, 8_192))
def test_a_wider_type_never_takes_less(size: int) -> None:
    sizes = [vector_bytes(1, size, dtype) for dtype in ("binary", "int8", "float16", "float32")]
    assert sizes == sorted(sizes)
