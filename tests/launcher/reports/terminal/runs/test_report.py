import os
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from io import StringIO

from rich.console import Console

from launcher.costs.usage.spend import PARTS
from launcher.documents.truncation import truncation_of
from launcher.ledger.records import CORPUS_EVENT
from launcher.reports.document import ReportDocument, ReportEvent, StartStageTime
from launcher.reports.html.report_page.report import report_page
from launcher.reports.terminal.runs.report import report_text
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


def test_a_run_without_a_price_has_no_column_of_unknown_dollars() -> None:
    document = sample_report.document()
    spend = document.spend
    nothing = replace(spend.known, **dict.fromkeys([*PARTS, "total"], Decimal(0)))
    unknown = replace(spend, **dict.fromkeys([*PARTS, "total"]), known=nothing, others=())
    report = replace(document, spend=unknown)
    heading = next(line for line in printed(report).splitlines() if line.startswith("Machine time"))
    assert "dollars" not in heading
    page = report_page(report)
    assert "Where the time went" in page
    assert "Dollars</th>" not in page.partition("Where the time went")[2].partition("</section>")[0]
    assert "dollars" in next(
        line for line in printed(document).splitlines() if line.startswith("Machine time")
    )


def test_names_in_brackets_are_not_taken_for_colours() -> None:
    assert "[red]run[/]" in printed(replace(sample_report.document(), name="[red]run[/]"))


def test_importing_the_page_does_not_import_rich() -> None:
    code = "import sys, launcher.reports.html.report_page.report; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_failed_rows_are_the_least_number_where_damage_hides_more() -> None:
    document = sample_report.document()
    assert "at least" not in printed(document)
    found = printed(replace(document, work=replace(document.work, cut_short=1)), width=200)
    assert "at least 5 failed rows" in found


def test_start_of_the_workers_is_a_line_with_its_longest_stages() -> None:
    starts = (
        StartStageTime(stage="boot", workers=0, median_seconds=None, longest_seconds=None),
        StartStageTime(stage="setup", workers=1, median_seconds=40.0, longest_seconds=40.0),
        StartStageTime(stage="process", workers=2, median_seconds=1.0, longest_seconds=2.0),
        StartStageTime(stage="load", workers=2, median_seconds=30.0, longest_seconds=31.0),
        StartStageTime(stage="warm_up", workers=2, median_seconds=20.0, longest_seconds=21.0),
    )
    line = next(
        line
        for line in printed(replace(sample_report.document(), starts=starts)).splitlines()
        if "Start" in line
    )
    assert line == "Start  mostly boot ?, setup 40 s, load 30 s, warm-up 20 s, medians of 2 workers"
    assert "Start" not in printed(replace(sample_report.document(), starts=()))


def test_much_truncation_is_a_warning() -> None:
    document = sample_report.document()
    cut = truncation_of(1_000, 4_000, 256, usd=Decimal("0.10"))
    found = printed(replace(document, work=replace(document.work, truncation=cut)), width=200)
    assert "truncation leaves out 80 % of the tokens" in found
    assert "chunk: {tokens: 256, by: sentences} (about 5k tokens, $0.5037)" in found
    assert "truncation leaves" not in printed(document)
    page = report_page(replace(document, work=replace(document.work, truncation=cut)))
    assert "chunk: {tokens: 256, by: sentences}" in page


def test_what_is_odd_about_the_corpus_has_a_line() -> None:
    document = sample_report.document()
    odd = ReportEvent(document.created, CORPUS_EVENT, "ids are not unique")
    assert "Corpus  ids" not in printed(document)
    assert "Corpus  ids are not unique" in printed(replace(document, events=(odd,)))


def test_last_lines_say_where_the_vectors_are_and_how_to_read_them() -> None:
    document = sample_report.document()
    assert document.facts is not None
    last = printed(document, width=120).splitlines()[-6:]
    assert last[0].startswith("Output    s3://vectors/reviews; 1,206 vectors of 768 dimensions, float16")
    assert last[-1].endswith(document.facts.load)
    unknown = replace(document.facts, dimensions=None, command=None, versions={}, engine=None)
    assert "? dimensions" in printed(replace(document, facts=unknown), width=120)
    assert "Load" not in printed(replace(document, facts=None))  # a report of an earlier version
