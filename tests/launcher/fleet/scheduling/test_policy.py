"""The policy of a local fleet: one worker for each slot, backoff after deaths, budget and end."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from launcher.fleet.scheduling.fleet_view import FleetGroup, FleetView, MachineView
from launcher.fleet.scheduling.policy import is_stuck, step
from launcher.fleet.scheduling.slots import MAX_DEATHS, may_start, slot_given_up
from launcher.ledger.records import MachineState
from launcher.steering.orders import Drain, End, Kill, Start

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
UP, LOST, STOPPED, FAILED = (
    MachineState.UP,
    MachineState.LOST,
    MachineState.STOPPED,
    MachineState.FAILED,
)


def worker(
    number: int, state: MachineState, *, slot: int = 0, shards: int = 0, earlier: bool = False
) -> MachineView:
    ended = None if state in (UP, MachineState.INTENDED) else NOON
    return MachineView(f"run-w{slot}-{number}", slot, state, ended, shards, earlier)


def died(times: int, *, earlier: bool = False) -> list[MachineView]:
    return [worker(n, LOST, earlier=earlier) for n in range(times)]


def view(
    workers: Sequence[MachineView] = (), *, slots: int = 1, shards: int = 10, done: int = 0
) -> FleetView:
    return FleetView("run", (FleetGroup(0, slots, "run-w"),), workers, shards, done, draining=False)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


# --- starting


def test_each_empty_slot_gets_a_worker() -> None:
    assert step(view(slots=3), NOON) == [Start(n, f"run-w{n}-0") for n in range(3)]


@pytest.mark.parametrize("state", [UP, MachineState.INTENDED])
def test_slot_with_a_worker_gets_no_second(state: MachineState) -> None:
    assert step(view([worker(0, state)]), NOON) == []


def test_next_worker_of_a_slot_has_the_next_name() -> None:
    past = [worker(0, LOST, shards=1), worker(1, STOPPED, shards=2)]
    assert step(view(past), NOON) == [Start(0, "run-w0-2")]


def test_there_are_never_more_workers_than_shards_left() -> None:
    assert step(view(slots=8, shards=10, done=8), NOON) == [Start(0, "run-w0-0"), Start(1, "run-w1-0")]
    assert step(view([worker(0, UP)], slots=8, shards=10, done=9), NOON) == []


def test_nothing_is_started_when_every_shard_is_done() -> None:
    assert step(view(slots=4, done=10), NOON) == []


# --- dying


def test_worker_that_died_after_a_shard_is_replaced_at_once() -> None:
    assert step(view([worker(0, LOST, shards=1)]), NOON) == [Start(0, "run-w0-1")]


@pytest.mark.parametrize(("times", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8)])
def test_each_death_without_a_shard_doubles_the_backoff(times: int, seconds: float) -> None:
    past = died(times)
    assert step(view(past), after(seconds - 0.01)) == []
    assert step(view(past), after(seconds)) == [Start(0, f"run-w0-{times}")]


def test_slot_is_given_up_after_five_deaths_without_a_shard() -> None:
    assert MAX_DEATHS == 5
    assert step(view(died(5)), after(10**6)) == []
    assert is_stuck(view(died(5)))


def test_finished_shard_resets_the_count_of_deaths() -> None:
    past = [*died(4), worker(4, LOST, shards=1), worker(5, LOST)]
    assert may_start(past, after(1))
    assert not slot_given_up(past)


def test_failed_worker_is_not_started_again() -> None:
    past = [worker(0, FAILED, shards=3)]
    assert step(view(past), after(10**6)) == []
    assert is_stuck(view(past))


def test_run_is_not_stuck_while_one_slot_may_start() -> None:
    assert not is_stuck(view([*died(5)], slots=2))
    assert not is_stuck(view([*died(5), worker(0, UP, slot=1)], slots=2))


def test_finished_run_is_not_stuck() -> None:
    assert not is_stuck(view(died(5), done=10))


def test_new_launch_tries_a_given_up_slot_again() -> None:
    for past in (died(5, earlier=True), [worker(0, FAILED, earlier=True)]):
        assert step(view(past), NOON) == [Start(0, f"run-w0-{len(past)}")]
        assert not is_stuck(view(past))


def test_deaths_before_this_launch_do_not_count() -> None:
    past = [*died(4, earlier=True), worker(4, LOST)]
    assert may_start(past, after(1))
    assert not slot_given_up(past)


# --- ending


def test_draining_orders_every_worker_and_starts_none() -> None:
    seen = replace(view([worker(0, UP), worker(0, LOST, slot=1)], slots=3), draining=True)
    assert step(seen, NOON) == [Drain("run-w0-0")]


def money(spent: str | None, budget: str | None, workers: Sequence[MachineView] = ()) -> FleetView:
    amounts = [None if a is None else Decimal(a) for a in (spent, budget)]
    return replace(view(workers), spent=amounts[0], budget=amounts[1])


def test_under_90_percent_of_the_budget_workers_go_on() -> None:
    assert step(money("8.99", "10", [worker(0, UP)]), NOON) == []


def test_at_90_percent_of_the_budget_workers_drain() -> None:
    assert step(money("9.00", "10", [worker(0, UP)]), NOON) == [Drain("run-w0-0")]


def test_at_90_percent_of_the_budget_nothing_is_started() -> None:
    assert step(money("9.00", "10"), NOON) == []


@pytest.mark.parametrize("spent", ["10", "12.5"])
def test_at_the_budget_workers_end(spent: str) -> None:
    assert step(money(spent, "10", [worker(0, UP)]), NOON) == [End("run-w0-0")]


@pytest.mark.parametrize(("spent", "budget"), [(None, "10"), ("10", None), (None, None)])
def test_unknown_price_or_no_budget_ends_nothing(spent: str | None, budget: str | None) -> None:
    assert step(money(spent, budget, [worker(0, UP)]), NOON) == []


# --- laws


def any_worker(number: int, state: MachineState, slot: int, shards: int, *, earlier: bool) -> MachineView:
    alive = state in (UP, MachineState.INTENDED)
    return worker(number, state, slot=slot, shards=shards, earlier=earlier and not alive)


workers = st.builds(
    any_worker,
    st.integers(0, 99),
    st.sampled_from(list(MachineState)),
    st.integers(0, 3),
    st.integers(0, 2),
    earlier=st.booleans(),
)


@given(st.lists(workers, max_size=20), st.integers(1, 4), st.integers(0, 10), st.floats(0, 100))
def test_no_slot_gets_a_second_living_worker(
    seen: list[MachineView], slots: int, done: int, later: float
) -> None:
    starts = [o for o in step(view(seen, slots=slots, done=done), after(later)) if isinstance(o, Start)]
    alive = [w for w in seen if w.state in (UP, MachineState.INTENDED)]
    assert not {s.slot for s in starts} & {w.slot for w in alive}
    assert len({s.slot for s in starts}) == len(starts)
    assert not starts or len(starts) + len(alive) <= 10 - done


@given(st.lists(workers, max_size=20), st.integers(1, 4), st.integers(0, 10))
def test_run_with_shards_left_has_workers_or_starts_or_is_stuck(
    seen: list[MachineView], slots: int, done: int
) -> None:
    here = [w for w in seen if w.slot < slots]
    found = view(here, slots=slots, done=done)
    alive = any(w.state in (UP, MachineState.INTENDED) for w in here)
    starts = step(found, after(31))  # no backoff is longer than 30 s
    assert done >= 10 or alive or bool(starts) != is_stuck(found)


class Fleet(RuleBasedStateMachine):
    """Random deaths, shards, launches and drains; the orders are carried out as the controller does."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.past: list[MachineView] = []
        self.done = 0
        self.draining = False

    @property
    def view(self) -> FleetView:
        return FleetView("run", (FleetGroup(0, 3, "run-w"),), self.past, 12, self.done, self.draining)

    def alive(self) -> list[int]:
        return [n for n, w in enumerate(self.past) if w.state == UP]

    @rule(seconds=st.floats(0.5, 40))
    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        for order in step(self.view, self.now):
            if isinstance(order, Start):
                assert order.name not in {w.name for w in self.past}
                self.past.append(MachineView(order.name, order.slot, UP, None, 0, earlier=False))
            else:
                self.end(order.name, STOPPED)

    def end(self, name: str, state: MachineState) -> None:
        self.past = [replace(w, state=state, ended=self.now) if w.name == name else w for w in self.past]

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), state=st.sampled_from([LOST, LOST, LOST, FAILED, STOPPED]))
    def death(self, data: st.DataObject, state: MachineState) -> None:
        self.end(self.past[data.draw(st.sampled_from(self.alive()))].name, state)

    @precondition(lambda self: self.alive() and self.done < 12)
    @rule(data=st.data())
    def shard(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.alive()))
        self.past[number] = replace(self.past[number], shards=self.past[number].shards + 1)
        self.done += 1

    @rule()
    def launch_again(self) -> None:
        self.draining = False
        self.past = [w if w.state == UP else replace(w, earlier=True) for w in self.past]

    @rule()
    def drain(self) -> None:
        self.draining = True

    @invariant()
    def no_slot_has_two_living_workers(self) -> None:
        slots = [self.past[n].slot for n in self.alive()]
        assert len(slots) == len(set(slots))

    @invariant()
    def names_are_used_once(self) -> None:
        assert len({w.name for w in self.past}) == len(self.past)


TestFleet = Fleet.TestCase


# --- workers that hang


def test_worker_may_end_by_itself_after_the_last_shard() -> None:
    assert step(replace(view([worker(0, UP)], done=10), finished=NOON), after(14)) == []


def test_worker_that_hangs_after_the_last_shard_is_ended_then_killed() -> None:
    hung = replace(view([worker(0, UP)], done=10), finished=NOON)
    assert step(hung, after(16)) == [End("run-w0-0")]
    assert step(hung, after(31)) == [Kill("run-w0-0")]


@pytest.mark.parametrize(("times", "order"), [(1, Drain), (2, End), (3, Kill)])
def test_each_ctrl_c_is_more_forceful(times: int, order: type[Drain | End | Kill]) -> None:
    asked = replace(view([worker(0, UP)]), draining=True, interrupts=times)
    assert step(asked, NOON) == [order("run-w0-0")]
