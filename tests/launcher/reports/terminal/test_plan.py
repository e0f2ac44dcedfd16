from typing import Any

from launcher.planning import plan_file
from launcher.reports.terminal.plan import SHOWN_FLEETS, plan_text
from tests.support import sample_plan
from tests.support.screens import printed


def lines(plan: dict[str, Any] | None = None) -> list[str]:
    return printed(plan_text(plan_file.read_recorded(plan or sample_plan.plan()))).splitlines()


def test_what_is_cheaper_comes_first() -> None:
    text = " ".join(lines())
    assert text.startswith(
        "CHEAPER: someone small-embed in batches does it for $30.09, this fleet for $80.25"
    )
    assert "; from 9B tokens a month this fleet is cheaper" in text


def test_totals_have_p10_and_p90() -> None:
    head = "3 h and $80.25 (2 h 6 min to 5 h 12 min, $60.50 to $131.00: P10 to P90); $0.0267 per 1M tokens"
    assert head in lines()


def test_items_without_a_price_are_named() -> None:
    assert "not in the dollars: storage, egress" in lines()


def test_plan_of_unknown_cost_has_a_question_mark() -> None:
    assert "3 h (2 h 6 min to 5 h 12 min: P10 to P90), dollars: ?" in lines(sample_plan.local())


def test_plan_for_this_machine_names_it() -> None:
    assert any(line.startswith("this machine  here") for line in lines(sample_plan.local()))


def test_of_many_alternatives_the_first_are_shown_and_the_rest_counted() -> None:
    plan = sample_plan.plan()
    plan["alternatives"] *= 5
    assert f"and {10 - SHOWN_FLEETS} more in --json" in lines(plan)


def test_truncation_and_repeated_texts_are_shares_of_the_tokens() -> None:
    plan = sample_plan.plan()
    plan["profile"] |= {"tokens": 60, "tokens_cut": 40, "tokens_repeated": 30}
    text = "\n".join(lines(plan))
    assert "truncation cuts 500 documents and loses 40% of the tokens" in text
    assert "about 50% of the tokens are in texts that repeat close by: these are embedded once" in text


def test_quota_and_prices_are_footnotes() -> None:
    text = "\n".join(lines())
    assert "quota to ask for: 8 x L4 aws us-east-1 spot; 1 x H100 gcp europe-north1 spot" in text
    assert "prices: the oldest of 2026-02-01" in text
