from decimal import Decimal
from typing import Any

from launcher.format import money
from launcher.planning.saved import plan_file
from launcher.reports.terminal.plans.plan import plan_text
from launcher.reports.terminal.plans.plan_tables import SHOWN_FLEETS
from tests.support import sample_plan
from tests.support.screens import printed


def lines(plan: dict[str, Any] | None = None) -> list[str]:
    return printed(plan_text(plan_file.read_recorded(plan or sample_plan.plan()))).splitlines()


def test_same_weights_hosted_come_first() -> None:
    text = " ".join(lines())
    assert text.startswith(
        "BETTER: apt same-embed in batches (the same weights) costs $60.18 for certain, this fleet $80.25 (P90 $131.00,"
    )
    assert text.index("reviews-1a2b3c4d: ") < text.index("note: Not clear: someone other-embed")


def test_smaller_models_are_footnotes() -> None:
    plan = sample_plan.plan()
    plan["hosted"][1] |= {"relation": "smaller"}
    text = " ".join(lines(plan))
    assert (
        "note: a smaller model, someone small-embed (size and quality unknown), costs $30.09: other vectors"
        in text
    )
    assert "small-embed" not in text[: text.index("reviews-1a2b3c4d: ")]


def test_totals_have_p10_and_p90() -> None:
    head = "3 h and $80.25 (2 h 6 min to 5 h 12 min, $60.50 to $131.00: P10 to P90); $0.0267 per 1M tokens"
    assert head in lines()


def test_items_without_a_price_are_named() -> None:
    assert "not in the dollars: storage, egress" in lines()


def test_dollars_that_lack_a_price_are_called_the_least() -> None:
    plan = sample_plan.plan()
    plan["totals"]["items"] |= {"egress": "85.83"}
    plan["totals"]["unpriced"] = {"egress": "317", "storage": None}
    plan["kinds"][0]["unpriced"] = plan["alternatives"][0]["unpriced"] = {"egress": "317"}
    shown = lines(plan)
    assert "not in the dollars: storage, part of egress (at most $317.00)" in shown
    assert any(line.startswith("3 h and at least $80.25") for line in shown)
    assert sum("$80.25 - 397.25" in line for line in shown) == 1  # an alternative
    assert sum("$82.00 - 399.00" in line for line in shown) == 1  # a machine type alone
    assert sum(line.startswith("Dollars from - to: without what has no price") for line in shown) == 1


def test_tables_without_ranges_do_not_explain_them() -> None:
    plan = sample_plan.plan()
    plan["kinds"][0]["unpriced"] = {"egress": None, "disk": "1"}
    shown = lines(plan)
    assert any("≥ $82.00" in line for line in shown)
    assert not any(line.startswith("Dollars from - to") for line in shown)


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
    assert "truncation cuts 500 documents and loses 40 % of the tokens" in text  # of an older plan
    assert "50 % of the tokens are in texts that repeat close by: these are embedded once" in text


def test_much_truncation_is_a_warning_with_the_line_to_paste() -> None:
    plan = sample_plan.plan()
    warning = {
        "share": 0.4,
        "chunk": "chunk: {tokens: 256, by: sentences}",
        "tokens": 105,
        "usd": "1.5",
        "hours": 2.0,
    }
    plan["profile"] |= {"tokens": 60, "tokens_cut": 40, "truncation": warning}
    text = " ".join(lines(plan))
    assert "truncation leaves out 40 % of the tokens" in text
    assert "chunk: {tokens: 256, by: sentences} (about 105 tokens, $1.50, 2 h)" in text
    assert "truncation cuts 500 documents" not in text


def test_quota_and_prices_are_footnotes() -> None:
    text = "\n".join(lines())
    assert (
        "quota to ask for: 8 x L4 aws us-east-1 spot = 32 vCPUs; 1 x H100 gcp europe-north1 spot (how long"
        in text
    )
    assert "prices: the oldest of 2026-02-01" in text


def test_prices_without_a_date_are_never_called_fresh() -> None:
    plan = sample_plan.plan()
    for place in plan["lots"][0]["places"]:
        place |= {"price_as_of": None, "quoted_usd_per_hour": place["usd_per_hour"]}
    assert "prices: the oldest of 2026-02-01; those of the chosen machines have no date" in "\n".join(
        lines(plan)
    )
    plan["prices_as_of"] = None
    assert "prices: none has a date, so their age is unknown" in "\n".join(lines(plan))


def test_columns_of_words_are_not_crushed_on_80_columns() -> None:
    plan = sample_plan.plan()
    plan["lots"][0] |= {
        "regions": ["Sichuan, CN, AS"],
        "tokens_per_second": 548_450.0,
        "capacity": {"gpus": 8, "assumed": True, "source": "one host"},
    }
    text = printed(plan_text(plan_file.read_recorded(plan)), width=80)
    table = text[text.index("chosen") : text.index("P10 to P90")]
    assert max(map(len, table.splitlines())) <= 80
    for word in ("chosen", "places", "machines", "tokens", "Sichuan,"):
        assert word in table


def test_what_is_saved_of_texts_that_repeat_is_told_by_what_the_job_asks_for() -> None:
    repeats = {
        "texts": 100,
        "of_texts": {"mid": 0.2, "low": 0.2, "high": 0.2},
        "of_characters": {"mid": 0.1, "low": 0.1, "high": 0.1},
    }
    plan = sample_plan.plan()
    plan["profile"]["repeats"] = repeats
    assert "a worker embeds once only those close to each other" in " ".join(lines(plan))
    plan["work"]["job"]["deduplicate"] = "corpus"
    compute = Decimal(plan["totals"]["items"]["compute"])
    assert f"saves about {money(compute / 10)}; the tokens and dollars of this plan are the most" in " ".join(
        lines(plan)
    )
    del plan["profile"]["repeats"]
    assert "--count-repeats says how many repeat" in " ".join(lines(plan))
