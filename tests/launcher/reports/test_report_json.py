import json
import os
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.costs.usage.spend import PARTS
from launcher.documents.encode import to_json
from launcher.errors import Problem
from launcher.reports.document import ReportDocument
from launcher.reports.report_json import SERIES_POINTS, read, report_document, speed_series
from tests.support import sample_report
from tests.support.paths import GOLDEN
from tests.support.sample_report import lease, machine, plan, receipt, small

REPORT = GOLDEN / "report.json"


def test_document_is_the_golden_one() -> None:
    text = json.dumps(to_json(sample_report.thinned(sample_report.document())), indent=1) + "\n"
    if os.environ.get("EMBEDFLEET_GOLDEN"):
        REPORT.write_text(text)
    assert text == REPORT.read_text()


def test_what_was_written_is_read_back() -> None:
    document = sample_report.document()
    assert read(json.dumps(to_json(document))) == document
    assert read(to_json(document)) == document


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"spend": None}, "spend"), ({"schema": "embedfleet/report/9"}, "embedfleet/report/9")],
)
def test_document_that_is_no_report_is_a_problem(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Problem, match=words):
        read(to_json(sample_report.document()) | changes)


def test_text_that_is_not_json_is_a_problem() -> None:
    with pytest.raises(Problem, match="cannot be read"):
        read("{")


def test_fields_of_a_later_version_are_ignored() -> None:
    document = sample_report.document()
    assert read(to_json(document) | {"later": 1}) == document


def test_parts_of_the_dollars_add_up_to_the_total() -> None:
    spend = sample_report.document().spend
    assert spend.other is not None
    assert sum(spend.known.of(part) for part in PARTS) + spend.other == spend.total == spend.known.total


def test_json_holds_plain_values_alone() -> None:
    body = to_json(sample_report.document())
    assert json.loads(json.dumps(body)) == body


def test_dollars_per_million_tokens_are_all_dollars_over_all_tokens() -> None:
    report = small([receipt(0, "w", 10, 40, tokens=250_000)], [machine("w", 0, 10, 50)])
    assert report_document(report).actual.usd_per_million_tokens == Decimal("0.039444444444")


def test_machine_without_a_price_makes_the_dollars_unknown() -> None:
    document = one_unpriced()
    assert document.spend.total is None
    assert document.actual.usd is None


def test_known_dollars_leave_out_machines_without_a_price() -> None:
    assert one_unpriced().spend.known.total == Decimal("0.007888888889")


def one_unpriced() -> ReportDocument:
    return report_document(small([], [machine("w", 0, 10, 50, price=None), machine("v", 0, 10, 40)]))


def test_figures_of_a_plan_that_cannot_be_read_are_unknown() -> None:
    document = report_document(small(plan=None))
    assert (document.plan.usd.p50, document.plan.hours.p50, document.waterfall) == (None, None, None)


def test_run_that_embedded_nothing_has_no_price_per_token() -> None:
    assert report_document(small([], [machine("w", 0, 10, 50)])).actual.usd_per_million_tokens is None


def test_lost_lease_has_its_worker_and_its_seconds() -> None:
    document = report_document(small([], [machine("w", 0, 10, 50)], [lease(0, "w", 20, None)]))
    assert [(e.worker, e.seconds) for e in document.lost] == [("w", 30)]


def test_stages_are_added_over_the_shards() -> None:
    document = report_document(small([receipt(0, "w", 10, 40), receipt(1, "w", 40, 70)]))
    assert document.stages["tokenise"] == 3.8


def test_plan_gives_the_waterfall_and_the_lessons() -> None:
    report = small([receipt(0, "w", 10, 40)], [machine("w", 0, 10, 50, group=0)], plan=plan())
    document = report_document(report)
    assert document.waterfall is not None
    assert document.waterfall.planned + sum(step.usd for step in document.waterfall.steps) == (
        document.waterfall.actual
    )
    assert [lesson.starts for lesson in document.lessons.lots] == [0, 0]


def test_tokens_are_spread_evenly_over_the_work_that_made_them() -> None:
    points = speed_series(small([receipt(0, "w", 20, 40, tokens=2_000)], shards=2))
    assert {p.tokens_per_second for p in points if 20 <= p.seconds < 40} == {100}
    assert {p.tokens_per_second for p in points if not 20 <= p.seconds < 40} == {0}


def test_run_that_has_just_begun_has_no_series() -> None:
    assert speed_series(small(now=0)) == ()


MOMENT = st.floats(-1_000, 2_000)


@given(st.lists(st.tuples(MOMENT, MOMENT, st.integers(0, 10**6)), max_size=8), st.floats(0.5, 1_000))
def test_series_holds_every_token_whatever_the_clocks_showed(
    works: Sequence[tuple[float, float, int]], now: float
) -> None:
    receipts = [receipt(i, "w", first, last, tokens=n) for i, (first, last, n) in enumerate(works)]
    report = small(receipts, shards=100, now=now)
    points = speed_series(report)
    width = report.span.total_seconds() / len(points)
    assert len(points) <= SERIES_POINTS
    assert sum(p.tokens_per_second for p in points) * width == pytest.approx(report.tokens, abs=1)
    assert [p.seconds for p in points] == pytest.approx([i * width for i in range(len(points))], abs=1e-3)


def test_start_of_workers_is_unknown_where_none_of_them_knows_it() -> None:
    told = receipt(0, "w-0", 96, 205, cold_start={"process": 1.0, "load": 10.0, "a later stage": 2.0})
    other = receipt(1, "w-1", 96, 205, cold_start={"process": 2.0, "load": 14.0})
    starts = {
        cloud: {one.stage: (one.workers, one.median_seconds, one.longest_seconds) for one in found.starts}
        for cloud in ("aws", "local")
        for found in [report_document(small([told, other], [machine("w-0", 0, 90, 300, cloud=cloud)]))]
    }
    known = {"process": (2, 1.5, 2.0), "load": (2, 12.0, 14.0), "a later stage": (1, 2.0, 2.0)}
    assert starts["local"] == known
    assert starts["aws"] == {"boot": (0, None, None), "setup": (0, None, None)} | known


def test_run_of_an_older_version_says_nothing_of_its_starts() -> None:
    assert report_document(small()).starts == ()
    older = to_json(sample_report.document())
    del older["starts"]
    assert read(older).starts == ()
