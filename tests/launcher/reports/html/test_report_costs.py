"""The page's sections about money, as a browser would read them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launcher.reports.assemble import report_of
from launcher.reports.html.report import render
from launcher.reports.report_json import to_json
from launcher.reports.terminal.report import report_text
from tests.launcher.reports.html.test_report import Reader
from tests.support import ledger_history
from tests.support.ledger_history import NOW_SECONDS, RUN, at

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    from launcher.ledger.ledger import Ledger

    folder: Path = tmp_path_factory.mktemp("evil")
    with Ledger.open(folder / "ledger.db") as ledger:
        ledger_history.write_history(ledger, name=EVIL, place_suffix=EVIL)
        yield to_json(report_of(ledger, None, RUN, at(NOW_SECONDS)))


def test_the_page_has_a_section_for_every_question_about_money(body: dict[str, Any]) -> None:
    text = Reader(render(body)).text
    for title in (
        "From the plan to the run",
        "Dollars spent over time",
        "Machines by place",
        "Machines taken away",
        "Dollars by place",
        "Instead",
        "What is not known",
    ):
        assert title in text


def test_no_name_of_a_run_or_a_region_becomes_markup(body: dict[str, Any]) -> None:
    page = Reader(render(body))
    assert "script" not in page.tags
    assert EVIL in page.text
    assert page.open == []


def test_the_page_runs_nothing_and_loads_nothing(body: dict[str, Any]) -> None:
    page = Reader(render(body))
    names = {name for name, _ in page.attributes}
    assert not names & {"src", "href", "onclick", "onload", "style"}


def test_what_was_planned_and_is_not_known_of_the_run_is_no_saving(body: dict[str, Any]) -> None:
    causes = {step["cause"] for step in body["waterfall"]["steps"]}
    assert "unpriced" in causes  # these regions have no price of egress
    assert "egress" not in causes
    assert any("egress" in said for said in body["unknown"])


def test_a_report_of_a_fleet_fits_on_one_screen(body: dict[str, Any]) -> None:
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    Console(file=out, width=110).print(report_text(body))
    assert len(out.getvalue().splitlines()) < 50


def test_workers_are_drawn_in_the_lane_of_their_machine(body: dict[str, Any]) -> None:
    assert "shard done" in Reader(render(body)).text
