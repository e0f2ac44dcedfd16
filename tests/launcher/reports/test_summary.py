from dataclasses import replace
from decimal import Decimal

from launcher.ledger.records import CORPUS_EVENT
from launcher.reports.document import ReportEvent
from launcher.reports.summary import (
    compare_figures,
    corpus_facts,
    machines_text,
    part_shares,
    plan_error_text,
    total_dollars,
)
from tests.support import sample_report


def test_figure_above_its_p90_says_so() -> None:
    dollars = next(row for row in compare_figures(sample_report.document()) if row.label == "Dollars")
    assert dollars.difference == "+37.5 %, above P90"


def test_how_far_off_the_plan_was_is_the_difference_of_the_table() -> None:
    """A plan of 0.73 of the run's dollars was 27.3 % off under a table that says +37.5 %."""
    sample = sample_report.document()
    dollars = next(row for row in compare_figures(sample) if row.label == "Dollars")
    share = dollars.difference.removeprefix("+").partition(",")[0]
    assert plan_error_text(sample.lessons.plan).startswith(f"The run cost {share} more than its plan, and ")
    assert plan_error_text(None) == ""


def test_figure_below_its_p10_says_so() -> None:
    sample = sample_report.document()
    sample = replace(sample, actual=replace(sample.actual, hours=0.05))
    time = next(row for row in compare_figures(sample) if row.label == "Time")
    assert time.difference == "-50.0 %, below P10"


def test_a_run_that_goes_on_is_a_share_of_its_plan_and_below_no_p10() -> None:
    """An hour into a plan of six it said "-83.3 %, below P10"."""
    sample = replace(sample_report.document(), state="RUNNING")
    sample = replace(sample, actual=replace(sample.actual, hours=0.05, usd=Decimal(10_000)))
    rows = {row.label: row.difference for row in compare_figures(sample)}
    assert rows["Time"] == "50.0 % so far"
    assert rows["Dollars"].endswith("so far, above P90")
    assert "so far" not in rows["Speed"]


def test_figure_that_was_not_planned_has_no_difference() -> None:
    sample = sample_report.document()
    sample = replace(sample, plan=replace(sample.plan, tokens=None))
    tokens = next(row for row in compare_figures(sample) if row.label == "Tokens")
    assert (tokens.planned, tokens.difference) == ("?", "")


def test_total_that_is_known_in_part_says_how_much() -> None:
    sample = sample_report.document()
    known = replace(sample.spend.known, total=Decimal("0.4725"))
    spend = replace(sample.spend, total=None, known=known)
    assert total_dollars(replace(sample, spend=spend)) == "? (known: $0.4725)"


def test_parts_are_always_in_the_same_order() -> None:
    order = ["useful", "lost", "cold_start", "waiting", "idle", "teardown"]
    assert [share.part for share in part_shares(sample_report.document())] == order


def test_what_is_odd_about_the_corpus_is_named_once() -> None:
    sample = sample_report.document()
    told = ReportEvent(sample.created, CORPUS_EVENT, "ids are not unique")
    assert corpus_facts(replace(sample, events=(told, told, *sample.events))) == ("ids are not unique",)


def test_workers_of_this_machine_are_not_called_machines() -> None:
    document = sample_report.document()
    here = tuple(replace(one, place="local") for one in document.machines)
    assert machines_text(document) == "2 machines"
    assert machines_text(replace(document, machines=here)) == "this machine, 2 workers"
    assert machines_text(replace(document, machines=())) == "0 machines"
    first = document.machines[0]
    refused = replace(first, name="never-came", started=first.started, ended=first.started, seconds=0.0)
    assert machines_text(replace(document, machines=(*document.machines, refused))) == "2 machines"
