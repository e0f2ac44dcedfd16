from dataclasses import replace
from decimal import Decimal

from launcher.reports.lists.run_comparison import compare_runs
from launcher.reports.terminal.run_comparison import compare_text
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
