"""The policy of rented machines: waves, places, worth of a cold start, groups that are given up."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.fleet.scheduling.fleet_view import FleetGroup, FleetView, MachineView
from launcher.fleet.scheduling.placement import PlacementFailure
from launcher.fleet.scheduling.policy import is_stuck, is_worth_starting, step
from launcher.fleet.scheduling.slots import MAX_DEATHS, MAX_GROUP_FAILURES, group_given_up
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.records import MachineState
from launcher.planning.estimates.launching import LAUNCH_WAVE
from launcher.steering.orders import Drain, End, Kill, Start
from tasks.skypilot_task import Place

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
UP, LOST, STOPPED, FAILED = MachineState.UP, MachineState.LOST, MachineState.STOPPED, MachineState.FAILED
EAST, WEST = (
    Place("aws", "east", None, "g6.xlarge", Decimal(1)),
    Place("aws", "west", None, "g6.xlarge", Decimal(2)),
)
GROUP = FleetGroup(0, 2, "run-l0m", (EAST, WEST), (2, 0), cold_start=300.0, tokens_per_second=1_000.0)


def seen(
    state: MachineState = UP,
    *,
    slot: int = 0,
    number: int = 0,
    group: int = 0,
    phase: Phase = Phase.RUNNING,
    shards: int = 0,
    infra: str | None = EAST.infra,
) -> MachineView:
    ended = None if state in (UP, MachineState.INTENDED) else NOON
    name = f"run-l{group}m{slot}-{number}"
    return MachineView(name, slot, state, ended, shards, group=group, phase=phase, infra=infra)


def view(
    workers: Sequence[MachineView] = (), groups: tuple[FleetGroup, ...] = (GROUP,), **changes: object
) -> FleetView:
    plain = FleetView("run", groups, workers, 1_000, 0, draining=False, tokens_left=1e9)
    return replace(plain, **changes)  # type: ignore[arg-type]


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


# --- starting


def test_each_slot_of_each_group_gets_a_machine_in_its_place() -> None:
    other = FleetGroup(1, 1, "run-l1m", (WEST,), (1,))
    assert step(view(groups=(GROUP, other)), NOON) == [
        Start(0, "run-l0m0-0", 0, (EAST, WEST)),
        Start(1, "run-l0m1-0", 0, (EAST, WEST)),
        Start(0, "run-l1m0-0", 1, (WEST,)),
    ]


def test_machines_start_in_waves() -> None:
    big = replace(GROUP, slots=100, counts=(100, 0))
    assert len(step(view(groups=(big,)), NOON)) == LAUNCH_WAVE
    coming = [seen(slot=n, phase=Phase.WAITING) for n in range(LAUNCH_WAVE - 3)]
    assert len(step(view(coming, groups=(big,)), NOON)) == 3
    there = [seen(slot=n) for n in range(40)]
    assert len(step(view(there, groups=(big,)), NOON)) == LAUNCH_WAVE


def test_machine_counts_for_as_many_shards_as_it_has_workers() -> None:
    big = replace(GROUP, slots=10, counts=(10, 0), workers=8)
    assert len(step(view(groups=(big,), shards=17), NOON)) == 3


def test_machine_is_not_started_when_its_cold_start_does_not_pay() -> None:
    assert is_worth_starting(GROUP, 1e9, 1_000.0)
    assert not is_worth_starting(GROUP, 1_000 * 300.0, 1_000.0)  # the work ends as it comes up
    assert step(view([seen()], tokens_left=1_000 * 400.0), NOON) == []
    assert len(step(view([seen()], tokens_left=1_000 * 900.0), NOON)) == 1


def test_first_machine_starts_however_little_is_left() -> None:
    assert len(step(view(tokens_left=10.0), NOON)) == 1


def test_unknown_speed_or_work_prevents_no_start() -> None:
    assert is_worth_starting(replace(GROUP, tokens_per_second=None), 10.0, 1_000.0)
    assert is_worth_starting(GROUP, None, 1_000.0)


@given(st.floats(1, 1e12), st.floats(1, 1e6), st.floats(1, 1e6))
def test_more_work_never_makes_a_machine_worth_less(tokens: float, rate: float, more: float) -> None:
    if is_worth_starting(GROUP, tokens, rate):
        assert is_worth_starting(GROUP, tokens + more, rate)


# --- places


def test_place_that_failed_is_tried_last() -> None:
    found = view(failures=[PlacementFailure(EAST.infra, NOON, "no capacity")])
    assert [o.places for o in step(found, NOON) if isinstance(o, Start)] == [(WEST, EAST)] * 2


def test_preempted_machine_is_relocated() -> None:
    worker = seen(phase=Phase.RECOVERING)
    orders = step(view([worker], failures=[PlacementFailure(EAST.infra, NOON, "preempted")]), NOON)
    assert End(worker.name, "aws/east took it away") in orders


def test_slot_is_free_once_its_machine_is_ordered_to_end() -> None:
    worker = seen(phase=Phase.ENDING)
    orders = step(view([worker], failures=[PlacementFailure(EAST.infra, NOON, "preempted")]), NOON)
    assert Start(0, "run-l0m0-1", 0, (WEST, EAST)) in orders


def test_preempted_machine_stays_without_another_place() -> None:
    only = replace(GROUP, places=(EAST,), counts=(2,))
    worker = seen(phase=Phase.RECOVERING)
    assert [
        o
        for o in step(
            view([worker], (only,), failures=[PlacementFailure(EAST.infra, NOON, "preempted")]), NOON
        )
        if isinstance(o, End)
    ] == []


def test_preempted_machine_stays_when_every_place_failed() -> None:
    failures = [PlacementFailure(p.infra, NOON, "preempted") for p in (EAST, WEST)]
    orders = step(view([seen(phase=Phase.RECOVERING)], failures=failures), NOON)
    assert not any(isinstance(o, End) for o in orders)


# --- failing


def failed(count: int, **more: object) -> list[MachineView]:
    return [replace(seen(FAILED, slot=0, number=n), **more) for n in range(count)]  # type: ignore[arg-type]


def test_machine_whose_program_failed_is_ended_and_holds_its_slot() -> None:
    only = replace(GROUP, slots=1)
    worker = seen(phase=Phase.FAILING)
    assert step(view([worker], (only,)), NOON) == [End(worker.name, "what runs on it failed")]
    assert step(view([worker], (only,), draining=True), NOON) == [End(worker.name, "nothing more is begun")]


def test_failed_setup_is_tried_again() -> None:
    assert Start(0, "run-l0m0-1", 0, (EAST, WEST)) in step(view(failed(1)), later(60))


def test_group_is_given_up_after_three_failed_setups() -> None:
    assert MAX_GROUP_FAILURES == 3
    workers = [*failed(3), seen(slot=1)]
    assert group_given_up(view(workers), GROUP)
    assert step(view(workers), later(10**6)) == [End("run-l0m1-0", "its group was given up")]
    assert is_stuck(view(failed(3)))


def test_group_with_a_finished_shard_is_not_given_up() -> None:
    assert not group_given_up(view([*failed(3), seen(slot=1, shards=1)]), GROUP)


def test_failures_of_earlier_launches_do_not_count() -> None:
    assert not group_given_up(view(failed(3, earlier=True)), GROUP)


def test_other_groups_go_on() -> None:
    other = FleetGroup(1, 1, "run-l1m", (WEST,), (1,))
    found = view(failed(3), groups=(GROUP, other))
    assert step(found, NOON) == [Start(0, "run-l1m0-0", 1, (WEST,))]
    assert not is_stuck(found)


def test_slot_is_given_up_after_repeated_deaths() -> None:
    dead = [seen(LOST, number=n) for n in range(MAX_DEATHS)]
    assert [o.slot for o in step(view(dead), later(10**6)) if isinstance(o, Start)] == [1]


# --- ending


def test_draining_ends_machines_that_are_still_starting() -> None:
    workers = [seen(), seen(slot=1, phase=Phase.WAITING)]
    assert step(view(workers, draining=True), NOON) == [
        Drain("run-l0m0-0"),
        End("run-l0m1-0", "nothing more is begun"),
    ]


@pytest.mark.parametrize(("seconds", "kind"), [(100, None), (301, End), (601, Kill)])
def test_machine_that_stays_after_the_last_shard_is_ended_then_killed(
    seconds: float, kind: type | None
) -> None:
    found = view([seen()], finished=NOON, hang_timeout=timedelta(minutes=5), done=1_000)
    assert [type(o) for o in step(found, later(seconds))] == ([] if kind is None else [kind])


# --- laws


phases = st.sampled_from(list(Phase))
states = st.sampled_from([UP, LOST, STOPPED, FAILED, MachineState.INTENDED])


@given(
    st.lists(st.tuples(states, phases, st.integers(0, 3), st.integers(0, 2)), max_size=25), st.integers(0, 40)
)
def test_no_slot_has_two_machines_and_no_name_is_reused(
    past: list[tuple[MachineState, Phase, int, int]], done: int
) -> None:
    group = replace(GROUP, slots=4, counts=(2, 2))
    counts = [0] * 4
    workers: list[MachineView] = []
    for state, phase, slot, shards in past:
        if any(
            w.slot == slot and w.state in (UP, MachineState.INTENDED) and w.phase != Phase.ENDING
            for w in workers
        ):
            continue
        workers.append(seen(state, slot=slot, number=counts[slot], phase=phase, shards=shards))
        counts[slot] += 1
    starts = [
        o for o in step(view(workers, (group,), shards=40, done=done), later(10**4)) if isinstance(o, Start)
    ]
    assert len({o.slot for o in starts}) == len(starts)
    assert not {o.name for o in starts} & {w.name for w in workers}
    held = {w.slot for w in workers if w.state in (UP, MachineState.INTENDED) and w.phase != Phase.ENDING}
    assert not {o.slot for o in starts} & held
