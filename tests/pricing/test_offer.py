from dataclasses import FrozenInstanceError, replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.offer import as_quote
from tests.support.offers import G2_SPOT

L4 = replace(G2_SPOT, zone="us-central1-a", as_of=date(2026, 7, 30))


def test_key_has_cloud_place_machine_and_purchase() -> None:
    assert L4.key == "gcp/us-central1-a/g2-standard-8/spot"


def test_offer_without_zone_is_named_by_its_region() -> None:
    assert replace(L4, zone=None, spot=False).key == "gcp/us-central1/g2-standard-8/on-demand"


def test_n1_machine_has_its_gpu_in_the_key() -> None:
    n1 = replace(L4, instance_type="n1-standard-8", gpu="T4", gpus=2.0)
    assert n1.key == "gcp/us-central1-a/n1-standard-8+2xT4/spot"


def test_price_per_gpu_is_the_machine_price_divided() -> None:
    p4d = replace(L4, gpu="A100-40GB", gpus=8.0, usd_per_hour=Decimal("30.0978"))
    assert p4d.usd_per_gpu_hour == Decimal("3.762225")


def test_fraction_of_a_gpu_is_priced_per_whole_gpu() -> None:
    half = replace(L4, gpu="A10", gpus=0.5, usd_per_hour=Decimal("1.60"))
    assert half.usd_per_gpu_hour == Decimal("3.2")


def test_offer_is_immutable() -> None:
    with pytest.raises(FrozenInstanceError):
        L4.usd_per_hour = Decimal(0)  # pyright: ignore[reportAttributeAccessIssue]


def test_offer_becomes_a_quote_with_one_price() -> None:
    quote = as_quote(L4)
    assert (quote.spot, quote.on_demand) == (Decimal("0.3400"), None)
    assert quote.machine == L4.machine


@given(
    price=st.decimals(min_value="0.0001", max_value="500", places=4),
    gpus=st.sampled_from([0.25, 0.5, 1, 2, 4, 8, 16]),
)
def test_gpus_times_price_per_gpu_is_the_machine_price(price: Decimal, gpus: float) -> None:
    offer = replace(L4, gpus=float(gpus), usd_per_hour=price)
    assert offer.usd_per_gpu_hour * Decimal(str(gpus)) == price
