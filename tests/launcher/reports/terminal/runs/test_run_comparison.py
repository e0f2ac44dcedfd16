import re
from dataclasses import replace
from decimal import Decimal

from launcher.documents.drift import DriftDocument
from launcher.reports.lists.run_comparison import compare_runs
from launcher.reports.terminal.runs.run_comparison import compare_text
from tests.support import sample_report
from tests.support.screens import printed


def test_figures_and_parts_are_side_by_side() -> None:
    one = sample_report.document()
    other = replace(one, run="other", actual=replace(one.actual, usd=Decimal("0.4674"), hours=0.2))
    text = printed(compare_text(compare_runs(one, other)))
    rows = {line.split("  ")[0]: line.split("  ")[1:] for line in text.splitlines()}
    assert [cell.strip() for cell in rows["usd"] if cell] == ["$0.2337", "$0.4674", "+100.0 %"]
    assert [cell.strip() for cell in rows["hours"] if cell] == ["8 min 43 s", "12 min", "+37.7 %"]
    assert [cell.strip() for cell in rows["useful"] if cell] == ["$0.1349", "$0.1349"]


def test_unknown_dollars_are_noted() -> None:
    one = sample_report.document()
    other = replace(one, spend=replace(one.spend, total=None))
    note = "of one of them not all dollars are known: what is known is shown"
    assert note in printed(compare_text(compare_runs(one, other)))
    assert note not in printed(compare_text(compare_runs(one, one)))


def test_part_of_which_no_dollar_is_known_is_not_nothing() -> None:
    one = sample_report.document()
    nothing = replace(one.spend.known, useful=Decimal(0))
    other = replace(
        one, actual=replace(one.actual, usd=None), spend=replace(one.spend, total=None, known=nothing)
    )
    text = printed(compare_text(compare_runs(one, other)))
    assert re.search(r"useful +\$0\.1349 +\? *$", text, re.MULTILINE)


def test_rows_that_were_not_compared_are_counted() -> None:
    one = sample_report.document()
    drift = DriftDocument(
        anchors=20,
        other_tokens=10,
        dimensions_one=32,
        dimensions_other=32,
        least_cosine=1.0,
        median_cosine=1.0,
        below=0.0,
        centroid_shift=0.0,
        rank_overlap=1.0,
        same_model=None,
        verdict="same",
    )
    text = printed(compare_text(compare_runs(one, one, drift)))
    assert "Vectors, by 20 rows of both: the same vectors" in text
    assert "of 10 rows of both the model read other tokens" in text
    none = printed(
        compare_text(
            compare_runs(one, one, replace(drift, anchors=30, other_tokens=30, verdict="other texts"))
        )
    )
    assert "this says nothing of the vectors" in " ".join(none.split())
    assert "of 30 rows of both" not in none
