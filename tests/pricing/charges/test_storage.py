import csv
from datetime import date
from decimal import Decimal
from importlib.resources import files
from statistics import median_high

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.charges.storage import BITS_PER_DIMENSION, Dtype, storage_month_usd, storage_price, vector_bytes

BILLION = 10**9
dtypes = st.sampled_from(sorted(BITS_PER_DIMENSION))
dimensions = st.integers(1, 8192)


def snapshot() -> list[dict[str, str]]:
    text = files("pricing").joinpath("snapshot", "storage.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def usd_per_gb_month(cloud: str, region: str) -> Decimal:
    price = storage_price(cloud, region)
    assert price is not None
    return price.usd_per_gb_month


@pytest.mark.parametrize("row", snapshot(), ids=lambda row: f"{row['cloud']}/{row['region']}")
def test_every_row_of_the_snapshot_is_valid(row: dict[str, str]) -> None:
    price = storage_price(row["cloud"], row["region"])
    assert price is not None
    assert (price.usd_per_gb_month, price.assumed) == (Decimal(row["usd_per_gb_month"]), None)
    assert Decimal("0.001") < price.usd_per_gb_month < Decimal("0.1")
    assert price.as_of > date(2026, 6, 1)
    assert price.source
    assert price.kind


@pytest.mark.parametrize(
    ("cloud", "region"),
    [("aws", "us-east-1"), ("azure", "eastus"), ("gcp", "us-central1"), ("gcp", "us"), ("r2", "auto")],
)
def test_common_regions_have_their_own_price(cloud: str, region: str) -> None:
    price = storage_price(cloud, region)
    assert price is not None
    assert price.assumed is None


def test_region_without_price_gets_the_median() -> None:
    price = storage_price("azure", "japaneast")
    assert price is not None
    known = [Decimal(row["usd_per_gb_month"]) for row in snapshot() if row["cloud"] == "azure"]
    assert price.usd_per_gb_month == median_high(known)
    assert price.assumed is not None
    assert price.assumed.startswith(f"no price for azure japaneast: the median of {len(known)} regions")


def test_assumed_price_is_not_the_cheapest() -> None:
    cheapest, assumed = storage_price("azure", "westus2"), storage_price("azure", "japaneast")
    assert cheapest is not None
    assert assumed is not None
    assert assumed.usd_per_gb_month > cheapest.usd_per_gb_month


def test_price_of_an_unknown_cloud_is_none() -> None:
    assert storage_price("nebius", "eu-north1") is None
    assert storage_month_usd("nebius", "eu-north1", 10**12) is None


def test_price_of_frankfurt_is_not_that_of_a_dual_region_bucket() -> None:
    # A published table has 0.0253 for europe-west3: the price of one side of a dual-region bucket.
    assert usd_per_gb_month("gcp", "europe-west3") < Decimal("0.0253")


def test_tebibyte_at_aws_is_1024_of_its_gb() -> None:
    assert storage_month_usd("aws", "us-east-1", 2**40) == 1024 * usd_per_gb_month("aws", "us-east-1")


def test_terabyte_at_azure_is_1000_of_its_gb() -> None:
    assert storage_month_usd("azure", "eastus", 10**12) == 1000 * usd_per_gb_month("azure", "eastus")


@pytest.mark.parametrize(
    ("dtype", "terabytes"),
    [("float32", "4.096"), ("float16", "2.048"), ("int8", "1.028"), ("binary", "0.128")],
)
def test_size_of_a_billion_vectors_of_1024_dimensions(dtype: Dtype, terabytes: str) -> None:
    assert Decimal(vector_bytes(BILLION, 1024, dtype)) / 10**12 == Decimal(terabytes)


def test_quarter_of_the_dimensions_is_a_quarter_of_the_size() -> None:
    assert vector_bytes(BILLION, 256, "float32") * 4 == vector_bytes(BILLION, 1024, "float32")


def test_bits_are_packed_to_whole_bytes_of_each_vector() -> None:
    assert vector_bytes(3, 12, "binary") == 6


def test_no_vectors_have_no_size() -> None:
    assert vector_bytes(0, 1024, "float32") == 0


@given(count=st.integers(0, 10**12), size=dimensions, dtype=dtypes)
def test_size_is_proportional_to_count(count: int, size: int, dtype: Dtype) -> None:
    assert vector_bytes(count, size, dtype) == count * vector_bytes(1, size, dtype)


@given(size=dimensions, dtype=dtypes)
def test_more_dimensions_are_never_smaller(size: int, dtype: Dtype) -> None:
    assert vector_bytes(1, size + 1, dtype) >= vector_bytes(1, size, dtype)


@given(size=st.integers(8, 8_192))
def test_wider_dtype_is_never_smaller(size: int) -> None:
    sizes = [vector_bytes(1, size, dtype) for dtype in ("binary", "int8", "float16", "float32")]
    assert sizes == sorted(sizes)
