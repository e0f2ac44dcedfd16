"""A report compares with the same weights hosted; another model is a note with its size, and `hash` has none."""

from dataclasses import replace
from decimal import Decimal

from launcher.reports.document import CounterfactualRow, ReportDocument
from launcher.reports.html.report_page.report import report_page
from launcher.reports.markdown import report_md
from launcher.reports.summary import HostedWords, hosted_words
from tests.support import sample_report

SAME = CounterfactualRow(
    group="api", name="apt same", usd=Decimal("0.5"), usd_saved=Decimal("0.3"), basis="list price"
)
CLASS = replace(
    SAME,
    group="api of class",
    name="apt other",
    basis="list price of 2026-01-01, another model of its size class, other vectors: 568M parameters, quality unknown",
)
NOTE = "apt other (another model of its size class: 568M parameters, quality unknown) $0.50: this run cost $0.30 less"
NO_API = "No hosted API with a known price serves these weights."


def report(*instead: CounterfactualRow) -> ReportDocument:
    return replace(sample_report.document(), instead=instead)


def test_same_weights_come_first_and_another_model_is_a_note() -> None:
    found = hosted_words(report(CLASS, SAME))
    assert found == HostedWords("apt same (the same weights) $0.50: this run cost $0.30 less", NOTE)


def test_where_no_api_serves_the_weights_that_is_said_on_every_page() -> None:
    made = report(CLASS)
    assert hosted_words(made) == HostedWords(NO_API, NOTE)
    assert f"<p>{NO_API}</p>" in report_page(made)
    assert NO_API in report_md(made)
    assert "Note: apt other" in report_md(made)


def test_basis_of_an_earlier_version_has_no_size() -> None:
    earlier = replace(CLASS, basis="list price of 2026-01-01, another model of its size class: other vectors")
    found = hosted_words(report(earlier))
    assert found is not None
    assert found.note == "apt other (another model of its size class) $0.50: this run cost $0.30 less"


def test_nothing_is_said_without_prices_or_of_the_hash_model() -> None:
    assert hosted_words(report()) is None
    facts = sample_report.document().facts
    assert facts is not None
    assert hosted_words(replace(report(SAME), facts=replace(facts, model="hash"))) is None
