"""The page's sections about money, of the history of a whole fleet."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from launcher.ledger.ledger import Ledger
from launcher.reports.assemble import report_of
from launcher.reports.document import ReportDocument
from launcher.reports.html.report_page.report import report_page
from launcher.reports.report_json import report_document
from launcher.reports.terminal.runs.report import report_text
from tests.support import ledger_history
from tests.support.html_reader import Reader
from tests.support.ledger_history import NOW_SECONDS, RUN, at

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReportDocument]:
    folder: Path = tmp_path_factory.mktemp("evil")
    with Ledger.open(folder / "ledger.db") as ledger:
        ledger_history.write_history(ledger, name=EVIL, place_suffix=EVIL)
        yield report_document(report_of(ledger, None, RUN, at(NOW_SECONDS)))


@pytest.fixture(scope="module")
def page(report: ReportDocument) -> Reader:
    return Reader(report_page(report))


def test_page_has_a_section_for_every_question_about_money(page: Reader) -> None:
    for title in (
        "From the plan to the run",
        "Dollars spent over time",
        "Machines by place",
        "Machines taken away",
        "Dollars by place",
        "Instead",
        "What is not known",
    ):
        assert title in page.text


def test_hostile_names_of_runs_and_regions_are_only_text(page: Reader) -> None:
    assert "script" not in page.tags
    assert EVIL in page.text
    assert page.open == []


def test_page_runs_nothing_and_loads_nothing(page: Reader) -> None:
    names = {name for name, _ in page.attributes}
    assert not names & {"src", "href", "onclick", "onload", "style"}


def test_planned_cost_that_is_unknown_of_the_run_is_no_saving(report: ReportDocument) -> None:
    assert report.waterfall is not None
    causes = {step.cause for step in report.waterfall.steps}
    assert "unpriced" in causes  # these regions have no price of egress
    assert "egress" not in causes
    assert any("egress" in sentence for sentence in report.unknown)


def test_text_of_a_fleets_report_fits_on_one_screen(report: ReportDocument) -> None:
    out = StringIO()
    Console(file=out, width=110).print(report_text(report))
    assert len(out.getvalue().splitlines()) < 50


def test_shards_are_drawn_in_the_lane_of_their_machine(page: Reader) -> None:
    assert "shard done" in page.text
