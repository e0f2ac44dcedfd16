import json
import os
import subprocess
import sys
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from launcher.format import brief, count, duration, level, money, plain, rate, size
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


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "?"),
        ("0", "$0.00"),
        ("0.0012", "$0.0012"),
        ("0.5", "$0.50"),
        ("0.125", "$0.1250"),
        ("0.99996", "$1.00"),
        ("1", "$1.00"),
        ("1234.56", "$1,234.56"),
        ("-0.31", "-$0.31"),
        ("0.00003456", "$0.000035"),
    ],
)
def test_money_reads_as_people_write_it(amount: str | None, text: str) -> None:
    assert money(None if amount is None else Decimal(amount)) == text


@given(st.decimals("0.000000000001", "1000000", places=12))
def test_money_is_never_shown_as_nothing(amount: Decimal) -> None:
    assert Decimal(money(amount).replace("$", "").replace(",", "")) > 0


@given(st.decimals("-1000000", "1000000", places=12))
def test_money_is_shown_to_half_a_cent_or_closer(amount: Decimal) -> None:
    shown = Decimal(money(amount).replace("$", "").replace(",", ""))
    assert abs(shown - amount) <= Decimal("0.005")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "?"),
        (0, "0 s"),
        (0.04, "0.04 s"),
        (0.4, "0.4 s"),
        (42, "42 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3_599.6, "1 h"),
        (8_040, "2 h 14 min"),
        (500_000, "5 d 19 h"),
        (-61, "-1 min 1 s"),
    ],
)
def test_a_duration_is_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "?"),
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (999_999, "1.0 MB"),
        (1_234_567_890, "1.2 GB"),
    ],
)
def test_a_size_is_in_decimal_units(amount: int | None, text: str) -> None:
    assert size(amount) == text


@pytest.mark.parametrize(("n", "text"), [(None, "?"), (1_234_567, "1,234,567"), (2.6, "3")])
def test_a_count_has_its_thousands_apart(n: float | None, text: str) -> None:
    assert count(n) == text


@pytest.mark.parametrize(("speed", "text"), [(None, "?"), (1_496.4, "1,496 tok/s"), (3.14, "3.1 tok/s")])
def test_a_rate_is_in_whole_tokens_from_ten_on(speed: float | None, text: str) -> None:
    assert rate(speed) == text


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0"), (0.5, "0.5"), (950, "950"), (1_200, "1.2k"), (999_999, "1M"), (3.2e9, "3.2B")]
)
def test_a_brief_number_fits_beside_an_axis(n: float, text: str) -> None:
    assert brief(n) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0, "$0"), (0.0015, "$0.0015"), (0.000004, "$0.000004"), (0.625, "$0.625"), (1.25, "$1.25"), (20, "$20"),
        (250, "$250"), (999.9, "$1000"), (1500, "$1.5k"),
    ],
)  # fmt: skip
def test_a_level_of_dollars_is_never_zero_for_something(usd: float, text: str) -> None:
    assert level(usd) == text


def test_text_from_outside_cannot_move_the_cursor() -> None:
    assert plain("a\x1b[2Jb\nc\u202ed") == "a�[2Jb�c�d"


def test_letters_of_every_script_are_kept() -> None:
    assert plain("naïve 評論 обзор") == "naïve 評論 обзор"


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


def test_importing_show_does_not_import_rich() -> None:
    code = "import sys, launcher.reports.terminal.report, launcher.reports.html.report; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
