"""How a fleet comes up, beside the fleet's real policy with a clock of its own."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from launcher.fleet.scheduling.fleet_view import FleetGroup, FleetView, MachineView
from launcher.fleet.scheduling.policy import step
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.records import MachineState
from launcher.planning.estimates.estimate import Allocation, as_launched, wall_hours
from launcher.planning.estimates.launching import (
    LAUNCHES_AT_ONCE,
    NEXT_LAUNCH_SECONDS,
    SKYPILOT_LAUNCHES,
    Starting,
    machines_started,
    mean_queue_seconds,
    waves_before,
)
from launcher.steering.orders import Start
from tasks.skypilot_task import Place
from tests.support.candidates import candidate, sure

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EAST = Place("aws", "east", None, "g6.xlarge", Decimal(1))
POLL = 10.0  # seconds between two looks of the launcher


def test_waves_are_counted_by_hand() -> None:
    assert waves_before(8) == 0
    assert waves_before(16) == 0.5
    assert waves_before(20) == pytest.approx((8 * 0 + 8 * 1 + 4 * 2) / 20)
    assert waves_before(8, before=16) == 2
    assert waves_before(0) == 0


def test_fleet_that_starts_at_once_waits_for_nobody() -> None:
    assert mean_queue_seconds([Starting(LAUNCHES_AT_ONCE, 1.0, 140, 0, 300)]) == [0.0]


def test_later_kinds_wait_for_earlier_ones() -> None:
    kind = Starting(80, 1.0, 600 - NEXT_LAUNCH_SECONDS, 0, 300)
    first, second = mean_queue_seconds([kind, kind])
    assert (first, second) == (pytest.approx(4.5 * 600), pytest.approx(14.5 * 600))


def test_second_machine_that_would_only_load_its_model_is_not_started() -> None:
    assert machines_started([Starting(5, 1_000.0, 0, 0, 300)], 100_000) == [1]
    assert machines_started([Starting(5, 1_000.0, 0, 0, 300)], 1e9) == [5]


def run_of_the_policy(
    machines: int, tokens: float, *, boot: float, cold_start: float, rate: float
) -> tuple[float, int]:
    """Hours until all tokens are done, and machines that worked, as the real policy starts them.

    SkyPilot brings up so many jobs at a time, the oldest first, and takes another NEXT_LAUNCH_SECONDS after one is up.
    """
    group = FleetGroup(0, machines, "m", (EAST,), (machines,), cold_start=cold_start, tokens_per_second=rate)
    asked: list[str] = []
    up_at: dict[str, float] = {}
    slots = [0.0] * SKYPILOT_LAUNCHES  # when each is free
    now, done, seen = 0.0, 0.0, -1
    while done < tokens:
        there = sum(1 for at in up_at.values() if at <= now)
        now, done = (
            now + POLL,
            done + rate * POLL * sum(1 for at in up_at.values() if at + cold_start - boot <= now + POLL),
        )
        if there == seen:  # the policy starts no more where nothing came up, for less work is left
            continue
        seen = there
        views = [
            MachineView(
                name, slot, MachineState.UP, None, 1,
                phase=Phase.RUNNING if up_at[name] <= now else Phase.WAITING, infra=EAST.infra,
            )
            for slot, name in enumerate(asked)
        ]  # fmt: skip
        view = FleetView("run", (group,), views, 10**9, 0, draining=False, tokens_left=tokens - done)
        for order in step(view, NOON + timedelta(seconds=now)):
            assert isinstance(order, Start)
            free = min(range(SKYPILOT_LAUNCHES), key=lambda n: slots[n])
            up_at[order.name] = max(slots[free], now) + boot
            slots[free] = up_at[order.name] + NEXT_LAUNCH_SECONDS
            asked.append(order.name)
    return now / 3_600, len(asked)


@pytest.mark.parametrize(
    ("machines", "work_hours"),
    [(8, 40), (40, 100), (100, 300), (406, 932), (400, 120), (30, 4)],
)
def test_hours_are_those_of_the_real_policy(machines: int, work_hours: float) -> None:
    """Machines of 897 tokens a second: 406 of them have 932 hours of work, as in a published run."""
    boot, cold_start, rate = 140.0, 420.0, 897.0
    tokens = work_hours * rate * 3_600
    hours, started = run_of_the_policy(machines, tokens, boot=boot, cold_start=cold_start, rate=rate)
    kind = candidate(tokens_per_second=sure(rate), launch=sure(boot), cold_start=sure(cold_start))
    kept = as_launched([Allocation(kind, machines, tokens)])
    tail = 30 / 3_600
    assert wall_hours(kept) - tail == pytest.approx(hours, rel=0.04)
    assert sum(one.machines for one in kept) == pytest.approx(started, rel=0.06, abs=2)


def test_406_machines_take_hours_longer_than_their_work() -> None:
    """2.3 hours of work for each, and 3.4 or more until all is done: the last is up two hours after the first."""
    kind = candidate(tokens_per_second=sure(897), launch=sure(140), cold_start=sure(420))
    work = Allocation(kind, 406, 29.5e6 * 102)
    at_once = wall_hours([replace(work, candidate=replace(kind, launch=sure(0)))])
    assert at_once == pytest.approx(2.42, abs=0.01)
    assert 3.3 < wall_hours(as_launched([work])) < 3.6
