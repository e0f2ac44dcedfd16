"""Prices, charges and budgets of a run."""

from decimal import Decimal

import pytest

from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Charge, ObservedPrice, Site
from tests.support.ledger_values import NOON, create_run, later

EAST = Site("aws", "us-east-1", "us-east-1a", "spot", "g6.xlarge", 1, 100)
WEST = Site("aws", "us-west-2", "us-west-2b", "spot", "g6.xlarge", 1, 100)


@pytest.mark.parametrize(
    "usd", ["0.1", "0.10", "1234567890.123456789012345678901234567890", "1E-30", "0", "2.0000000000000001"]
)
def test_money_keeps_every_digit(fleet: Ledger, usd: str) -> None:
    fleet.costs.record_prices([ObservedPrice("r1-w0-1", NOON, "catalog", Decimal(usd))])
    fleet.machines.intend("r1", "r1-w1-1", 1, Decimal(usd), NOON)
    assert str(fleet.costs.prices("r1")[0].usd_per_hour) == usd
    assert str(fleet.machines.of_run("r1")[1].usd_per_hour) == usd


@pytest.mark.parametrize("usd", [0.1, 1, "0.1", Decimal("NaN"), Decimal("Infinity")])
def test_money_that_is_not_a_finite_decimal_is_refused(fleet: Ledger, usd: Decimal) -> None:
    with pytest.raises(TypeError, match="money is a finite Decimal, not"):
        fleet.costs.record_prices([ObservedPrice("r1-w0-1", NOON, "catalog", usd)])


def test_prices_of_a_run_are_ordered_oldest_first(fleet: Ledger) -> None:
    create_run(fleet, "r2")
    fleet.machines.intend("r2", "r2-w0-1", 0, None, NOON)
    for machine, seconds in (("r1-w0-1", 9), ("r2-w0-1", 1), ("r1-w0-1", 2)):
        fleet.costs.record_prices([ObservedPrice(machine, later(seconds), "catalog", Decimal(seconds))])
    assert [price.usd_per_hour for price in fleet.costs.prices("r1")] == [2, 9]


def test_price_recorded_twice_keeps_the_later_amount(fleet: Ledger) -> None:
    fleet.costs.record_prices([ObservedPrice("r1-w0-1", NOON, "catalog", Decimal(1))])
    fleet.costs.record_prices([ObservedPrice("r1-w0-1", NOON, "catalog", Decimal(2))])
    assert [price.usd_per_hour for price in fleet.costs.prices("r1")] == [2]


@pytest.fixture
def rented(ledger: Ledger) -> Ledger:
    """A ledger with the run r1 and one machine, m, that was asked for in EAST."""
    ledger.machines.intend("r1", "m", 0, Decimal("0.30"), NOON, gpu="L4", lot=2, site=EAST)
    return ledger


def test_price_may_be_of_one_life(rented: Ledger) -> None:
    rented.costs.record_prices([ObservedPrice("m", later(5), "spot history", Decimal("0.4"), 1)])
    assert rented.costs.prices("r1")[0].life == 1


def test_charge_with_the_same_name_is_corrected(rented: Ledger) -> None:
    first = Charge("egress", "egress", NOON, 1e9, "bytes", Decimal("0.09"))
    rented.costs.record_charge("r1", first)
    second = Charge("egress", "egress", later(9), 2e9, "bytes", None, "no price from aws to gcp", "m")
    rented.costs.record_charge("r1", second)
    assert rented.costs.charges("r1") == [second]


def test_charge_without_dollars_needs_a_reason(rented: Ledger) -> None:
    with pytest.raises(ValueError, match="egress has no dollars and no reason why"):
        rented.costs.record_charge("r1", Charge("egress", "egress", NOON, 1e9, "bytes", None))


def test_newest_budget_replaces_earlier_ones(rented: Ledger) -> None:
    assert rented.costs.budget("r1") is None
    rented.costs.set_budget("r1", Decimal(50), NOON)
    rented.costs.set_budget("r1", Decimal(80), later(60))
    assert rented.costs.budget("r1") == 80
