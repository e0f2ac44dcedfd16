"""The history of a whole fleet: its cost computed a second time, in a few lines that share no code with metering."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from launcher.corpus.samples.profile import declared_profile
from launcher.costs.usage.spend import PARTS
from launcher.documents.encode import to_json
from launcher.jobs.parse import parse
from launcher.planning.offers.candidates import CandidateContext, find_candidates
from launcher.reports.assemble import report_of
from launcher.reports.report import Report
from launcher.reports.report_json import report_document
from launcher.throughput.model_shapes import shape
from pricing.book.price_book import load
from pricing.provisioning import FIRST_SHARD_SECONDS
from tests.support import ledger_history
from tests.support.ledger_history import HISTORY, NO_END, NOW_SECONDS, WRONG_CLOCK, at


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    folder: Path = tmp_path_factory.mktemp("history")
    with ledger_history.ledger_of(folder) as ledger:
        yield report_of(ledger, None, ledger_history.RUN, at(NOW_SECONDS))


@pytest.fixture(scope="module")
def body(report: Report) -> dict[str, Any]:
    return to_json(report_document(report))


def expected_usd(cloud: str | None = None) -> Decimal:
    """Seconds times the price of the second; started seconds count in full, and at least a minute.

    EC2 charges nothing for machines preempted within the first hour, Compute Engine within the first minute.
    """
    total = Decimal(0)
    for life in HISTORY:
        end = NOW_SECONDS if life.end is None else life.end
        seconds = max(60, ceil(end - life.up)) if life.end else end - life.up
        free = {"aws": 3600, "gcp": 60}.get(life.cloud, 0)
        if (cloud and life.cloud != cloud) or (life.preempted and end - life.up < free):
            continue
        changes = [*life.prices[1:], (life.up + seconds, "0")]
        since, usd = life.prices[0]
        for until, after in changes:
            total += (until - since) * Decimal(usd) / 3600
            since, usd = until, after
    return total


def test_history_has_40_machines_and_60_preemptions() -> None:
    assert len({life.machine for life in HISTORY}) == 40
    assert len({life.cloud for life in HISTORY}) == 3
    assert sum(life.preempted for life in HISTORY) == 60
    assert {len(life.prices) for life in HISTORY} == {1, 2}


def test_total_equals_the_independent_computation(report: Report) -> None:
    metered = report.spend.total.total_usd
    assert metered is not None
    assert round(metered, 2) == round(expected_usd(), 2)
    assert abs(metered - expected_usd()) < Decimal("1e-9")


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
def test_places_of_a_cloud_add_up_to_its_cost(report: Report, cloud: str) -> None:
    places = (one.total_usd or 0 for place, one in report.spend.places.items() if place.startswith(cloud))
    assert abs(sum(places, Decimal(0)) - expected_usd(cloud)) < Decimal("1e-9")


def test_machine_groups_add_up_to_the_total(report: Report) -> None:
    groups = (one.total_usd or 0 for one in report.spend.groups.values())
    assert sum(groups, Decimal(0)) == report.spend.total.total_usd


def test_parts_and_other_charges_add_up_to_the_total(body: dict[str, Any]) -> None:
    spend = body["spend"]
    assert sum(Decimal(spend[part]) for part in (*PARTS, "other")) == Decimal(spend["total"])


def test_waterfall_steps_add_up_to_the_difference(body: dict[str, Any]) -> None:
    found = body["waterfall"]
    steps = sum(Decimal(step["usd"]) for step in found["steps"])
    assert Decimal(found["planned"]) + steps == Decimal(found["actual"])
    assert Decimal(found["actual"]) == Decimal(body["spend"]["total"])


def test_changed_prices_are_a_waterfall_step(body: dict[str, Any]) -> None:
    assert "prices" in {step["cause"] for step in body["waterfall"]["steps"]}


def test_every_preemption_is_reported(body: dict[str, Any]) -> None:
    assert len(body["preemptions"]) == 60


def test_wrong_clock_is_named_and_its_work_counted(body: dict[str, Any]) -> None:
    assert any(text.startswith(f"the clock of {WRONG_CLOCK}-0") for text in body["unknown"])
    mine = [m for m in body["machines"] if m["name"] == WRONG_CLOCK]
    assert sum(m["parts"]["useful"] for m in mine) > 0.9 * sum(
        m["seconds"] - m["parts"]["cold_start"] for m in mine
    )


def test_machine_without_end_is_named_and_metered_until_now(body: dict[str, Any]) -> None:
    assert f"the end of {NO_END}: not reported, so metered until this report" in body["unknown"]
    (open_life,) = [m for m in body["machines"] if m["ended"] is None]
    assert open_life["name"] == NO_END


def test_waived_usd_is_reported_by_machine_and_in_total(body: dict[str, Any]) -> None:
    waived = sum(Decimal(m["waived"]) for m in body["machines"])
    assert waived == Decimal(body["spend"]["waived"]) > 0


def test_measured_speeds_reduce_the_plan_error(body: dict[str, Any]) -> None:
    plan = body["lessons"]["plan"]
    assert abs(plan["off_again"]) < abs(plan["off"])


def test_egress_is_estimated_per_place(body: dict[str, Any]) -> None:
    egress = [other for other in body["spend"]["others"] if other["kind"] == "egress"]
    assert {"aws/us-east-1", "gcp/us-central1"} <= {other["place"] for other in egress}


def test_measured_cold_starts_are_used_by_the_next_plan(tmp_path: Path) -> None:
    with ledger_history.ledger_of(tmp_path) as ledger:
        starts = ledger.machines.cold_starts()
    offer = next(o for o in load() if (o.cloud, o.gpu, o.spot) == ("aws", "L4", True))
    job = parse("name: a\ncorpus: {documents: 1e6, tokens_per_document: 100}\nmodel: BAAI/bge-m3\n")
    profile = declared_profile(1_000_000, [(1.0, 100.0)], None, None)
    known = shape("BAAI/bge-m3")
    context = CandidateContext(job=job, shape=known, model=known.name, profile=profile, now=at(NOW_SECONDS))
    (before,) = find_candidates([offer], context).candidates
    (after,) = find_candidates([offer], replace(context, cold_starts=starts)).candidates
    mine = sorted(s.seconds for s in starts if (s.cloud, s.gpu) == ("aws", "L4"))
    assert before.cold_start != after.cold_start
    texts = FIRST_SHARD_SECONDS[2]  # the first texts come after what was measured
    assert (
        mine[0] <= after.cold_start.low <= after.cold_start.mid <= after.cold_start.high <= mine[-1] + texts
    )
