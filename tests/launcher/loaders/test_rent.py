"""Rented loaders under a SkyPilot of ours: watched, metered, and none is left."""

import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from launcher.errors import BudgetReached, Interrupted, Problem
from launcher.loaders.rent import Bill, Clock, rent_loaders
from launcher.loading.documents import RentedLoadDocument
from tests.launcher.loaders.test_task import SPEC
from tests.launcher.pilot.test_hand_over import Sky

PRICE = Decimal("0.50")
BILL = Bill(Decimal(2), PRICE)


@pytest.fixture
def sky(monkeypatch: pytest.MonkeyPatch) -> Sky:
    found = Sky()
    monkeypatch.setitem(sys.modules, "sky", found)  # type: ignore[arg-type]
    for name in ("DATABASE_PASSWORD", "AWS_ACCESS_KEY_ID"):
        monkeypatch.setenv(name, f"value of {name}")
    return found


def rented(steps: list[Callable[[], None]], bill: Bill = BILL, **more: Any) -> RentedLoadDocument:
    """Rent two loaders, whose jobs go on by one step each time that they are looked at."""

    def sleep(_seconds: float) -> None:
        if steps:
            steps.pop(0)()

    clock = Clock(now=lambda: 7200.0, sleep=sleep)
    return rent_loaders(replace(SPEC, **more), 2, bill, lambda _: None, clock)


def become(sky: Sky, number: int, status: str, **more: Any) -> Callable[[], None]:
    return lambda: sky.records[number].__dict__.update(status=status, **more)


def test_load_is_complete_when_one_loader_says_so_and_none_is_left(sky: Sky) -> None:
    steps = [
        become(sky, 0, "RUNNING", start_at=0.0),
        become(sky, 0, "SUCCEEDED", start_at=0.0, end_at=3600.0, recovery_count=1),
    ]
    found = rented(steps)
    assert (found.complete, found.hours, found.usd) == (True, 1.0, Decimal("0.5"))
    assert [one.status for one in found.loaders] == ["SUCCEEDED", "CANCELLED"]
    assert found.loaders[1].hours is None
    assert found.loaders[0].recoveries == 1


def test_loaders_are_ended_when_they_have_cost_what_they_may(sky: Sky) -> None:
    steps = [become(sky, 0, "RUNNING", start_at=0.0), become(sky, 1, "RUNNING", start_at=0.0)]
    with pytest.raises(BudgetReached, match=r"have cost up to \$2"):
        rented(steps)
    assert [one.status for one in sky.records] == ["CANCELLED", "CANCELLED"]


def test_machines_that_never_become_ready_count_against_the_limit(sky: Sky) -> None:
    """They are paid for while they are set up, and SkyPilot does not say since when."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with pytest.raises(BudgetReached, match=r"have cost up to \$2"):
        rent_loaders(SPEC, 2, BILL, lambda _: None, Clock(lambda: now[0], sleep))
    assert now[0] == pytest.approx(2 * 3600, abs=60)  # two machines at $0.50 an hour


def test_loaders_are_ended_by_ctrl_c(sky: Sky) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="are ended"):
        rented([interrupt])
    assert [one.status for one in sky.records] == ["CANCELLED", "CANCELLED"]


def test_loaders_that_fail_say_why(sky: Sky) -> None:
    steps = [
        become(sky, 0, "FAILED", failure_reason="no route to the store"),
        become(sky, 1, "FAILED_SETUP"),
    ]
    with pytest.raises(Problem, match="no route to the store"):
        rented(steps)


def test_unknown_price_is_no_price(sky: Sky) -> None:
    steps = [become(sky, 0, "SUCCEEDED", start_at=0.0, end_at=3600.0)]
    found = rented(steps, Bill(Decimal(2), None))
    assert (found.usd, found.loaders[0].usd, found.hours) == (None, None, 1.0)


def test_values_of_secrets_go_by_skypilots_secrets_alone(sky: Sky) -> None:
    rented([become(sky, 0, "SUCCEEDED", start_at=0.0, end_at=1.0)])
    assert sky.secrets == {name: f"value of {name}" for name in ("DATABASE_PASSWORD", "AWS_ACCESS_KEY_ID")}
    assert "value of" not in str(sky.launched)
    assert all("secrets" not in body for body in sky.launched)  # or SkyPilot would look for them elsewhere


def test_secret_that_is_not_set_rents_nothing(sky: Sky, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_PASSWORD")
    with pytest.raises(Problem, match="DATABASE_PASSWORD is not in this environment"):
        rented([])
    assert sky.launched == []
