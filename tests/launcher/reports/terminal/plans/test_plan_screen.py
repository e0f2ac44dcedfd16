"""The plan on one screen: what it has, and that it fits 30 lines of 100 columns."""

import os
from typing import Any

import pytest

from launcher.planning.saved import plan_file
from launcher.reports.terminal.plans.plan_screen import plan_screen
from tests.support import sample_plan
from tests.support.paths import ROOT
from tests.support.screens import printed

GOLDEN = ROOT / "tests" / "golden" / "plan-screen.txt"
STEERED = ROOT / "tests" / "golden" / "plan-screen-steered.txt"

MOST_LINES, COLUMNS = 30, 100
UPLOAD = {
    "paths": ["corpus.path", "output.path"],
    "bytes": 10**9,
    "usd_per_month": "0.023",
    "command": "aws s3 sync /home/ann/in s3://BUCKET/reviews/corpus",
    "settings": ["corpus.path: s3://BUCKET/reviews/corpus", "output.path: s3://BUCKET/reviews/vectors"],
}


def screen(plan: dict[str, Any] | None = None, width: int = COLUMNS) -> str:
    return printed(plan_screen(plan_file.read_recorded(plan or sample_plan.plan())), width)


def stuffed() -> dict[str, Any]:
    """A plan with more of everything than a screen holds."""
    plan = sample_plan.plan()
    plan["lots"] *= 4
    plan["alternatives"] *= 9
    plan["binding"] = [f"limit {n} keeps a cheaper fleet out, for {'long ' * 60}reasons" for n in range(7)]
    plan["not_priced"] *= 20
    plan["upload"] = UPLOAD
    plan["profile"] |= {"tokens": 60, "tokens_cut": 40, "tokens_repeated": 30, "bad_rows": 9}
    plan["compared"][0]["name"] = "provider " * 14
    return plan


def test_the_screen_is_as_reviewed() -> None:
    if os.environ.get("EMBEDFLEET_GOLDEN"):
        GOLDEN.write_text(screen(), encoding="utf-8")
    assert screen() == GOLDEN.read_text(encoding="utf-8")


def test_the_screen_of_a_steered_plan_is_as_reviewed() -> None:
    found = screen(sample_plan.steered())
    if os.environ.get("EMBEDFLEET_GOLDEN"):
        STEERED.write_text(found, encoding="utf-8")
    assert found == STEERED.read_text(encoding="utf-8")


def stuffed_and_steered() -> dict[str, Any]:
    """The same, steered, with a long name of everything that may be rented."""
    plan, steered = stuffed(), sample_plan.steered()
    plan["work"]["job"]["limits"] = steered["work"]["job"]["limits"]
    plan["steering"] = steered["steering"]
    plan["steering"]["assumes"] = [f"something {'long ' * 60}is true"]
    return plan


@pytest.mark.parametrize(
    "plan",
    [sample_plan.plan(), sample_plan.local(), stuffed(), sample_plan.steered(), stuffed_and_steered()],
)
def test_it_fits_30_lines_of_100_columns(plan: dict[str, Any]) -> None:
    lines = screen(plan).splitlines()
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= COLUMNS


def test_the_same_model_is_the_headline_and_another_only_a_note() -> None:
    plan = sample_plan.plan()
    plan["compared"][1]["better"] = True
    first, *rest = screen(plan).splitlines()
    assert first.startswith("BETTER: apt same-embed in batches (the same weights) costs $60.18, this fleet")
    (note,) = [line for line in rest if "other-embed" in line]
    assert note.startswith(
        "note: another model of its size class, someone other-embed (568M parameters, quality"
    )


def test_headline_says_the_difference_and_the_chance() -> None:
    first = " ".join(screen().split("reviews-1a2b3c4d", 1)[0].split())
    assert first.endswith("$80.25 (P90 $131.00): $20.07 more, a chance of at most 19 % that it is cheaper")


def test_without_the_same_model_the_headline_says_so() -> None:
    plan = sample_plan.plan()
    plan["compared"], plan["hosted"] = plan["compared"][1:], plan["hosted"][1:]
    first, *rest = screen(plan).splitlines()
    assert first == "No hosted API with a known price serves these weights."
    assert any(line.startswith("note: another model of its size class, someone other-embed") for line in rest)


def test_hosted_weights_are_named_where_what_was_chosen_has_no_price() -> None:
    plan = sample_plan.local()
    plan["compared"], plan["hosted"] = [], sample_plan.plan()["hosted"]
    assert screen(plan).splitlines()[0] == (
        "apt same-embed (the same weights) costs $60.18; what this machine costs is not known."
    )
    plan["work"]["model"] = "hash"
    assert screen(plan).startswith("reviews-1a2b3c4d: ")


def test_old_spot_prices_are_a_warning() -> None:
    plan = sample_plan.plan()
    for group in plan["lots"]:
        for place in group["places"]:
            place["price_as_of"] = "2026-01-01"
    text = " ".join(screen(plan).split())
    assert "is 59 days old, and spot prices hold for 14" in text
    assert "embedfleet prices refresh" in text


def test_the_upload_has_its_command_and_its_cost() -> None:
    text = " ".join(screen(sample_plan.plan() | {"upload": UPLOAD}).split())
    assert "this plan can be launched only after an upload (1.0 GB, $0.0230 a month to store)" in text
    assert "aws s3 sync /home/ann/in s3://BUCKET/reviews/corpus; then set corpus.path: s3://BUCKET" in text
    here = " ".join(screen(sample_plan.local() | {"upload": UPLOAD}).split())
    assert "they could be rented only after an upload" in here


def test_unknown_dollars_are_a_question_mark() -> None:
    assert "cost        ? (local.usd_per_hour: " in screen(sample_plan.local())


def test_figures_of_a_steered_plan_are_those_of_the_steered_run() -> None:
    """The comparison, the line `expected` and the question before renting say the same; the planned fleet is last."""
    text = screen(sample_plan.steered())
    first = text.split("reviews-1a2b3c4d", 1)[0].replace("\n", " ")
    assert "the steered fleet at least $212.00 (P90 $268.00)" in first
    assert "expected at least $212.00 (P90 $268.00)" in text
    assert sample_plan.saved_steered().usd_p90 == 268
    assert "recommended" not in text
    assert text.index("static   21 machines, if all come: $80.25") > text.index("may rent")


def test_chance_of_the_planned_machines_alone_is_said_with_its_range_over_markets() -> None:
    plan = sample_plan.steered()
    plan["totals"] |= {"chance_late": 0.69, "chance_late_range": [0.3, 0.93]}
    assert "late in 69 of 100 runs (30 to 93 by market: P10 to P90)" in " ".join(screen(plan).split())


def test_storage_that_a_comparison_leaves_out_is_named() -> None:
    plan = sample_plan.steered()
    plan["totals"]["items"]["storage"] = "1.25"
    assert "cheaper; storage of $1.25 apart" in screen(plan).replace("\n", " ")
