"""What the tokens of a run would have cost at hosted APIs: like with like first, by list price and in batches."""

from datetime import UTC, datetime
from decimal import Decimal

from launcher.costs.analysis.counterfactuals import Counterfactual, counterfactuals
from launcher.costs.usage.metering import meter
from tests.support import sample_plan
from tests.support.sample_report import document


def hosted(**changes: object) -> list[Counterfactual]:
    """The APIs of a plan whose first serves the same weights at $0.02, and whose second has these changes."""
    body = sample_plan.plan()
    body["hosted"][1] |= changes
    found = counterfactuals(sample_plan.saved(hosted=body["hosted"]), NOTHING, [], 10_000_000)
    return [one for one in found if "api" in one.group]


NOTHING = meter([], [], [], datetime(2026, 3, 1, tzinfo=UTC), [])


def test_same_weights_come_before_a_cheaper_other_model() -> None:
    found = hosted(usd_per_million_tokens="0.001", relation="smaller")
    assert [(one.group, one.usd) for one in found] == [
        ("api", Decimal("0.2")),
        ("other api", Decimal("0.01")),
    ]


def test_same_class_has_its_own_group_and_batches_their_own_price() -> None:
    found = hosted(relation="same class", batch_usd_per_million_tokens="0.01", batch_usd="1")
    assert [(one.group, one.name, one.usd) for one in found] == [
        ("api", "apt same-embed", Decimal("0.2")),
        ("api of class", "someone small-embed in batches", Decimal("0.1")),
        ("api of class", "someone small-embed", Decimal("0.2")),
    ]
    assert found[1].basis.startswith("price of batches of 2026-02-20, within a day")


def test_report_sets_the_run_beside_the_same_weights() -> None:
    found = [one for one in document().instead if one.group == "api"]
    actual = document().actual.usd
    assert found
    assert actual is not None
    assert all(one.usd_saved == one.usd - actual for one in found)
