from typing import Any

from launcher.planning.saved.plan_diff import diff_plans
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.reports.plan_markdown import diff_md, plan_md
from tests.support import sample_plan

EVIL = "<img src=x onerror=alert(1)> | `x` [a](b)"


def renamed(name: str) -> SavedPlan:
    body = sample_plan.plan()
    body["work"]["job"]["name"] = name
    return sample_plan.saved(work=body["work"])


def dearer() -> SavedPlan:
    totals: dict[str, Any] = sample_plan.plan()["totals"]
    return sample_plan.saved(totals=totals | {"usd": {"p10": "70", "p50": "90.25", "p90": "140"}})


def test_plan_begins_with_dollars_and_time() -> None:
    text = plan_md(sample_plan.saved())
    assert text.startswith("### embedfleet plan: reviews\n")
    assert "**$80.25** ($60.50 to $131.00), 3 h (2 h 6 min to 5 h 12 min)" in text


def test_plan_lists_its_machines_and_warns() -> None:
    text = plan_md(sample_plan.saved())
    assert "| 8 x L4, spot | aws us-east-1 | 20 | $0.2970 |" in text
    assert "- not priced: egress: set corpus.region and output.region in the job file" in text
    assert "- truncation loses 0.0 % of the tokens, in 500 documents" in text


def test_local_plan_without_a_price_says_so() -> None:
    text = plan_md(sample_plan.saved_local())
    assert "the cost is not known" in text
    assert "| this machine | here |" in text


def test_foreign_names_stay_text() -> None:
    text = plan_md(renamed(EVIL))
    assert "<img" not in text
    assert r"\[a\]\(b\)" in text


def test_difference_begins_with_what_it_costs_more() -> None:
    text = diff_md(diff_plans(sample_plan.saved(), dearer()))
    assert text.startswith("### embedfleet plan: $10.00 more (+12.5 %)\n")
    assert "| dollars, P50 | $80.25 | $90.25 | +$10.00 | +12.5 % |".replace("+", "\\+") in text


def test_equal_plans_change_nothing() -> None:
    text = diff_md(diff_plans(sample_plan.saved(), sample_plan.saved()))
    assert text.startswith("### embedfleet plan: nothing changes")


def test_changed_work_is_folded_and_escaped() -> None:
    text = diff_md(diff_plans(sample_plan.saved(), renamed(EVIL)))
    assert "<img" not in text
