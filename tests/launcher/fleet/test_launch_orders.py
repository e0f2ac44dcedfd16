"""Carrying out orders: the intent is written before the act, offsets spread machines over the shards, orders go once."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.errors import Problem
from launcher.fleet.backends.base import LaunchRequest, MachineStatus, RequestRefused
from launcher.fleet.backends.local import LocalBackend
from launcher.fleet.launch_orders import LaunchOrders
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.run_context import RunContext
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Machine, MachineState, Site
from launcher.steering.orders import Drain, End, Start
from tasks.skypilot_task import Place
from tasks.stores.memory import MemoryStore
from tests.support.runs import NOON, header_of

EAST = Place("aws", "us-east-1", "us-east-1a", "g6.xlarge", Decimal("0.30"))
GROUPS = (
    FleetGroup(0, 3, "r1-l0m", (EAST,), (3,), workers=2, gpu="L4", gpus=2.0, purchase="spot", disk_gb=120),
    FleetGroup(1, 2, "r1-l1m", (EAST,), (2,), workers=1, gpu="H100", usd_per_hour=Decimal(9)),
)


class Recorder(LocalBackend):
    """Starts nothing, and notes what it was asked and what the ledger held by then."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        super().__init__(folder)
        self.ledger = ledger
        self.requests: list[LaunchRequest] = []
        self.known: list[Machine] = []
        self.drained: list[str] = []
        self.terminated: list[str] = []
        self.waiting: set[str] = set()
        self.refused: str | None = None

    def start(self, requests: Sequence[LaunchRequest]) -> dict[str, str | Exception]:
        self.requests += requests
        self.known = self.ledger.machines.of_run("run-1")
        return {
            one.name: Problem("no quota", hint="ask for more")
            if one.name == self.refused
            else f"7:{one.name}"
            for one in requests
        }

    def drain(self, handles: Sequence[str]) -> None:
        self.drained += handles

    def terminate(self, handles: Sequence[str]) -> None:
        self.terminated += handles

    def status(self, handle: str) -> MachineStatus | None:
        return MachineStatus(Phase.WAITING if handle in self.waiting else Phase.RUNNING)


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Recorder]:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.runs.create("run-1", "reviews", "{}", "d", str(tmp_path), NOON)
        yield Recorder(tmp_path, ledger)


class StopsAtRefusal(Recorder):
    """Refuses `b` and `c`, and carries out no request behind the first that it refuses."""

    def start(self, requests: Sequence[LaunchRequest]) -> dict[str, str | Exception]:
        handles = dict[str, str | Exception]()
        for one in requests:
            refused = one.name in "bc"
            handles[one.name] = RequestRefused("no", hint="ask elsewhere") if refused else f"7:{one.name}"
            if refused:
                break
        return handles


@pytest.fixture
def orders(backend: Recorder, tmp_path: Path) -> LaunchOrders:
    return orders_of(backend, tmp_path)


def orders_of(backend: Recorder, tmp_path: Path) -> LaunchOrders:
    observer = StoreObserver(MemoryStore(), backend.ledger, header_of(tmp_path, 80))
    context = RunContext(ledger=backend.ledger, observer=observer, backend=backend, groups=GROUPS)
    return LaunchOrders(context)


def machines(backend: Recorder) -> dict[str, Machine]:
    return {machine.name: machine for machine in backend.ledger.machines.of_run("run-1")}


def test_intent_is_in_the_ledger_before_the_machine_is_requested(
    orders: LaunchOrders, backend: Recorder
) -> None:
    orders.carry_out([Start(0, "r1-l0m0-0", 0, (EAST,))])
    (known,) = backend.known
    assert (known.name, known.state) == ("r1-l0m0-0", MachineState.INTENDED)
    assert known.site == Site("aws", "us-east-1", "us-east-1a", "spot", "g6.xlarge", 2.0, 120)
    assert known.usd_per_hour == EAST.usd_per_hour
    after = machines(backend)["r1-l0m0-0"]
    assert (after.state, after.handle) == (MachineState.UP, "7:r1-l0m0-0")


def test_name_that_the_ledger_has_is_not_requested_again(orders: LaunchOrders, backend: Recorder) -> None:
    for _ in range(2):
        orders.carry_out([Start(0, "r1-l0m0-0", 0, (EAST,))])
    assert [one.name for one in backend.requests] == ["r1-l0m0-0"]


def test_machines_begin_at_positions_in_proportion_to_their_workers(
    orders: LaunchOrders, backend: Recorder
) -> None:
    orders.carry_out(
        [
            Start(0, "a", 0, (EAST,)),
            Start(1, "b", 0, (EAST,)),
            Start(0, "c", 1, (EAST,)),
            Start(1, "d", 1, (EAST,)),
        ]
    )
    assert [one.offset for one in backend.requests] == [0, 20, 60, 70]  # of 80 shards for 8 workers


def test_machine_that_cannot_be_started_has_failed_and_the_others_are_confirmed(
    orders: LaunchOrders, backend: Recorder
) -> None:
    backend.refused = "b"
    with pytest.raises(Problem, match="no quota"):
        orders.carry_out([Start(0, "a", 0, (EAST,)), Start(1, "b", 0, (EAST,))])
    found = machines(backend)
    assert (found["a"].state, found["b"].state) == (MachineState.UP, MachineState.FAILED)
    assert found["b"].reason == "no quota"


def test_each_order_is_sent_once_and_recorded_as_stopping(orders: LaunchOrders, backend: Recorder) -> None:
    orders.carry_out([Start(0, "a", 0, (EAST,))])
    for _ in range(2):
        orders.carry_out([Drain("a")])
    assert backend.drained == ["7:a"]
    assert machines(backend)["a"].stopping is not None
    assert not orders.ordered_to_end("a")
    orders.carry_out([End("a")])
    assert orders.ordered_to_end("a")


def test_steered_machines_after_one_that_is_refused_are_requested_too(
    backend: Recorder, tmp_path: Path
) -> None:
    """A backend gives up at the first request that fails: those behind it would be intended for ever."""
    orders = orders_of(StopsAtRefusal(tmp_path, backend.ledger), tmp_path)
    orders.steered = True
    orders.carry_out([Start(n, name, 0, (EAST,)) for n, name in enumerate("abcd")])
    states = {name: machine.state for name, machine in machines(backend).items()}
    assert states == {
        "a": MachineState.UP, "b": MachineState.FAILED, "c": MachineState.FAILED, "d": MachineState.UP,
    }  # fmt: skip


def test_orders_of_a_launcher_that_was_killed_before_it_sent_them_are_sent_again(
    orders: LaunchOrders, backend: Recorder
) -> None:
    """What it wrote down first is all that is left: a machine that is leaving gets no order from steering."""
    orders.carry_out([Start(0, "a", 0, (EAST,)), Start(1, "b", 0, (EAST,)), Start(2, "c", 0, (EAST,))])
    for name in "ab":
        backend.ledger.machines.mark_stopping(name, NOON)
    backend.waiting = {"7:b"}
    orders.send_again()
    assert backend.drained == ["7:a"]
    assert backend.terminated == ["7:b"]
    assert orders.ordered_to_end("b")
    orders.carry_out([Drain("a")])
    assert backend.drained == ["7:a"]
