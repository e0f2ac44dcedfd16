"""Local zones by their own names, wherever a plan names places."""

from datetime import date
from html import unescape

import pytest
from rich.console import Console

from launcher.planning.saved.saved_plan import SavedPlan
from launcher.reports.html.plan_page.plan import plan_page
from launcher.reports.plan_markdown import plan_md
from launcher.reports.plans.place_names import place_names
from launcher.reports.plans.price_notes import old_price_lines
from launcher.reports.terminal.plans.plan import plan_text
from launcher.reports.terminal.plans.plan_screen import plan_screen
from tests.support import sample_plan

ZONE = "us-west-2-lax-1a"


def zoned() -> SavedPlan:
    """The sample plan, all of it in a local zone of us-west-2, at a price of last year."""
    body = sample_plan.plan()
    group, kind = body["lots"][0], body["kinds"][0]
    where = {"region": "us-west-2", "zone": "usw2-lax1-az1"}
    group["regions"] = ["us-west-2"]
    group["places"] = [place | where | {"price_as_of": "2025-01-01"} for place in group["places"][:1]]
    return sample_plan.saved(lots=[group], kinds=[kind | where | {"cloud": "aws"}])


@pytest.fixture
def plan() -> SavedPlan:
    return zoned()


def test_terminal_page_and_markdown_name_the_zone_and_never_the_region_as_the_place(plan: SavedPlan) -> None:
    console = Console(width=200, record=True, quiet=False, file=None, force_terminal=False)
    with console.capture() as whole:
        console.print(plan_text(plan))
    with console.capture() as screen:
        console.print(plan_screen(plan))
    text = whole.get()
    chosen, alone = (
        line
        for line in text.splitlines()
        if f"aws {ZONE}" in line and "x L4" in line and "old price" not in line
    )
    assert ("spot" in chosen, "spot" in alone) == (True, True)
    assert f"aws {ZONE}, spot" in screen.get()
    html = unescape(plan_page(plan))
    assert html.count(ZONE) >= 2
    assert f"aws {ZONE}" in plan_md(plan)
    assert any(f"on aws {ZONE} is" in line for line in old_price_lines(plan))


def test_a_region_with_machines_of_its_own_and_of_a_local_zone_is_two_places(plan: SavedPlan) -> None:
    (group,) = plan.lots
    place = group.places[0]
    assert place.price_as_of == date(2025, 1, 1)
    both = sample_plan.plan()["lots"][0]
    both |= {"regions": ["us-west-2", "us-east-1"]}
    both["places"] = [
        both["places"][0] | {"region": "us-west-2", "zone": zone}
        for zone in ("usw2-lax1-az1", None, "usw2-az1")
    ]
    found = sample_plan.saved(lots=[both]).lots[0]
    assert place_names(found) == [ZONE, "us-west-2", "us-east-1"]
