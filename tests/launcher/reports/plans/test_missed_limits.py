"""What misses the deadline or the budget at P90 is marked, in words and in the tables."""

from dataclasses import replace
from decimal import Decimal

import pytest

from launcher.jobs.job import JobLimits, load
from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_plan import HoursQuantiles, UsdQuantiles
from launcher.reports.html.plan_page.plan import plan_page
from launcher.reports.plans.missed_limits import missed_limits
from launcher.reports.terminal.plans.plan_tables import types_table
from tests.support import sample_plan
from tests.support.screens import printed

PLAN = plan_file.read_recorded(sample_plan.plan())
KIND = replace(
    PLAN.kinds[0], hours=HoursQuantiles(1.0, 2.0, 4.0), usd=UsdQuantiles(Decimal(5), Decimal(8), Decimal(12)), unpriced={}
)  # fmt: skip


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (JobLimits(), ""),
        (JobLimits(deadline_hours=4.0, budget=Decimal(12)), ""),
        (JobLimits(deadline_hours=3.9), "late"),
        (JobLimits(budget=Decimal("11.9")), "over budget"),
        (JobLimits(deadline_hours=1.5, budget=Decimal(1)), "late, over budget"),
    ],
)
def test_what_is_missed_at_p90_is_said(limits: JobLimits, expected: str) -> None:
    assert missed_limits(PLAN, limits, KIND) == expected


def test_parts_without_a_price_count_for_the_budget() -> None:
    limits = JobLimits(budget=Decimal(13))
    assert missed_limits(PLAN, limits, replace(KIND, unpriced={"egress": Decimal("1.1")})) == "over budget"
    assert missed_limits(PLAN, limits, replace(KIND, unpriced={"egress": None})) == ""


def test_tables_of_types_mark_the_late_ones() -> None:
    hours = load(PLAN.work.job).limits.deadline_hours
    assert hours
    slow = replace(KIND, hours=HoursQuantiles(hours, hours, hours * 1.01))
    for kind, marked in ((KIND, False), (slow, True)):
        plan = replace(PLAN, kinds=(kind,))
        assert ("(late)" in printed(types_table(plan), 120)) == marked
        section = plan_page(plan).split("Every machine alone")[1]
        assert ("late" in section.split("</table>")[0]) == marked
