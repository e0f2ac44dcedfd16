"""What a steered run asked, decided and paid attention to, as the ledger keeps it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from launcher.errors import Problem
from launcher.ledger.ledger import Ledger
from launcher.ledger.steering_records import AskAnswer, QuoteRecord
from tests.support.ledger_values import NOON, ask, course, decision, later


def test_a_request_is_answered_once(ledger: Ledger) -> None:
    history = ledger.steering
    history.record_asks("r1", [ask("m0"), ask("m1")])
    assert history.answer("m0", AskAnswer.CAME, later(90), "job status")
    assert not history.answer("m0", AskAnswer.NONE, later(95), "job status")
    history.record_asks("r1", [ask("m0")])  # a launcher that was killed records it again
    came, is_open = history.asks("r1")
    assert (came.answer, came.answered, came.source) == (AskAnswer.CAME, later(90), "job status")
    assert (is_open.machine, is_open.answer) == ("m1", None)


def test_a_machine_that_is_asked_for_again_has_a_second_request(ledger: Ledger) -> None:
    history = ledger.steering
    history.record_asks("r1", [ask("m0")])
    history.answer("m0", AskAnswer.CAME, later(60), "job status")
    history.record_asks("r1", [ask("m0", later(600))])
    history.answer("m0", AskAnswer.NONE, later(700), "job event")
    assert [(a.at, a.answer) for a in history.asks("r1")] == [
        (NOON, AskAnswer.CAME),
        (later(600), AskAnswer.NONE),
    ]


def test_course_and_decisions_are_read_back(ledger: Ledger) -> None:
    history = ledger.steering
    unknown = replace(course(later(60)), margin_seconds=None, usd_to_finish_p50=None, late_p50=None)
    history.record_course("r1", course(), [decision(), decision(number=1)])
    history.record_course("r1", unknown, [replace(decision(later(60)), place=None, usd_expected=None)])
    history.record_course(
        "r1", replace(unknown, budget_pressure="conflict")
    )  # the same look again changes nothing
    assert history.courses("r1") == [course(), unknown]
    assert history.latest_course("r1") == unknown
    assert [(d.at, d.number) for d in history.decisions("r1")] == [(NOON, 0), (NOON, 1), (later(60), 0)]
    assert [(d.at, d.number) for d in history.decisions("r1", last=2)] == [(NOON, 1), (later(60), 0)]
    assert history.decisions("r2") == []


def test_the_body_of_a_course_that_is_damaged_is_named(ledger: Ledger) -> None:
    ledger.steering.record_course("r1", course())
    with ledger.database.writing() as connection:
        connection.execute("UPDATE course SET body = ?", ('{"targets": "all"}',))
    with pytest.raises(Problem, match="its body is"):
        ledger.steering.latest_course("r1")


def test_the_deadline_set_last_counts(ledger: Ledger) -> None:
    assert ledger.steering.deadline("r1") is None
    ledger.steering.set_deadline("r1", later(3_600), NOON)
    ledger.steering.set_deadline("r1", later(7_200), later(60))
    assert ledger.steering.deadline("r1") == later(7_200)


def test_the_newest_quote_of_each_place_counts(ledger: Ledger) -> None:
    quotes = [
        QuoteRecord("aws/us-east-1", "g6.xlarge", "spot", NOON, Decimal("0.21"), "spot history"),
        QuoteRecord("aws/us-east-1", "g6.xlarge", "spot", later(600), Decimal("0.25"), "spot history"),
        QuoteRecord("aws/us-east-1", "g6.xlarge", "on-demand", later(5), Decimal("0.80"), "spot history"),
        QuoteRecord("gcp/us-central1", "g2-standard-4", "spot", NOON, Decimal("0.30"), "catalog"),
    ]
    ledger.steering.record_quotes(quotes)
    ledger.steering.record_quotes(quotes)
    found = ledger.steering.latest_quotes({"aws/us-east-1"}, NOON, source="spot history")
    assert {(q.purchase, q.usd_per_hour) for q in found} == {
        ("spot", Decimal("0.25")),
        ("on-demand", Decimal("0.80")),
    }
    assert ledger.steering.latest_quotes({"gcp/us-central1"}, later(1), source="catalog") == []
    assert ledger.steering.latest_quotes({"gcp/us-central1"}, NOON, source="spot history") == []


def test_a_request_of_an_unknown_run_is_refused(ledger: Ledger) -> None:
    with pytest.raises(Exception, match="FOREIGN KEY"):
        ledger.steering.record_asks("r9", [ask("m0")])
