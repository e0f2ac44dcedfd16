from dataclasses import replace

from launcher.ledger.records import CORPUS_EVENT
from launcher.reports.document import ReportEvent
from launcher.reports.markdown import cell, report_md
from launcher.reports.report_json import report_document
from tests.support import sample_report

EVIL = "<script>alert(1)</script>|`x`"


def test_report_has_its_sections() -> None:
    titles = [line for line in report_md(sample_report.document()).splitlines() if line.startswith("## ")]
    assert titles == [
        "## Plan and run",
        "## Where the money went",
        "## From the plan to the bill",
        "## Instead",
        "## Places",
        "## Not known",
    ]


def test_report_has_the_total() -> None:
    assert "| **total** |  |  | **$0.2337** |" in report_md(sample_report.document())


def test_report_without_a_plan_has_no_waterfall() -> None:
    assert "From the plan to the bill" not in report_md(report_document(sample_report.small()))


def test_hostile_name_is_only_text() -> None:
    text = report_md(replace(sample_report.document(), name=EVIL))
    assert "<script>" not in text
    assert r"# &lt;script&gt;alert\(1\)&lt;/script&gt;\|\`x\`" in text


def test_bold_text_stays_bold() -> None:
    assert cell("**run**") == "**run**"


def test_what_is_odd_about_the_corpus_is_listed() -> None:
    sample = sample_report.document()
    odd = ReportEvent(sample.created, CORPUS_EVENT, "ids are not unique, such as '<b>'")
    assert "## Corpus\n\n- ids are not unique, such as '&lt;b&gt;'\n" in report_md(
        replace(sample, events=(odd,))
    )
