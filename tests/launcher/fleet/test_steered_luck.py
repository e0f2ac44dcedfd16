"""The situations of `test_bad_luck` when the run is steered: what it orders, and why."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import process_time

import pytest

from launcher.fleet.scheduling.fleet_view import FleetGroup, FleetView, MachineView
from launcher.fleet.scheduling.policy import course, step
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.records import MachineState
from launcher.steering.course import BudgetPressure
from launcher.steering.orders import Drain, End, Start
from launcher.steering.situation import Answer, AnswerKind, Limits, Speed, Steering
from tasks.skypilot_task import Place

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
UP = MachineState.UP
RATE = 897.0
WORK = 20 * 6 * 3_600 * RATE  # six hours of 20 machines


def group(number: int, cloud: str, region: str, usd: str, purchase: str = "spot") -> FleetGroup:
    place = Place(cloud, region, None, "machine", Decimal(usd))
    return FleetGroup(
        number, 33, f"r-l{number}m", (place,), (33,), 1, 300.0, RATE, "L4", 1.0, purchase,
        usd_per_hour=place.usd_per_hour, cold_start_p90=420.0, tokens_per_second_p10=0.9 * RATE,
    )  # fmt: skip


SPOT, OTHER_CLOUD, ON_DEMAND = (
    group(0, "aws", "eu-south-2", "0.1581"),
    group(1, "gcp", "us-central1", "0.31"),
    group(2, "aws", "us-east-1", "0.8048", "on-demand"),
)
GROUPS = (SPOT, OTHER_CLOUD, ON_DEMAND)


def machines(
    kind: FleetGroup, count: int, phase: Phase = Phase.RUNNING, *, asked: datetime = NOON, shards: int = 5
) -> list[MachineView]:
    up = None if phase == Phase.WAITING else asked + timedelta(minutes=1)
    return [
        MachineView(
            f"{kind.name}{n}-0", n, UP, None, shards, group=kind.number, phase=phase,
            infra=kind.places[0].infra, requested=asked, up=up,
        )
        for n in range(count)
    ]  # fmt: skip


def view(
    workers: Sequence[MachineView],
    *,
    deadline: float = 9.0,
    tokens: float = WORK,
    groups: tuple[FleetGroup, ...] = GROUPS,
    money: tuple[float, float] | None = None,
    **steering: object,
) -> FleetView:
    """`money`: spent, and the budget."""
    plain = Steering(
        started=NOON,
        deadline=NOON + timedelta(hours=deadline),
        limits=Limits(machines=20),
        launches_per_second=1.0,
    )
    found = FleetView(
        "r", groups, workers, 100_000, 100, draining=False, tokens_left=tokens,
        steering=replace(plain, **steering),  # type: ignore[arg-type]
    )  # fmt: skip
    if money is None:
        return found
    return replace(found, spent=Decimal(str(money[0])), budget=Decimal(str(money[1])))


def said(kind: FleetGroup, what: AnswerKind, hours: float, count: int = 1, held: int = 0) -> Answer:
    at = NOON + timedelta(hours=hours)
    return Answer(kind.places[0].infra, kind.gpu, kind.purchase or "", at, what, count, held)


def orders(found: FleetView, hours: float) -> Counter[tuple[str, int]]:
    groups = {machine.name: machine.group for machine in found.workers}
    return Counter(
        (type(o).__name__, o.group if isinstance(o, Start) else groups[o.name])
        for o in step(found, NOON + timedelta(hours=hours))
    )


def test_machines_that_were_refused_are_asked_for_elsewhere_at_once() -> None:
    found = view(machines(SPOT, 16, Phase.WAITING, shards=0), answers=[said(SPOT, AnswerKind.NONE, 0.02, 16)])
    assert orders(found, 0.03) == {("End", 0): 16, ("Start", 1): 20}
    assert End("r-l0m0-0", "had none") in step(found, NOON + timedelta(hours=0.03))


def test_machines_that_wait_without_an_answer_are_refused_in_the_end() -> None:
    found = view(machines(SPOT, 16, Phase.WAITING, shards=0))
    assert ("End", 0) not in orders(found, 0.15)
    assert orders(found, 0.25)["End", 0] == 16


def test_slow_fleet_gets_machines_on_demand_before_it_is_late() -> None:
    """A tenth of the planned speed was measured: nothing that may be rented is fast enough, and it is said."""
    slow = view(machines(SPOT, 12), pace={"L4": Speed(0.1, 0.03, 12)}, tokens=0.9 * WORK)
    found = course(slow, NOON + timedelta(hours=2))
    assert orders(slow, 2)["Start", 2] == 8
    assert found.margin_seconds is not None
    assert found.margin_seconds < 0
    assert found.forecast is not None
    assert (found.forecast.late_seconds_p50 or 0) > 3_600


def test_machines_that_were_taken_are_asked_for_where_a_token_is_worth_it() -> None:
    taken = machines(SPOT, 20, Phase.RECOVERING)
    loss = [said(SPOT, AnswerKind.CAME, 0, 20, 20), said(SPOT, AnswerKind.TAKEN, 2, 20)]
    found = view(taken, answers=loss, tokens=WORK * 0.8, deadline=8)
    assert orders(found, 2.01) == {("End", 0): 20, ("Start", 1): 20}


def test_without_spot_the_net_starts_in_time_and_not_before() -> None:
    """Four hours of work on demand: all of it may wait until 8 cold starts are left beyond them, near the tenth minute of
    the fifth hour. From then on machines start one after another, and 40 minutes later, when no cold start is left, all.

    Until then one machine is asked for, the canary: none has worked.
    """
    for hours, count in ((0.4, 0), (2.0, 1), (4.0, 1), (4.2, 2), (4.5, 11), (4.8, 20), (4.9, 20)):
        expected = {("Start", 2): count} if count else {}
        none = [said(kind, AnswerKind.NONE, hours - 0.01) for kind in (SPOT, OTHER_CLOUD)]
        assert orders(view([], answers=none, tokens=WORK * 0.6), hours) == expected


# Invariant 11 of docs/steering.md
def test_share_of_a_group_that_was_given_up_goes_to_the_others() -> None:
    failed = [MachineView(f"r-l0m{n}-0", n, MachineState.FAILED, NOON, 0, requested=NOON) for n in range(3)]
    found = view([*failed, *machines(OTHER_CLOUD, 10)])
    assert orders(found, 1) == {("Start", 1): 10}


@pytest.mark.parametrize(("spent", "stops"), [(99.9, True), (60.0, False)])
def test_budget_is_used_to_its_end_and_never_passed(spent: float, stops: bool) -> None:
    found = view(machines(SPOT, 20), money=(spent, 100.0))
    decided = course(found, NOON + timedelta(hours=2))
    assert decided.stop == stops
    assert all(isinstance(o, Drain) for o in decided.orders) == (stops or not decided.orders)


def test_budget_that_does_not_pay_for_the_deadline_is_said_long_before_it_is_used_up() -> None:
    found = course(view(machines(SPOT, 20), money=(60.0, 70.0)), NOON + timedelta(hours=2))
    assert found.budget_pressure == BudgetPressure.CONFLICT
    assert "the budget is $70.00" in found.says
    assert not found.stop


# Invariant 8 of docs/steering.md
def test_one_place_without_deadline_and_on_demand_is_asked_as_today() -> None:
    alone = replace(SPOT, slots=8, counts=(8,))
    static = replace(view([], groups=(alone,)), steering=None)
    free = view([], groups=(alone,), limits=Limits(machines=8), deadline=9)
    assert free.steering is not None
    free = replace(free, steering=replace(free.steering, deadline=None))
    assert step(free, NOON) == step(static, NOON)


def test_look_at_400_machines_is_quick() -> None:
    """A second would be felt: a launcher looks every few seconds. It takes some milliseconds."""
    kinds = tuple(
        replace(group(n, "aws", f"region-{n}", str(0.2 + n / 100)), slots=400, counts=(400,))
        for n in range(99)
    )
    alive = [m for kind in kinds[:4] for m in machines(kind, 100)]
    found = view(
        alive, groups=(*kinds, replace(ON_DEMAND, number=99)), limits=Limits(machines=400), tokens=WORK * 20
    )
    begin = process_time()
    for _ in range(5):
        course(found, NOON + timedelta(hours=1))
    assert (process_time() - begin) / 5 < 0.25
