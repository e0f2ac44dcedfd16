"""The section "Steering" of a report: from the ledger, on a terminal, as JSON and on the page."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.documents.course import Hindsight
from launcher.documents.encode import to_json
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import LifeEnd, MachineState, RunState, Site
from launcher.ledger.steering_records import AskAnswer, QuoteRecord
from launcher.planning.saved import plan_file
from launcher.reports import report_json
from launcher.reports.assemble import report_of
from launcher.reports.html.report_page.report import report_page
from launcher.reports.steering import MAX_POINTS, PlaceAnswers, hindsight_text, steering_figures
from launcher.reports.summary import on_demand_text
from launcher.reports.terminal.runs.report import report_text
from tests.support import sample_plan, sample_report
from tests.support.ledger_values import NOON, ask, course, decision, later, receipt, shard
from tests.support.screens import printed


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A steered run that is done an hour before its deadline."""
    body = sample_plan.steered()
    body["work"]["job"] |= {"name": "reviews", "model": "hash", "corpus": {"path": "in"}}
    with Ledger.open(tmp_path / "ledger.db") as found:
        found.runs.create("r1", "reviews", json.dumps(body), "d", "out", NOON, "fleet")
        found.shards.add("r1", [shard(3)])
        found.shards.record_receipts("r1", [receipt(3)])  # 5.5 s after noon
        found.steering.set_deadline("r1", NOON + timedelta(hours=1, seconds=5.5), NOON)
        found.steering.record_asks("r1", [ask(f"m{n}") for n in range(3)])
        for name, answer in (("m0", AskAnswer.CAME), ("m1", AskAnswer.NONE)):
            found.steering.answer(name, answer, later(60), "backend")
        found.steering.record_course("r1", course(), [decision()])
        yield found


def test_a_run_that_was_not_steered_has_no_section(ledger: Ledger) -> None:
    run = ledger.runs.find("r1")
    assert steering_figures(ledger, run, None) is None
    ledger.runs.create("r2", "reviews", json.dumps(sample_plan.plan()), "d", "out", NOON)
    assert steering_figures(ledger, ledger.runs.find("r2"), sample_plan.saved()) is None


def test_answers_decisions_and_course_are_those_of_the_ledger(ledger: Ledger) -> None:
    run = ledger.runs.find("r1")
    found = steering_figures(ledger, run, plan_file.read_recorded(run.plan))
    assert found is not None
    assert (found.policy, found.late_minutes) == ("autopilot", -60.0)
    assert found.answers == (PlaceAnswers("aws/us-east-1", "spot", "L4", 3, 1, 1),)
    assert [(d.what, d.count) for d in found.decisions] == [("ask", 7)]
    (point,) = found.curve
    assert (point.margin_minutes, point.usd_per_million_tokens) == (11.0, Decimal("0.071000000"))


def test_a_long_course_is_thinned(ledger: Ledger) -> None:
    for minute in range(1, 1_000):
        ledger.steering.record_course("r1", course(later(60 * minute)))
    found = steering_figures(ledger, ledger.runs.find("r1"), sample_plan.saved_steered())
    assert found is not None
    assert MAX_POINTS / 2 < len(found.curve) <= MAX_POINTS


def test_it_is_on_the_terminal_in_json_and_on_the_page(ledger: Ledger) -> None:
    document = report_json.report_document(report_of(ledger, None, "r1", later(90)))
    text = printed(report_text(document))
    assert "Steering: autopilot" in text
    assert "done 1 h before the deadline" in text
    said = "asked 1 place for 3 machines: 1 came, 1 was not to be had, 1 was cancelled or not answered"
    assert said in text.replace("\n", " ")
    assert "12:00 asked for 7 in aws/us-east-1: $0.213, next best  +$1.40" in text
    body = json.loads(json.dumps(to_json(document)))
    assert body["steering"]["decisions"][0]["usd_expected"] == "1.4"
    assert report_json.read(body).steering == document.steering
    page = report_page(document)
    assert "Places that were never asked are unknown" in page
    assert "asked for" in page
    assert "$0.213, next best" in page
    assert '<th scope="row">12:00</th>' in page
    plain = report_page(replace(document, steering=None))
    assert "Places that were never asked" not in plain


def test_a_place_that_had_none_is_said_once(ledger: Ledger) -> None:
    none = replace(decision(later(120)), what="had none", count=1, reason="had none", usd_expected=None)
    ledger.steering.record_course("r1", course(later(120)), [none])
    document = report_json.report_document(report_of(ledger, None, "r1", later(190)))
    assert "12:02 had none of 1 in aws/us-east-1\n" in printed(report_text(document))
    assert '<td class="left wide"></td>' in report_page(document)


LIVES = (  # name, kind, from minute, to minute
    ("r1-l2m0-0", 2, 0, 120),  # spot in us-east-1
    ("r1-l2m1-0", 2, 0, 60),  # ended for nothing
    ("r1-l4m0-0", 4, 60, 115),  # on demand
)


@pytest.fixture
def worked(tmp_path: Path) -> Iterator[Ledger]:
    """A steered run of two hours in which machines on demand were rented while spot was up."""
    body = sample_plan.steered()
    body["work"]["job"] |= {"name": "reviews", "model": "hash", "corpus": {"path": "in"}}
    kinds = body["steering"]["envelope"]["kinds"]
    with Ledger.open(tmp_path / "worked.db") as found:
        found.runs.create("r1", "reviews", json.dumps(body), "d", "out", NOON, "fleet")
        found.runs.set_state("r1", RunState.RUNNING, NOON)
        found.shards.add("r1", [shard(n) for n in range(1, 4)])
        for number, (name, group, begin, end) in enumerate(LIVES, start=1):
            kind = kinds[group - 2]
            purchase = "spot" if kind["spot"] else "on-demand"
            site = Site("aws", "us-east-1", None, purchase, "g6.xlarge", 1.0)
            found.machines.intend("r1", name, 0, None, NOON, gpu="L4", lot=group, site=site)
            found.machines.confirm(name, f"1:{name}", NOON)
            found.steering.record_asks("r1", [replace(ask(name), purchase=purchase)])
            found.steering.answer(name, AskAnswer.CAME, later(60 * begin), "backend")
            found.machines.begin_life(name, 0, later(60 * begin), site, Decimal(kind["usd_per_hour"]))
            found.machines.mark_ready(name, later(60 * (begin + 5)))
            found.machines.end_life(name, 0, later(60 * end), LifeEnd.STOPPED)
            found.machines.end(name, MachineState.STOPPED, later(60 * end), "ended")
            started, finished = later(60 * (begin + 5)), later(60 * end)
            tokens = 6_000 * (end - begin - 5)
            found.shards.record_receipts(
                "r1",
                [replace(receipt(number), worker=name, started=started, finished=finished, tokens=tokens)],
            )
        quote = QuoteRecord("aws/us-east-1", "g6.xlarge", "spot", later(1), Decimal("0.3"), "spot history")
        found.steering.record_quotes([quote])
        found.runs.set_state("r1", RunState.DONE, later(7_200))
        yield found


def test_the_least_that_could_have_been_paid_is_named(worked: Ledger) -> None:
    document = report_json.report_document(report_of(worked, None, "r1", later(7_500)))
    assert document.steering is not None
    best = document.steering.hindsight
    assert best is not None
    assert best.paid == Decimal("1.64")  # 3 h of spot and 55 min on demand
    assert best.usd is not None
    assert best.net is not None
    # The work of the machine on demand, 50 min, was to be had for spot's price.
    assert float(best.usd) == pytest.approx(0.3 * (3 + 50 / 60), abs=0.05)
    assert float(best.net) == pytest.approx(0.5 * 50 / 60, abs=0.08)
    text = hindsight_text(best)
    assert text.startswith(f"hindsight ${best.usd}, paid $1.64 for machines: ")
    assert "dearer; of which starts $" in text
    assert "places that were never asked are unknown, not up" in text
    assert text in " ".join(printed(report_text(document), 400).split())
    assert text[1:] in report_page(document)
    body = json.loads(json.dumps(to_json(document)))
    assert body["steering"]["hindsight"]["paid"] == "1.64"
    assert report_json.read(body).steering == document.steering


def test_what_was_not_charged_is_no_saving() -> None:
    usd = [Decimal(one) for one in ("0.05", "0.03", "0.03", "0.01")]
    text = hindsight_text(Hindsight(usd=usd[0], paid=usd[1], waived=usd[2], rest=usd[3], places=2))
    assert text.startswith(
        "hindsight $0.05, paid $0.03 for machines, and $0.03 were not charged for those taken soon after their start: "
        "together 20 % dearer; of which waiting and lost work $0.01"
    )


def test_a_refused_place_was_not_up(worked: Ledger) -> None:
    site = Site("aws", "us-east-1", None, "spot", "g6.xlarge", 1.0)
    worked.machines.intend("r1", "r1-l2m2-0", 2, None, later(3_600), gpu="L4", lot=2, site=site)
    worked.steering.record_asks("r1", [ask("r1-l2m2-0", later(3_600))])
    worked.steering.answer("r1-l2m2-0", AskAnswer.NONE, later(3_660), "backend")
    worked.machines.end("r1-l2m2-0", MachineState.STOPPED, later(3_700), "had none")
    found = report_of(worked, None, "r1", later(7_500)).steering
    assert found is not None
    assert found.hindsight is not None
    assert found.hindsight.usd is not None
    assert float(found.hindsight.usd) == pytest.approx(1.64, abs=0.08)


def test_a_run_that_saw_too_little_has_a_question_mark(ledger: Ledger) -> None:
    ledger.runs.set_state("r1", RunState.RUNNING, NOON)
    going = report_of(ledger, None, "r1", later(60)).steering
    assert going is not None
    assert going.hindsight is None  # it is not done
    ledger.runs.set_state("r1", RunState.DONE, later(60))
    found = report_of(ledger, None, "r1", later(60)).steering
    assert found is not None
    assert found.hindsight is not None
    assert hindsight_text(found.hindsight) == (
        "hindsight ?, paid $0.00 for machines: the run was too short to see anything else"
    )
    assert hindsight_text(Hindsight(usd=None, paid=None)) == "hindsight ?, paid ? for machines: not known"


def test_what_on_demand_cost_beside_spot_is_said() -> None:
    (first, *_) = sample_report.document().machines
    spot = replace(first, purchase="spot", seconds=60.0, usd=Decimal("1.00"))
    rented = replace(spot, purchase="on-demand", usd=Decimal("2.50"))
    refused = replace(rented, seconds=0.0, usd=None)
    assert (
        on_demand_text([spot, rented, refused]) == "1 machine on demand cost $2.50 of $3.50 for all machines"
    )
    unknown = replace(rented, usd=None)
    assert on_demand_text([spot, rented, unknown]) == "2 machines on demand cost at least $2.50"
    assert on_demand_text([spot]) is None
    assert on_demand_text([rented]) is None
