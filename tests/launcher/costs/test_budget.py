from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.costs.budget import BudgetAction, budget_action, budget_status
from launcher.costs.usage.machine_time import MachineTime
from launcher.costs.usage.metering import meter

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def machine(
    cloud: str = "aws",
    started: float = 0,
    ready: float | None = 30,
    price: str | None = "3.6",
    ended: float | None = None,
) -> MachineTime:
    return MachineTime(
        "m", f"{cloud}/x", "L4", None if price is None else Decimal(price), at(started),
        None if ready is None else at(ready), None if ended is None else at(ended), "UP", cloud=cloud, purchase="spot",
    )  # fmt: skip


def committed(one: MachineTime, now: float, shard: float | None = 40) -> Decimal:
    seconds = None if shard is None else timedelta(seconds=shard)
    return budget_status([one], meter([one], [], [], at(now)), at(now), seconds).committed


@pytest.mark.parametrize(
    ("spent_and_committed", "action"),
    [
        ("0", BudgetAction.GO),
        ("89.99", BudgetAction.GO),
        ("90", BudgetAction.HOLD),
        ("99.99", BudgetAction.HOLD),
        ("100", BudgetAction.STOP),
        ("300", BudgetAction.STOP),
    ],
)
def test_hold_from_90_percent_and_stop_at_100(spent_and_committed: str, action: BudgetAction) -> None:
    assert budget_action(Decimal(spent_and_committed), Decimal(100)) == action


def test_no_budget_is_go() -> None:
    assert budget_action(Decimal(10**9), None) == BudgetAction.GO


def test_half_a_shard_and_teardown_are_committed() -> None:
    assert committed(machine(), 600) == Decimal("0.08")  # 20 s and 60 s at 0.1 cent a second


def test_minimum_billing_is_committed() -> None:
    young = machine(ready=None)
    assert committed(young, 5) == Decimal("0.06")  # teardown takes longer than the rest of the minimum
    assert committed(machine("local", ready=None), 5) == 0


def test_ended_machine_commits_nothing() -> None:
    assert committed(machine(ended=500), 600) == 0


def test_hourly_cost_is_that_of_current_prices() -> None:
    changed = replace(machine(), rates=((at(60), Decimal(9)),))
    now = at(100)
    assert budget_status([changed], meter([changed], [], [], now), now, None).usd_per_hour == 9


def test_machine_without_price_makes_status_incomplete() -> None:
    both = [machine(), machine(price=None)]
    found = budget_status(both, meter(both, [], [], at(1000)), at(1000), None)
    assert (found.spent, found.complete) == (Decimal(1), False)


@given(st.decimals("0", "1000", places=4), st.decimals("0.01", "1000", places=2))
def test_more_spent_never_allows_more(spent: Decimal, budget: Decimal) -> None:
    order = [BudgetAction.GO, BudgetAction.HOLD, BudgetAction.STOP]
    assert order.index(budget_action(spent, budget)) <= order.index(budget_action(spent + 1, budget))
