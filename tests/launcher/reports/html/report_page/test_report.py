import os
import re
from dataclasses import replace
from typing import Any, cast

import pytest

from launcher.documents.encode import to_json
from launcher.reports.document import ReportDocument
from launcher.reports.html.report_page.report import SHOWN_EVENTS, report_page
from launcher.reports.html.report_page.report_machines import SHOWN_MACHINES
from launcher.reports.html.report_page.report_texts import SHOWN_FAILURES
from launcher.reports.report_json import read, report_document
from tests.support import sample_report
from tests.support.html_reader import Reader
from tests.support.paths import GOLDEN
from tests.support.sample_report import EVIL

CSS = "/* the style sheet */"


def page(report: ReportDocument | None = None) -> str:
    return report_page(report or sample_report.document(), CSS)


def test_page_is_the_golden_page() -> None:
    html = page(sample_report.thinned(sample_report.document()))
    golden = GOLDEN / "report.html"
    if os.environ.get("EMBEDFLEET_GOLDEN"):
        golden.write_text(html)
    assert html == golden.read_text()


def test_page_holds_the_style_sheet() -> None:
    html = report_page(sample_report.document())
    assert "prefers-color-scheme: dark" in html
    assert html.replace(html[html.index("<style>") : html.index("</style>")], f"<style>{CSS}") == page()


def test_configuration_comes_first_and_the_figures_behind_it() -> None:
    html = page()
    main = html[html.index("<main>") :]
    assert main.startswith('<main><section class="facts"><h2>Configuration</h2>')
    assert main.index("Configuration") < main.index('class="cards"') < main.index("Plan and run")


def test_every_tag_is_closed() -> None:
    assert Reader(page()).open == []


def test_page_has_no_script() -> None:
    found = Reader(page())
    assert "script" not in found.tags
    assert not [name for name, _ in found.attributes if name.startswith("on")]


def test_page_loads_nothing() -> None:
    html = report_page(sample_report.document())
    assert {"link", "img", "iframe", "object", "image", "use"}.isdisjoint(Reader(html).tags)
    assert not re.search(r"https?:|@import|url\((?!#)", html)


def test_page_forbids_scripts_and_network() -> None:
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in Reader(page()).attributes


KEPT = ("schema", "at", "created", "updated", "started", "ready", "stopping", "ended", "gone", "claimed")


def replaced(value: Any, text: str, name: str = "") -> Any:
    """The document with every text exchanged that is no amount and no time."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {key: replaced(v, text, key) for key, v in fields.items()}
    if isinstance(value, list):
        return [replaced(v, text, name) for v in cast("list[Any]", value)]
    free = (
        isinstance(value, str)
        and name not in (*KEPT, "prices_as_of")
        and not re.fullmatch(r"-?[\d.]+", value)
    )
    return text if free else value


@pytest.mark.parametrize(
    "text", [EVIL, '"><img src=x onerror=alert(1)>', "&lt;b&gt;", "</style><svg onload=x>"]
)
def test_hostile_text_anywhere_is_only_text(text: str) -> None:
    found = Reader(page(read(replaced(to_json(sample_report.document()), text))))
    assert {"script", "img"}.isdisjoint(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert text in found.text


def test_name_that_cannot_be_encoded_can_still_be_written() -> None:
    assert page(replace(sample_report.document(), name="caf\udce9 \x00\x1b[31m")).encode()


def test_unknown_total_is_a_question_mark_and_never_zero() -> None:
    machines = [sample_report.machine("w", 0, 10, 50, price=None)]
    html = page(report_document(sample_report.small([], machines)))
    assert "<dt>Dollars</dt><dd>?</dd>" in html
    assert "the cost is not known" in html
    assert "$0.00" not in html


def test_run_that_has_just_begun_has_a_page() -> None:
    assert Reader(page(report_document(sample_report.small(now=0)))).open == []


def test_of_many_failures_the_first_are_shown_and_all_are_counted() -> None:
    sample = sample_report.document()
    failures = tuple(replace(sample.failures[0], document=f"doc-{i:04d}") for i in range(500))
    html = page(replace(sample, failures=failures, work=replace(sample.work, failed_rows=1_234)))
    assert f"The first {SHOWN_FAILURES} of 1,234 rows." in html
    assert f"doc-{SHOWN_FAILURES - 1:04d}" in html
    assert f"doc-{SHOWN_FAILURES:04d}" not in html


def test_reason_that_quotes_a_whole_row_is_cut() -> None:
    sample = sample_report.document()
    failures = (replace(sample.failures[0], reason="x" * 100_000),)
    assert "x" * 301 not in page(replace(sample, failures=failures))


def test_of_many_machines_the_first_are_shown_and_all_are_counted() -> None:
    sample = sample_report.document()
    first = sample.machines[0]
    machines = tuple(replace(first, name=f"m-{i:03d}") for i in range(SHOWN_MACHINES + 10))
    html = page(replace(sample, machines=machines))
    assert html.count(f"The first {SHOWN_MACHINES} of {SHOWN_MACHINES + 10} machines.") == 2
    assert f"m-{SHOWN_MACHINES:03d}" not in html


def test_of_many_events_the_first_are_shown_and_all_are_counted() -> None:
    sample = sample_report.document()
    assert f"The first {SHOWN_EVENTS} of 300 events." in page(replace(sample, events=sample.events * 100))


def test_one_price_for_all_machines_needs_no_bar_of_dollars() -> None:
    sample = sample_report.document()
    price = sample.machines[0].usd_per_hour
    machines = tuple(replace(machine, usd_per_hour=price) for machine in sample.machines)
    assert Reader(page(sample)).attributes.count(("class", "bar")) == 2
    assert Reader(page(replace(sample, machines=machines))).attributes.count(("class", "bar")) == 1


def test_timeline_draws_lost_work_cold_starts_and_shards() -> None:
    html = page()
    assert html.count("<title>lost work: shard") == 1
    assert html.count("<title>cold start, ") == 3
    assert len(re.findall(r"<title>shard \d+, ", html)) == 6
