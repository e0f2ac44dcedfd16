import json
import os
from io import StringIO
from typing import Any

from rich.console import Console

from launcher.reports.terminal.report import compare, report_text, shares
from tests.support.paths import GOLDEN

WIDTH, LINES = 100, 40  # a terminal


def report() -> dict[str, Any]:
    """The report that test_report keeps."""
    return json.loads((GOLDEN / "report.json").read_text())


def printed(sample: dict[str, Any], width: int = WIDTH) -> str:
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(report_text(sample))
    assert isinstance(console.file, StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def test_the_report_on_a_terminal_is_the_golden_one() -> None:
    text, golden = printed(report()), GOLDEN / "report.txt"
    if os.environ.get("EMBEDFLEET_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_the_report_fits_one_screen() -> None:
    lines = printed(report() | {"unknown": [f"figure {i}: nobody knows" for i in range(50)]}).splitlines()
    assert len(lines) <= LINES
    assert max(len(line) for line in lines) <= WIDTH


def test_names_in_brackets_are_not_taken_for_colours() -> None:
    assert "[red]run[/]" in printed(report() | {"name": "[red]run[/]"})


def test_a_figure_above_its_p90_says_so() -> None:
    dollars = next(row for row in compare(report()) if row.label == "Dollars")
    assert dollars.difference == "+81.7 %, above P90"


def test_a_figure_below_its_p10_says_so() -> None:
    sample = report()
    sample["actual"]["hours"] = 0.1
    assert next(row for row in compare(sample) if row.label == "Time").difference == "-60.0 %, below P10"


def test_a_figure_that_was_not_planned_has_no_difference() -> None:
    sample = report()
    sample["plan"]["tokens"] = None
    tokens = next(row for row in compare(sample) if row.label == "Tokens")
    assert (tokens.planned, tokens.difference) == ("?", "")


def test_a_total_that_is_known_in_part_says_how_much() -> None:
    sample = report()
    sample["spend"]["total"] = None
    assert "? (known: $0.4725)" in printed(sample)


def test_the_parts_come_in_one_order() -> None:
    order = ["useful", "lost", "cold_start", "waiting", "idle", "teardown"]
    assert [share.part for share in shares(report())] == order
