"""A steered fleet: from what the launcher sees to orders with names."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from launcher.fleet.scheduling.fleet_view import FleetGroup, FleetView, MachineView
from launcher.fleet.scheduling.policy import course, step
from launcher.fleet.scheduling.slots import PATIENCE, add_taken, refused_machines
from launcher.fleet.scheduling.states import Phase
from launcher.fleet.scheduling.steered import KnownKinds, situation_of
from launcher.ledger.records import MachineState
from launcher.steering.course import BudgetPressure
from launcher.steering.orders import Drain, End, Start
from launcher.steering.situation import (
    Answer,
    AnswerKind,
    Limits,
    MachinePhase,
    Quote,
    Speed,
    Steering,
)
from tasks.skypilot_task import Place

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def group(number: int, region: str, usd: str, purchase: str = "spot", slots: int = 8) -> FleetGroup:
    return FleetGroup(
        number,
        slots,
        f"r-l{number}m",
        (Place("aws", region, None, "g6.xlarge", Decimal(usd)),),
        (slots,),
        cold_start=300.0,
        cold_start_p90=420.0,
        tokens_per_second=1_000.0,
        tokens_per_second_p10=900.0,
        gpu="L4",
        purchase=purchase,
    )


EAST, WEST, ON_DEMAND = (
    group(0, "us-east-1", "0.30"),
    group(1, "us-west-2", "0.40"),
    group(2, "us-east-1", "0.80", "on-demand"),
)
STEERING = Steering(started=NOON, deadline=NOON + 10 * HOUR, limits=Limits(machines=8))


def view(
    workers: Sequence[MachineView] = (), tokens_left: float = 6 * 8 * 900 * 3_600.0, **changes: object
) -> FleetView:
    plain = FleetView(
        "r", (EAST, WEST, ON_DEMAND), workers, 10_000, 0, draining=False, tokens_left=tokens_left,
        steering=STEERING,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def machine(
    kind: FleetGroup, slot: int, phase: Phase = Phase.RUNNING, asked: datetime = NOON, shards: int = 1
) -> MachineView:
    return MachineView(
        f"{kind.name}{slot}-0", slot, MachineState.UP, None, shards, group=kind.number, phase=phase,
        infra=kind.places[0].infra, requested=asked,
    )  # fmt: skip


def started(orders: Sequence[object]) -> dict[int, int]:
    counts = dict[int, int]()
    for order in orders:
        if isinstance(order, Start):
            counts[order.group] = counts.get(order.group, 0) + 1
    return counts


def test_the_cheapest_spot_place_is_asked_first_while_there_is_time() -> None:
    orders = step(view(), NOON)
    assert set(started(orders)) == {0}
    assert orders[0] == Start(0, "r-l0m0-0", 0, EAST.places)


def test_place_that_had_none_is_passed_over_for_five_minutes() -> None:
    none = Answer("aws/us-east-1", "L4", "spot", NOON, AnswerKind.NONE, 8)
    steering = replace(STEERING, answers=[none])
    assert set(started(step(view(steering=steering), NOON + timedelta(minutes=1)))) == {1}
    assert 0 in started(step(view(steering=steering), NOON + timedelta(minutes=6)))


def test_unknown_price_is_never_asked() -> None:
    steering = replace(STEERING, quotes={0: Quote(None, NOON)})
    assert set(started(step(view(steering=steering), NOON))) == {1}


def test_on_demand_starts_when_it_could_not_wait_another_look() -> None:
    work = 8 * 900 * 3_600.0  # an hour of the whole fleet at its slow end
    assert set(started(step(view(tokens_left=work), NOON + 8.7 * HOUR))) <= {0, 1}
    assert started(step(view(tokens_left=work), NOON + 8.83 * HOUR)) == {2: 8}


def test_machines_that_were_taken_are_asked_for_where_it_is_best() -> None:
    taken = [machine(EAST, slot, Phase.RECOVERING) for slot in range(8)]
    loss = Answer("aws/us-east-1", "L4", "spot", NOON, AnswerKind.TAKEN, 8)
    orders = step(view(taken, steering=replace(STEERING, answers=[loss])), NOON + timedelta(minutes=1))
    assert [o for o in orders if isinstance(o, End)] == [
        End(m.name, "aws/us-east-1 took it away") for m in taken
    ]
    assert set(started(orders)) == {1}


def test_machine_that_waits_beyond_its_patience_had_none() -> None:
    waiting = [machine(EAST, 0, Phase.WAITING, shards=0)]
    assert not [o for o in step(view(waiting), NOON + timedelta(minutes=9)) if isinstance(o, End)]
    orders = step(view(waiting), NOON + timedelta(minutes=11))
    assert End("r-l0m0-0", "had none") in orders


def test_course_says_its_orders_and_its_reasons() -> None:
    decided = course(view(), NOON)
    assert list(decided.orders) == step(view(), NOON)
    assert decided.decisions
    assert all(decision.reason for decision in decided.decisions)
    assert decided.margin_seconds is not None
    assert decided.margin_seconds > 3 * 3_600


def test_machines_of_a_kind_that_was_given_up_are_ended() -> None:
    failed = [
        replace(machine(EAST, slot, shards=0), state=MachineState.FAILED, ended=NOON) for slot in range(3)
    ]
    hanging = replace(machine(EAST, 3, shards=0), up=NOON)
    orders = step(view([*failed, hanging]), NOON + timedelta(minutes=2))
    assert End(hanging.name, "its group was given up") in orders


def test_steered_run_stops_when_the_budget_covers_no_machine_and_none_is_there() -> None:
    poor = view(spent=Decimal("9.99"), budget=Decimal(10))
    decided = course(poor, NOON)
    assert decided.stop
    assert "covers no further machine" in decided.says
    assert not course(view(spent=Decimal("9.00"), budget=Decimal(10)), NOON).stop


@pytest.mark.parametrize("leaving", [False, True])
def test_poor_run_is_not_stopped_while_a_machine_works(leaving: bool) -> None:
    """What still works is paid and may finish the run, also while it drains: the budget covers no other."""
    working = [replace(machine(EAST, 0), leaving=leaving)]
    assert not course(view(working, spent=Decimal("9.90"), budget=Decimal(10)), NOON).stop


def test_run_that_drains_keeps_its_last_mood() -> None:
    working = [machine(EAST, 0)]
    draining = course(view(working, draining=True, budget_pressure=BudgetPressure.CONFLICT), NOON)
    assert draining.orders == (Drain(working[0].name),)
    assert draining.budget_pressure == BudgetPressure.CONFLICT
    assert course(view(working, draining=True), NOON).budget_pressure == BudgetPressure.FREE


def test_run_whose_budget_is_used_up_is_in_conflict() -> None:
    over = course(view([machine(EAST, 0)], spent=Decimal("10.01"), budget=Decimal(10)), NOON)
    assert over.budget_pressure == BudgetPressure.CONFLICT
    assert over.orders == (End("r-l0m0-0"),)


def test_speeds_that_differ_by_rounding_alone_are_no_next_look_in_a_million_years() -> None:
    """Ten machines of 0.1 are not quite 1.0: the time until they lose the margin has no date."""
    slow = [replace(g, tokens_per_second=0.1, tokens_per_second_p10=0.1) for g in (EAST, ON_DEMAND)]
    spot = [replace(machine(EAST, slot), up=NOON - HOUR) for slot in range(8)]
    found = view(spot, tokens_left=1.0, groups=tuple(slow))
    decided = course(found, NOON)
    assert decided.next_look is not None
    assert NOON < decided.next_look <= NOON + HOUR


def test_machine_that_never_does_a_shard_does_not_hold_the_net_back() -> None:
    """All of spot hangs, as at a model that cannot be read: it covers nothing, and makes room for on demand."""
    work = 8 * 900 * 3_600.0  # an hour of the whole fleet at its slow end
    hanging = [replace(machine(EAST, slot, shards=0), up=NOON) for slot in range(8)]
    orders = step(view(hanging, tokens_left=work), NOON + 8.83 * HOUR)
    assert orders == [End(w.name, "makes room for a machine on demand") for w in hanging]
    assert started(step(view(tokens_left=work), NOON + 8.84 * HOUR)) == {2: 8}
    working = [replace(machine(EAST, slot), up=NOON) for slot in range(8)]
    assert not step(view(working, tokens_left=work), NOON + 8.83 * HOUR)


# --- a busy SkyPilot, which says "starting" of a machine that has worked for minutes


@pytest.mark.parametrize(
    ("shards", "refused", "phase"),
    [(0, False, MachinePhase.ASKED), (1, False, MachinePhase.WORKING), (1, True, MachinePhase.ASKED)],
)
def test_machine_with_a_shard_works_whatever_skypilot_calls_it(
    shards: int, refused: bool, phase: MachinePhase
) -> None:
    waits = replace(machine(EAST, 0, Phase.WAITING, shards=shards), refused=refused)
    (found,) = situation_of(view([waits]), STEERING, NOON + timedelta(minutes=4)).machines
    assert found.phase == phase


def test_machine_with_a_shard_is_not_refused_for_its_time_alone() -> None:
    late = NOON + 1.5 * PATIENCE
    works, waits = (machine(EAST, slot, Phase.WAITING, shards=shards) for slot, shards in ((0, 1), (1, 0)))
    assert refused_machines(view([works, waits]), late) == [waits]
    assert refused_machines(view([works]), NOON + 2.5 * PATIENCE) == [works]


def test_names_that_other_launchers_used_are_not_given_again() -> None:
    used = ["r-l0m0-0", "r-l0m0-11", "r-l0m0-2", "r-l0m1-x", "r-l0m1-\u00b2", "r-l0m10-7", "other"]
    taken: dict[str, int] = {}
    for name in used:
        add_taken(taken, name)
    names = {order.name for order in step(view(taken=taken), NOON) if isinstance(order, Start)}
    assert {"r-l0m0-12", "r-l0m1-0"} <= names
    assert not names & set(used)


@pytest.mark.parametrize(
    "later",
    [
        view([machine(EAST, 0), machine(EAST, 1)]),
        view([replace(machine(EAST, 0), state=MachineState.LOST, ended=NOON - HOUR, shards=0)]),
        view([machine(EAST, 0)], groups=(replace(EAST, cold_start=30.0), WEST, ON_DEMAND)),
        view([machine(EAST, 0)], steering=replace(STEERING, quotes={0: Quote(Decimal("0.31"), NOON)})),
        view([machine(EAST, 0)], steering=replace(STEERING, quotes={0: Quote(None, NOON)})),
        view([machine(EAST, 0)], steering=replace(STEERING, pace={"L4": Speed(0.8, 0.1)})),
    ],
)
def test_kind_of_an_earlier_look_is_made_anew_where_anything_of_it_has_changed(later: FleetView) -> None:
    known = KnownKinds()
    before = situation_of(view([machine(EAST, 0)]), STEERING, NOON, known)
    steering = later.steering or STEERING
    found = situation_of(later, steering, NOON, known)
    assert found == situation_of(later, steering, NOON)
    assert found.kinds[0] != before.kinds[0]
    assert situation_of(later, steering, NOON, known).kinds[0] is found.kinds[0]
