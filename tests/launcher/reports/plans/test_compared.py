"""What was chosen beside other ways, in words: the verdict, and the chance where something has no price."""

from typing import Any

import pytest

from launcher.reports.plans.compared import like_with_like, short_headlines
from tests.support import sample_plan


def headline(usd: str, **changes: Any) -> str:
    """The line of an API beside the fleet of the sample plan: $80.25, P90 $131, mean $88.50, egress without a price."""
    way = sample_plan.compared("api", "same weights", usd, better=False) | changes
    return short_headlines(sample_plan.saved(compared=[way]))[0].text


@pytest.mark.parametrize(
    ("usd", "changes", "verdict", "chance"),
    [
        ("256", {"better": False, "chance": 1.0, "chance_least": 1.0}, "Not better", "of more than 99 %"),
        ("120", {"better": False, "chance": 0.85, "chance_least": 0.7}, "Not better", "of 70 to 85 %"),
        ("100", {"better": True, "chance": 0.7, "chance_least": 0.4}, "Not clear", "of 40 to 70 %"),
        ("60", {"better": True, "chance": 0.2, "chance_least": 0.1}, "BETTER", "of 10 to 20 %"),
        ("256", {"better": False, "chance": 1.0, "chance_least": 0.4}, "Not better", "of at least 40 %"),
        ("100", {"better": True, "chance": 0.7, "chance_least": 0.0}, "Not clear", "of at most 70 %"),
        ("256", {"better": False, "chance": 1.0}, "Not clear", "an unknown chance"),
        ("256", {"better": False, "chance": 0.7}, "Not clear", "of at most 70 %"),
    ],
)
def test_verdict_and_chance_hold_the_bound_of_what_has_no_price(
    usd: str, changes: dict[str, Any], verdict: str, chance: str
) -> None:
    said = headline(usd, **changes)
    assert said.startswith(f"{verdict}: api")
    assert f"{chance} that it is cheaper" in said
    assert "at least $80.25" in said


@pytest.mark.parametrize(
    ("unpriced", "said"),
    [
        (
            {"egress": "17", "disk": "1", "storage": None},
            "costs up to $18.00 more than that: egress not priced",
        ),
        ({"egress": None, "disk": "1"}, "costs more than that: egress not priced"),
    ],
)
def test_bounds_are_added_up_where_each_part_has_one(unpriced: dict[str, str | None], said: str) -> None:
    totals = sample_plan.plan()["totals"] | {"unpriced": unpriced}
    way = sample_plan.compared("api", "same weights", "60", better=True)
    assert said in like_with_like(sample_plan.saved(totals=totals, compared=[way]))[0].text
