import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from launcher.costs.usage.other_charges import UNKNOWN_REGION, DataRegion
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from launcher.planning.pilot_machine import pilot_machine
from launcher.planning.saved import plan_file
from launcher.reports.assemble import read_failures, readable_plan, report_of, store_locations
from launcher.reports.document import RowFailure
from tasks.stores.memory import MemoryStore
from tests.support import sample_plan

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def run(plan: str) -> Run:
    return Run(
        id="r1", name="r1", state=RunState.RUNNING, plan=plan, plan_digest="d", output="out", created=NOON,
        changed=NOON, place="local",
    )  # fmt: skip


def test_plan_of_a_run_is_read() -> None:
    plan = sample_plan.saved()
    assert readable_plan(run(json.dumps(plan_file.dump(plan)))) == plan_file.read(plan_file.dump(plan))


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"schema": "embedfleet/plan/1"}'])
def test_plan_that_cannot_be_read_is_none(text: str) -> None:
    assert readable_plan(run(text)) is None


def locations(corpus: dict[str, Any], output: dict[str, Any]) -> tuple[DataRegion | None, DataRegion | None]:
    body = sample_plan.plan()
    body["work"]["job"] |= {"corpus": corpus, "output": output}
    return store_locations(plan_file.read_recorded(body))


def test_region_of_the_job_is_the_location() -> None:
    found = locations(
        {"path": "s3://a", "region": "aws/us-east-1"}, {"path": "gs://b", "region": "gcp/us-west1"}
    )
    assert found == (DataRegion("aws", "us-east-1"), DataRegion("gcp", "us-west1"))


def test_bucket_without_a_region_is_somewhere_in_its_cloud() -> None:
    found = locations({"path": "s3://a"}, {"path": "gs://b"})
    assert found == (DataRegion("aws", UNKNOWN_REGION), DataRegion("gcp", UNKNOWN_REGION))


def test_path_without_a_scheme_is_on_this_machine() -> None:
    assert locations({"path": "in"}, {"path": "out"}) == (DataRegion("local", ""), DataRegion("local", ""))


def test_location_of_a_declared_corpus_is_unknown() -> None:
    found, _ = locations({"documents": 3, "lengths": [[1.0, 5.0]]}, {"path": "out"})
    assert found is None


def test_locations_of_a_plan_that_cannot_be_read_are_unknown() -> None:
    assert store_locations(None) == (None, None)


def test_first_failed_rows_are_read_from_the_quarantine() -> None:
    store = MemoryStore()
    rows = [{"file": "a", "position": n, "reason": "caf\udce9", "id": None} for n in range(3)]
    store.put("q", "".join(json.dumps(row) + "\n" for row in rows).encode())
    found = read_failures(store, ["missing", "q"], most=2)
    assert found == [RowFailure("a", n, "caf\udce9", None) for n in range(2)]


def test_machine_of_a_pilot_is_billed_from_the_first_hand_over_on(tmp_path: Path) -> None:
    plan = sample_plan.plan()
    usd = pilot_machine(plan_file.read_recorded(plan)).place.usd_per_hour
    assert usd is not None
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.runs.create("r1", "reviews", json.dumps(plan), "d", "out", NOON)
        before = report_of(ledger, None, "r1", NOON + timedelta(hours=3)).spend
        for minutes in (30, 60):  # the second took the place of the first
            ledger.runs.record_event("r1", "pilot", "handed over", NOON + timedelta(minutes=minutes))
        found = report_of(ledger, None, "r1", NOON + timedelta(hours=3)).spend
    assert [charge.kind for charge in before.others] == []
    (charge,) = found.others
    assert (charge.kind, charge.quantity, charge.estimated) == ("pilot", 2.5, True)
    assert charge.usd == usd * Decimal("2.5")


def test_pilot_that_was_stopped_costs_nothing_until_the_next(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.runs.create("r1", "reviews", json.dumps(sample_plan.plan()), "d", "out", NOON)
        for minutes, kind in ((0, "pilot"), (30, "stopped"), (40, "down"), (120, "pilot"), (150, "stopped")):
            ledger.runs.record_event("r1", kind, "", NOON + timedelta(minutes=minutes))
        (charge,) = report_of(ledger, None, "r1", NOON + timedelta(hours=90)).spend.others
    assert (charge.kind, charge.quantity) == ("pilot", 1.0)


def test_pilot_without_a_known_price_is_named_and_not_free(tmp_path: Path) -> None:
    plan = sample_plan.plan()
    for group in plan["lots"]:
        group["cloud"] = "slurm"
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.runs.create("r1", "reviews", json.dumps(plan), "d", "out", NOON)
        ledger.runs.record_event("r1", "pilot", "handed over", NOON)
        found = report_of(ledger, None, "r1", NOON + timedelta(hours=3))
    assert found.spend.others == ()
    assert any("pilot" in line for line in found.unpriced)
