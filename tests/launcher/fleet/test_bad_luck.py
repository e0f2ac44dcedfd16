"""Situations in which the static policy used to do nothing or the wrong thing, and what it orders now.

33 machines are planned on spot in one place, and others wait their turn: spot in another cloud, and on demand.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from launcher.fleet.failure_messages import given_up_text
from launcher.fleet.scheduling.fleet_view import FleetGroup, FleetView, MachineView
from launcher.fleet.scheduling.placement import MAX_COOLDOWN, PlacementFailure, cooldown_until, refused_until
from launcher.fleet.scheduling.policy import step
from launcher.fleet.scheduling.slots import slot_targets
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.records import Machine, MachineState
from launcher.steering.orders import Drain, End, Start
from tasks.skypilot_task import Place

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
UP = MachineState.UP
EAST = Place("aws", "eu-south-2", None, "g6.xlarge", Decimal("0.1581"))
GOOGLE = Place("gcp", "us-central1", None, "g2-standard-4", Decimal("0.31"))
VIRGINIA = Place("aws", "us-east-1", None, "g6.xlarge", Decimal("0.8048"))


def group(number: int, place: Place, slots: int, purchase: str = "spot") -> FleetGroup:
    return FleetGroup(
        number, slots, f"r-l{number}m", (place,), (slots,), 1, 300.0, 897.0, "L4", 1.0, purchase,
        usd_per_hour=place.usd_per_hour,
    )  # fmt: skip


SPOT, OTHER_CLOUD, ON_DEMAND = group(0, EAST, 33), group(1, GOOGLE, 33), group(2, VIRGINIA, 20, "on-demand")
WAITING = [MachineView(f"r-l0m{n}-0", n, UP, None, 0, phase=Phase.WAITING, requested=NOON) for n in range(16)]
RUNNING = [MachineView(f"r-l0m{n}-0", n, UP, None, 5, infra=EAST.infra) for n in range(33)]
TAKEN = [replace(machine, phase=Phase.RECOVERING) for machine in RUNNING]
LOSS = [PlacementFailure(EAST.infra, NOON, "preempted")] * 33


def view(groups: tuple[FleetGroup, ...], workers: Sequence[MachineView], **changes: object) -> FleetView:
    plain = FleetView("r", groups, workers, 100_000, 100, draining=False, tokens_left=3e9)
    return replace(plain, **changes)  # type: ignore[arg-type]


def orders(found: FleetView, hours: float) -> Counter[tuple[str, int]]:
    """How many orders of each kind there are for each group, after so many hours."""
    groups = {machine.name: machine.group for machine in found.workers}
    return Counter(
        (type(o).__name__, o.group if isinstance(o, Start) else groups[o.name])
        for o in step(found, NOON + timedelta(hours=hours))
    )


# --- the first: no machine comes


def test_machines_that_wait_do_not_block_other_places() -> None:
    found = view((SPOT, OTHER_CLOUD, ON_DEMAND), WAITING)
    assert orders(found, 0.1) == {("Start", 1): 16, ("Start", 2): 16}


def test_machines_that_wait_in_vain_are_ended_as_had_none() -> None:
    found = view((SPOT, OTHER_CLOUD, ON_DEMAND), WAITING)
    late = step(found, NOON + timedelta(hours=2))
    assert [o for o in late if isinstance(o, End)] == [
        End(name, "had none") for name in sorted(m.name for m in WAITING)
    ]
    assert orders(found, 2)["Start", 0] == 16  # its other slots: what waited in vain blocks nothing


def test_place_that_had_none_is_asked_again_after_a_capped_backoff() -> None:
    refused = [PlacementFailure(EAST.infra, NOON, "no capacity")] * 16
    ended = [replace(m, state=MachineState.STOPPED, ended=NOON) for m in WAITING]
    found = view((SPOT,), ended, failures=refused)
    assert orders(found, 0.05) == {}
    assert orders(found, 0.1) == {("Start", 0): 16}
    often = [PlacementFailure(EAST.infra, NOON - timedelta(minutes=5 * n), "no capacity") for n in range(40)]
    assert refused_until(EAST.infra, often, NOON) == NOON + timedelta(minutes=20)


# --- the second, the sixth and the seventh: the static policy keeps to its plan and its budget


def test_static_policy_does_nothing_about_a_slow_fleet() -> None:
    assert orders(view((SPOT,), RUNNING), 20) == {}


def test_run_drains_at_its_budget_and_not_before() -> None:
    money = {"committed": Decimal("0.2"), "budget": Decimal(100)}
    assert orders(view((SPOT,), RUNNING, spent=Decimal("89.9"), **money), 0) == {("Drain", 0): 33}
    assert orders(view((SPOT,), RUNNING, spent=Decimal(60), **money), 0) == {}
    assert isinstance(step(view((SPOT,), RUNNING, spent=Decimal("89.9"), **money), NOON)[0], Drain)


# --- the third and fourth: all machines are taken away


def test_place_that_takes_every_machine_is_left_to_its_backoff() -> None:
    found = view((SPOT,), TAKEN, failures=LOSS)
    assert orders(found, 0.1) == {}  # SkyPilot recovers them where the plan wants them
    again = [replace(m, phase=Phase.WAITING, requested=NOON) for m in TAKEN]
    assert orders(view((SPOT,), again, failures=LOSS), 2) == {("End", 0): 33}


def test_other_groups_start_while_one_recovers() -> None:
    assert orders(view((SPOT, OTHER_CLOUD), TAKEN, failures=LOSS), 10 / 60) == {("Start", 1): 16}


# --- the fifth: a group is given up


def failed_group() -> list[MachineView]:
    failed = [MachineView(f"r-l0m{n}-0", n, MachineState.FAILED, NOON, 0) for n in range(3)]
    return failed + [
        MachineView(f"r-l1m{n}-0", n, UP, None, 4, group=1, infra=GOOGLE.infra) for n in range(33)
    ]


def test_other_groups_take_over_from_one_that_was_given_up() -> None:
    found = view((SPOT, OTHER_CLOUD), failed_group())
    assert slot_targets(found) == {0: 0, 1: 66}
    started = [o for o in step(found, NOON + timedelta(hours=1)) if isinstance(o, Start)]
    assert [(o.group, o.slot) for o in started] == [(1, slot) for slot in range(33, 49)]  # a wave


def test_share_of_a_group_is_counted_in_tokens_and_never_more_machines_than_planned() -> None:
    fast = replace(OTHER_CLOUD, tokens_per_second=2 * 897.0)
    slow = replace(OTHER_CLOUD, tokens_per_second=897.0 / 2)
    assert slot_targets(view((SPOT, fast), failed_group()))[1] == 33 + 17
    assert slot_targets(view((SPOT, slow), failed_group()))[1] == 33 + 33


def test_message_says_who_takes_over_and_what_that_does_to_the_time() -> None:
    failure = Machine(
        "r-l0m2-0", "r", 2, "aws", "L4", None, MachineState.FAILED, None, NOON, None, None, None, NOON,
        "the setup failed", None,
    )  # fmt: skip
    found = view((SPOT, OTHER_CLOUD), failed_group(), spent=Decimal("1.5"))
    assert given_up_text(found, SPOT, failure) == (
        "group 0 (33 x L4) is given up: the setup failed; $1.50 spent; group 1 goes from 33 to 66 machines"
    )
    slow = replace(OTHER_CLOUD, tokens_per_second=897.0 / 2)
    text = given_up_text(view((SPOT, slow), failed_group()), SPOT, failure)
    assert text.endswith("66 machines; the rest takes about 1.5 times as long as planned")


# --- a region that takes many machines at once


@pytest.mark.parametrize("machines", [1, 5, 39, 500, 5_000])
def test_one_look_is_one_failure_however_many_machines_it_took(machines: int) -> None:
    failures = [PlacementFailure(EAST.infra, NOON, "preempted")] * machines
    assert cooldown_until(EAST.infra, failures, NOON) == NOON + timedelta(minutes=10)


def test_failures_a_few_moments_apart_are_one_look() -> None:
    """Launchers used to stamp each machine of a look with a moment of its own, and ledgers still hold those."""
    failures = [
        PlacementFailure(EAST.infra, NOON + timedelta(milliseconds=40 * n), "preempted") for n in range(50)
    ]
    until = cooldown_until(EAST.infra, failures, NOON + timedelta(seconds=3))
    assert until == NOON + timedelta(minutes=10)


def test_backoff_of_a_place_that_fails_for_hours_is_capped() -> None:
    failures = [PlacementFailure(EAST.infra, NOON - timedelta(minutes=n), "preempted") for n in range(239)]
    assert cooldown_until(EAST.infra, failures, NOON) == NOON + MAX_COOLDOWN
