"""Places of a plan in words."""

import pytest

from launcher.reports.terminal.plans.plan_words import place_text, region_text
from tests.support import sample_plan


def test_local_zone_is_not_named_as_the_region_that_it_belongs_to() -> None:
    body = sample_plan.plan()
    group = body["lots"][0]
    group["regions"] = ["us-west-2"]
    for place in group["places"]:
        place |= {"region": "us-west-2", "zone": "usw2-lax1-az2"}
    assert place_text(sample_plan.saved(lots=[group]).lots[0]).startswith("aws us-west-2-lax-1b, ")
    for place in group["places"]:
        place["zone"] = "usw2-az2"
    assert place_text(sample_plan.saved(lots=[group]).lots[0]).startswith("aws us-west-2, ")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("British Columbia, CA, NA", "British Columbia"),
        ("The Netherlands, NL, EU", "The Netherlands, NL, EU"),
        ("northamerica-northeast2", "northamerica-northeast2"),
    ],
)
def test_long_region_is_cut_between_words_where_it_has_them(name: str, shown: str) -> None:
    assert region_text(name) == shown
