"""A misspelt name of a job that would shrink the market, or lose a discount, without a word."""

from decimal import Decimal
from typing import Any

import pytest

from launcher.jobs.job import DeclaredCorpus, Job, JobLimits
from launcher.planning.offers.unmatched import near_region, unmatched_names
from pricing.account.discounts import Discount
from pricing.book.price_book import load

OFFERS = load()
TWENTY = Decimal("0.2")


def job(discounts: tuple[Discount, ...] = (), **limits: Any) -> Job:
    return Job("j", DeclaredCorpus(1, ((1.0, 1.0),)), "hash", limits=JobLimits(**limits), discounts=discounts)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"regions": ("us-east-1", "us-*", "*")}, ()),
        (
            {"regions": ("us-wst-2",)},
            ("limits.regions us-wst-2: no offer is there; did you mean us-west-2?",),
        ),
        (
            {"regions": ("us-est-1",)},
            ("limits.regions us-est-1: no offer is there; did you mean us-east-1 or us-west-1?",),
        ),
        (
            {"regions": ("us-east-1",), "clouds": ("gcp",)},
            ("limits.regions us-east-1: no offer is there; did you mean us-east1?",),
        ),
        ({"regions": ("zz-*",)}, ("limits.regions zz-*: no offer is there",)),
        ({"opt_in": ("*",)}, ()),
        ({"opt_in": ("us-west-2-lax-*",)}, ()),
        (
            {"opt_in": ("us-west-2-lxa-1",)},
            ("limits.opt_in us-west-2-lxa-1: no offer is there; did you mean us-west-2-lax-1?",),
        ),
    ],
)
def test_pattern_that_fits_no_offer_is_named_with_what_was_meant(
    limits: dict[str, Any], said: tuple[str, ...]
) -> None:
    assert unmatched_names(job(**limits), OFFERS) == said


def test_discount_that_fits_no_offer_is_named() -> None:
    discounts = (
        Discount("aws", off=TWENTY),
        Discount("aws", off=TWENTY, region="us-wst-2"),
        Discount("aws", off=TWENTY, instance_type="g6x.*"),
    )
    assert unmatched_names(job(discounts), OFFERS) == (
        "discounts[1] (20 % on aws on-demand in us-wst-2): fits no offer; did you mean us-west-2?",
        "discounts[2] (20 % on aws on-demand g6x.*): fits no offer",
    )


def test_region_that_fits_has_no_other_that_was_meant() -> None:
    assert near_region("us-west-2", OFFERS) is None
    assert near_region("us-wst-2", OFFERS) == "us-west-2"
