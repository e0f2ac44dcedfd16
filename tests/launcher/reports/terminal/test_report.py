import os
import subprocess
import sys
from dataclasses import replace
from io import StringIO

from rich.console import Console

from launcher.ledger.records import CORPUS_EVENT
from launcher.reports.document import ReportDocument, ReportEvent
from launcher.reports.terminal.report import report_text
from tests.support import sample_report
from tests.support.paths import GOLDEN

WIDTH, LINES = 100, 40  # a terminal


def printed(report: ReportDocument, width: int = WIDTH) -> str:
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(report_text(report))
    assert isinstance(console.file, StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def test_text_is_the_golden_one() -> None:
    text, golden = printed(sample_report.document()), GOLDEN / "report.txt"
    if os.environ.get("EMBEDFLEET_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_text_without_a_plan_fits_one_screen() -> None:
    unknown = tuple(f"figure {i}: it was not measured" for i in range(50))
    report = replace(sample_report.document(), unknown=unknown, waterfall=None, instead=())
    lines = printed(report).splitlines()
    assert len(lines) <= LINES
    assert max(len(line) for line in lines) <= WIDTH


def test_names_in_brackets_are_not_taken_for_colours() -> None:
    assert "[red]run[/]" in printed(replace(sample_report.document(), name="[red]run[/]"))


def test_importing_the_page_does_not_import_rich() -> None:
    code = "import sys, launcher.reports.html.report; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_failed_rows_are_the_least_number_where_damage_hides_more() -> None:
    document = sample_report.document()
    assert "at least" not in printed(document)
    found = printed(replace(document, work=replace(document.work, cut_short=1)), width=200)
    assert "at least 5 failed rows" in found


def test_what_is_odd_about_the_corpus_has_a_line() -> None:
    document = sample_report.document()
    odd = ReportEvent(document.created, CORPUS_EVENT, "ids are not unique")
    assert "Corpus" not in printed(document)
    assert "Corpus  ids are not unique" in printed(replace(document, events=(odd,)))
