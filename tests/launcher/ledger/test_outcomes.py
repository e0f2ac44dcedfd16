"""Outcomes of finished runs: one for each run, exact, the newest first."""

from dataclasses import replace
from decimal import Decimal

from launcher.ledger.ledger import Ledger
from launcher.ledger.records import PlanOutcome
from tests.support.ledger_values import NOON, create_run, later

OUTCOME = PlanOutcome(
    run="r1", finished=NOON, place="rented", basis="predicted", model="m", engine="vllm", gpu="L4",
    hours_p10=1.0, hours_p50=2.0, hours_p90=4.0, hours=2.5, hours_off=0.41,
    usd_p10=Decimal("1.10"), usd_p50=Decimal("2.000000000001"), usd_p90=Decimal(4), usd=None, usd_off=None,
)  # fmt: skip


def test_outcome_is_read_back_as_recorded(ledger: Ledger) -> None:
    ledger.outcomes.record(OUTCOME)
    assert ledger.outcomes.all() == [OUTCOME]


def test_later_knowledge_replaces_the_outcome_of_a_run(ledger: Ledger) -> None:
    billed = replace(OUTCOME, usd=Decimal("2.25"), usd_off=0.2)
    ledger.outcomes.record(OUTCOME)
    ledger.outcomes.record(billed)
    assert ledger.outcomes.all() == [billed]


def test_newest_outcome_comes_first(ledger: Ledger) -> None:
    create_run(ledger, "r2")
    newer = replace(OUTCOME, run="r2", finished=later(60))
    ledger.outcomes.record(newer)
    ledger.outcomes.record(OUTCOME)
    assert [one.run for one in ledger.outcomes.all()] == ["r2", "r1"]
