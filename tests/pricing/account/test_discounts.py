"""Which offers a discount fits, and what it leaves of their price."""

from dataclasses import replace
from decimal import Decimal

import pytest

from pricing.account.discounts import Discount, discount_of
from tests.support.offers import L4 as OFFER

FIFTH = Discount("aws", off=Decimal("0.2"))


def test_share_is_taken_off_the_price() -> None:
    assert FIFTH.price(OFFER.usd_per_hour) == Decimal("0.64384")


def test_negotiated_price_stands_in_place_of_the_quote() -> None:
    price = Discount("aws", usd_per_hour=Decimal("0.5"), instance_type="g6.xlarge")
    assert price.price(OFFER.usd_per_hour) == Decimal("0.5")


@pytest.mark.parametrize(
    ("discount", "fits"),
    [
        (FIFTH, True),
        (replace(FIFTH, cloud="gcp"), False),
        (replace(FIFTH, covers="spot"), False),
        (replace(FIFTH, covers="all"), True),
        (replace(FIFTH, gpu="L4"), True),
        (replace(FIFTH, gpu="H100"), False),
        (replace(FIFTH, instance_type="g6.*"), True),
        (replace(FIFTH, instance_type="g5.*"), False),
        (replace(FIFTH, region="us-*"), True),
        (replace(FIFTH, region="eu-*"), False),
    ],
)
def test_discount_fits_what_it_names(discount: Discount, fits: bool) -> None:
    assert discount.fits(OFFER) is fits


def test_commitments_do_not_cover_spot_unless_they_say_so() -> None:
    assert discount_of(replace(OFFER, spot=True), [FIFTH]) is None


def test_first_that_fits_holds_and_discounts_do_not_add_up() -> None:
    tenth = Discount("aws", off=Decimal("0.1"), gpu="L4")
    assert discount_of(OFFER, [tenth, FIFTH]) is tenth
    assert discount_of(replace(OFFER, gpu="T4"), [tenth, FIFTH]) is FIFTH


def test_discount_in_words() -> None:
    assert str(FIFTH) == "20 % on aws on-demand"
    assert (
        str(replace(FIFTH, off=Decimal("0.125"), gpu="L4", region="us-*"))
        == "12.5 % on aws on-demand L4 in us-*"
    )
